package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
)

const (
	// columnsFormat is for phase, Machine, Node, Pods and the schedule's next change.
	columnsFormat = "%-15s  %-12s  %-22s  %-4s  %-8s"

	// width is how many characters a row has at most.
	width = 160
)

// timestamp is a time as people are told it, of which the time of day is enough here.
var timestamp = regexp.MustCompile(`\d{4}-\d{2}-\d{2}T(\d{2}:\d{2}:\d{2})Z`)

func header() string {
	return fmt.Sprintf("%-8s  "+columnsFormat+"  %s", "UTC", "PHASE", "MACHINE", "NODE", "PODS", "NEXT", "WHAT")
}

// rows are the lines of the timeline that tell how this snapshot differs from the last:
// one for each piece of news.
func (s snapshot) rows(now time.Time, last snapshot) []string {
	news := s.news(last)
	if len(news) == 0 && s.columns() != last.columns() {
		news = []string{""}
	}
	rows := make([]string, 0, len(news))
	for _, what := range news {
		rows = append(rows, s.row(now, what))
	}
	return rows
}

// row is one line of the timeline.
func (s snapshot) row(now time.Time, what string) string {
	what = timestamp.ReplaceAllString(what, "$1")
	text := []rune(strings.TrimRight(now.UTC().Format(time.TimeOnly)+"  "+s.columns()+"  "+what, " "))
	if len(text) > width {
		return string(text[:width-1]) + "…"
	}
	return string(text)
}

func (s snapshot) columns() string {
	return fmt.Sprintf(columnsFormat, cmp.Or(string(s.phase), "-"), cmp.Or(s.machine, "-"), s.formatNode(), s.formatPods(), cmp.Or(s.next, "-"))
}

func (s snapshot) formatNode() string {
	if s.node == "" {
		return "-"
	}
	words := []string{"NotReady"}
	if s.nodeReady {
		words[0] = "Ready"
	}
	if s.taints != "" {
		words = append(words, "tainted")
	}
	if s.cordoned {
		words = append(words, "cordoned")
	}
	return strings.Join(words, ",")
}

// formatPods shows how many Pods are on the Node, and in a drain how many of how many
// remain.
func (s snapshot) formatPods() string {
	switch {
	case s.drain.total > 0:
		return fmt.Sprintf("%d/%d", s.drain.remaining, s.drain.total)
	case s.node == "":
		return "-"
	default:
		return fmt.Sprint(s.pods)
	}
}

// news is what the columns do not show and the last snapshot did not say.
func (s snapshot) news(last snapshot) []string {
	var parts []string
	if s.taints != "" && s.taints != last.taints {
		parts = append(parts, "tainted "+s.taints)
	}
	if text := unsaid(s.message, last.message); text != "" {
		parts = append(parts, text)
	}
	if s.drain.blockedBy != "" && s.drain.blockedBy != last.drain.blockedBy {
		parts = append(parts, "blocked: "+s.drain.blockedBy)
	}
	return parts
}

// describe is the news of an event. Its note may repeat the message.
func (s snapshot) describe(event *eventsv1.Event) string {
	text := event.Reason
	if note := unsaid(event.Note, s.message); note != "" {
		text += ": " + note
	}
	if event.Type == corev1.EventTypeWarning {
		return "Warning " + text
	}
	return text
}

// unsaid are the parts of a text that are not in another.
func unsaid(text, said string) string {
	const separator = "; "
	known := strings.Split(said, separator)
	parts := slices.DeleteFunc(strings.Split(text, separator), func(part string) bool {
		return slices.Contains(known, part)
	})
	return strings.Join(parts, separator)
}

// summarize says once what holds several Pods.
func summarize(blockedBy []string) string {
	var reasons []string
	for _, entry := range blockedBy {
		if _, reason, ok := strings.Cut(entry, ": "); ok {
			entry = reason
		}
		if !slices.Contains(reasons, entry) {
			reasons = append(reasons, entry)
		}
	}
	return strings.Join(reasons, ", ")
}
