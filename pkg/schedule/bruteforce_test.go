package schedule

import (
	"time"

	"github.com/robfig/cron/v3"

	"github.com/finos/five-spot/api/v1alpha1"
)

// scan is the wall clock of a zone, minute by minute: the oracle to which the
// schedule is compared. It knows no clock change rule, only what the clock shows.
type scan struct {
	base  int64
	local []int64
}

func newScan(loc *time.Location, from, to int64) *scan {
	s := &scan{base: from}
	for t := from; t < to; t += secondsPerMinute {
		_, offset := time.Unix(t, 0).In(loc).Zone()
		s.local = append(s.local, t+int64(offset))
	}
	return s
}

func (s *scan) instant(minute int) int64 { return s.base + int64(minute)*secondsPerMinute }

// hull collects for each key the first and the last minute that belongs to it.
type hull[K comparable] map[K][2]int

func (h hull[K]) add(key K, minute int) {
	span, ok := h[key]
	if !ok {
		span[0] = minute
	}
	span[1] = minute + 1
	h[key] = span
}

func (h hull[K]) mark(minutes []bool) {
	for _, span := range h {
		for minute := span[0]; minute < span[1]; minute++ {
			minutes[minute] = true
		}
	}
}

// weekly marks the minutes of windows given as spans of the week.
func (s *scan) weekly(windows []civilSpan) []bool {
	type key struct {
		window int
		week   int64
	}
	spans := hull[key]{}
	for minute, local := range s.local {
		for i, w := range windows {
			week := floorDiv(local-weekZero-w.start, secondsPerWeek)
			if local-weekZero-w.start-week*secondsPerWeek < w.end-w.start {
				spans.add(key{i, week}, minute)
			}
		}
	}
	marked := make([]bool, len(s.local))
	spans.mark(marked)
	return marked
}

// days marks the minutes of the local days [from, to).
func (s *scan) days(from, to int64) []bool {
	spans := hull[bool]{}
	for minute, local := range s.local {
		if from <= local && local < to {
			spans.add(true, minute)
		}
	}
	marked := make([]bool, len(s.local))
	spans.mark(marked)
	return marked
}

// cron marks the minutes of a cron rule. A local minute activates when the clock
// first shows it or a later one.
func (s *scan) cron(expression string, duration time.Duration, civil bool) []bool {
	parsed, err := cron.ParseStandard(expression)
	if err != nil {
		panic(err)
	}
	spec := parsed.(*cron.SpecSchedule)
	marked := make([]bool, len(s.local))
	reached := s.local[0] - secondsPerMinute
	for minute, local := range s.local {
		for ; reached < local; reached += secondsPerMinute {
			if !cronMatches(spec, time.Unix(reached+secondsPerMinute, 0).UTC()) {
				continue
			}
			last := minute + int(duration/time.Minute)
			for i := minute; civil && i < min(len(s.local), minute+3*minutesPerDay); i++ {
				first := reached + secondsPerMinute
				if first <= s.local[i] && s.local[i] < first+int64(duration/time.Second) {
					last = max(last, i+1)
				}
			}
			for i := minute; i < min(last, len(marked)); i++ {
				marked[i] = true
			}
		}
	}
	return marked
}

func cronMatches(spec *cron.SpecSchedule, t time.Time) bool {
	const star = 1 << 63
	if spec.Minute&(1<<t.Minute()) == 0 || spec.Hour&(1<<t.Hour()) == 0 || spec.Month&(1<<t.Month()) == 0 {
		return false
	}
	inMonth, inWeek := spec.Dom&(1<<t.Day()) != 0, spec.Dow&(1<<t.Weekday()) != 0
	if (spec.Dom|spec.Dow)&star != 0 {
		return inMonth && inWeek
	}
	return inMonth || inWeek
}

// answer is what the oracle says about one minute.
type answer struct {
	active    bool
	cause     v1alpha1.TransitionCause
	provision bool
}

// overlay lets exceptions, given as marked minutes, overrule the rule; earlier ones
// win.
func overlay(rule []bool, layers ...layerOfMinutes) []answer {
	answers := make([]answer, len(rule))
	for minute := range rule {
		answers[minute] = answer{active: rule[minute], cause: v1alpha1.CauseWindow}
		for _, layer := range layers {
			if layer.marked[minute] {
				answers[minute] = answer{active: layer.active, cause: layer.cause}
				break
			}
		}
	}
	return answers
}

type layerOfMinutes struct {
	marked []bool
	active bool
	cause  v1alpha1.TransitionCause
}

// anticipate fills in provision for a lead time.
func anticipate(answers []answer, lead time.Duration) {
	opens := -1
	for minute := len(answers) - 1; minute >= 0; minute-- {
		a := &answers[minute]
		switch {
		case a.active:
			opens = minute
			a.provision = true
		case a.cause != v1alpha1.CauseWindow:
			opens = -1
		default:
			a.provision = opens >= 0 && time.Duration(opens-minute)*time.Minute <= lead
		}
	}
}
