package main

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"

	"github.com/finos/five-spot/api/v1alpha1"
)

// noon is twelve o'clock, seen from elsewhere.
var noon = time.Date(2026, 5, 4, 13, 0, 0, 0, time.FixedZone("elsewhere", 3600))

func TestRowsOfASnapshot(t *testing.T) {
	t.Parallel()
	const tail = "  -                -             "
	for name, test := range map[string]struct {
		now, last snapshot
		want      []string
	}{
		"an object without status shows dashes": {
			last: snapshot{phase: v1alpha1.PhasePending},
			want: []string{"12:00:00" + tail + "-                       -     -"},
		},
		"nothing new is no row": {
			now: busy, last: busy,
		},
		"what is nowhere shown is no row": {
			now: but(busy, func(s *snapshot) { s.podsReady, s.neighbours, s.closed = 1, 2, true }), last: busy,
		},
		"a tainted, cordoned Node is told from a free one": {
			now:  snapshot{phase: v1alpha1.PhaseShuttingDown, machine: "Running", node: "n", nodeReady: true, taints: "a=b:NoSchedule", cordoned: true, pods: 3},
			last: snapshot{taints: "a=b:NoSchedule"},
			want: []string{"12:00:00  ShuttingDown     Running       Ready,tainted,cordoned  3     -"},
		},
		"a Node that is not Ready": {
			now:  snapshot{node: "n"},
			want: []string{"12:00:00" + tail + "NotReady                0     -"},
		},
		"new taints are named": {
			now:  snapshot{node: "n", nodeReady: true, taints: "a=b:NoSchedule"},
			want: []string{"12:00:00" + tail + "Ready,tainted           0     -         tainted a=b:NoSchedule"},
		},
		"a drain shows how many Pods remain": {
			now:  snapshot{node: "n", nodeReady: true, pods: 2, drain: drainage{total: 10, remaining: 3}},
			want: []string{"12:00:00" + tail + "Ready                   3/10  -"},
		},
		"a drain still shows it when the Node is gone": {
			now:  snapshot{drain: drainage{total: 4}},
			want: []string{"12:00:00" + tail + "-                       0/4   -"},
		},
		"what holds Pods has a row of its own": {
			now:  snapshot{message: "draining", drain: drainage{total: 4, remaining: 4, blockedBy: "a budget"}},
			want: []string{"12:00:00" + tail + "-                       4/4   -         draining", "12:00:00" + tail + "-                       4/4   -         blocked: a budget"},
		},
		"what held Pods before is not repeated": {
			now:  snapshot{drain: drainage{total: 4, remaining: 3, blockedBy: "a budget"}},
			last: snapshot{drain: drainage{total: 4, remaining: 4, blockedBy: "a budget"}},
			want: []string{"12:00:00" + tail + "-                       3/4   -"},
		},
		"a message is shown with the time of day only": {
			now:  snapshot{next: "12:02:00", message: "Closed; open again at 2026-05-04T12:02:00Z"},
			want: []string{"12:00:00" + tail + "-                       -     12:02:00  Closed; open again at 12:02:00"},
		},
		"of a message only what is new is repeated": {
			now: snapshot{message: "Closed; draining"}, last: snapshot{message: "Closed; shutting down"},
			want: []string{"12:00:00" + tail + "-                       -     -         draining"},
		},
		"a message that only became shorter is no row": {
			now: snapshot{message: "Closed"}, last: snapshot{message: "Closed; waiting"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, test.now.rows(noon, test.last), cmp.Transformer("empty", func(rows []string) string {
				return strings.Join(rows, "\n")
			})); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

func TestARowFitsTheTerminal(t *testing.T) {
	t.Parallel()
	for _, what := range []string{strings.Repeat("é", 79), strings.Repeat("é", 80)} {
		got := cordoned.row(noon, what)
		if length := utf8.RuneCountInString(got); length != width {
			t.Errorf("%d characters: %s", length, got)
		}
		if got, want := strings.HasSuffix(got, "…"), len([]rune(what)) > 79; got != want {
			t.Errorf("cut: %v, want %v", got, want)
		}
	}
	// The longest of what is told of a drain.
	for _, what := range []string{
		"blocked: The disruption budget render needs 3 healthy pods and has 3 currently",
		"MachineActive: The Machine is running and its Node workstation.default is Ready",
	} {
		if got := cordoned.row(noon, what); !strings.HasSuffix(got, what) {
			t.Errorf("it does not fit: %s", got)
		}
	}
}

func TestHeaderStandsAboveTheColumns(t *testing.T) {
	t.Parallel()
	row := drainedTo(3).row(noon, "text")
	for title, value := range map[string]string{"PHASE": "ShuttingDown", "MACHINE": "Running", "NODE": "Ready", "PODS": "3/4", "WHAT": "text"} {
		if strings.Index(header(), title) != strings.Index(row, value) {
			t.Errorf("%s is not above %s:\n%s\n%s", title, value, header(), row)
		}
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		event   eventsv1.Event
		message string
		want    string
	}{
		"an event is named": {
			event: eventsv1.Event{Type: corev1.EventTypeNormal, Reason: "NodeDrained", Note: "All have left"},
			want:  "NodeDrained: All have left",
		},
		"a warning is told from other events": {
			event: eventsv1.Event{Type: corev1.EventTypeWarning, Reason: "DrainTimedOut", Note: "It took too long"},
			want:  "Warning DrainTimedOut: It took too long",
		},
		"the message is not repeated": {
			event:   eventsv1.Event{Type: corev1.EventTypeNormal, Reason: "MachineDeleted", Note: "Deleted Machine m; closed"},
			message: "closed; waiting",
			want:    "MachineDeleted: Deleted Machine m",
		},
		"an event that says the same as the message": {
			event:   eventsv1.Event{Type: corev1.EventTypeNormal, Reason: "Paused", Note: "It is paused"},
			message: "It is paused",
			want:    "Paused",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := (snapshot{message: test.message}).describe(&test.event); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestWhatHoldsPodsIsSaidOnce(t *testing.T) {
	t.Parallel()
	got := summarize([]string{"Pod a/b: budget x: one", "Pod a/c: budget x: one", "Pod a/d: budget y"})
	if want := "budget x: one, budget y"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
