package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/finos/five-spot/api/v1alpha1"
)

// Snapshots of a machine on its way through one cycle.
var (
	inactive     = snapshot{phase: v1alpha1.PhaseInactive}
	pending      = snapshot{phase: v1alpha1.PhasePending}
	created      = snapshot{phase: v1alpha1.PhasePending, machine: "Provisioning"}
	joined       = snapshot{phase: v1alpha1.PhasePending, machine: "Running", node: "n", nodeReady: true}
	active       = snapshot{phase: v1alpha1.PhaseActive, machine: "Running", node: "n", nodeReady: true}
	shuttingDown = snapshot{phase: v1alpha1.PhaseShuttingDown, machine: "Deleting", node: "n", nodeReady: true, cordoned: true}
	nodeLeft     = snapshot{phase: v1alpha1.PhaseShuttingDown, machine: "Deleting"}
)

func TestCycle(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		seen    []snapshot
		missing []string
	}{
		"a whole cycle is complete": {
			seen: []snapshot{inactive, pending, created, joined, active, shuttingDown, nodeLeft, inactive},
		},
		"steps that are seen at once count": {
			seen: []snapshot{created, active, shuttingDown, inactive},
		},
		"nothing was seen": {
			missing: []string{
				"phase Pending", "the Machine exists", "the Node has joined and is Ready",
				"phase Active, with a running Machine and a Ready Node", "phase ShuttingDown", "the Node has left",
				"the Machine is gone", "phase Inactive, without Machine and Node",
			},
		},
		"a phase Active without a Node is not believed": {
			seen: []snapshot{created, joined, {phase: v1alpha1.PhaseActive, machine: "Running"}, shuttingDown, nodeLeft},
			missing: []string{
				"phase Active, with a running Machine and a Ready Node", "phase ShuttingDown", "the Node has left",
				"the Machine is gone", "phase Inactive, without Machine and Node",
			},
		},
		"a phase Inactive that leaves the Machine behind is not believed": {
			seen:    []snapshot{created, joined, active, shuttingDown, nodeLeft, {phase: v1alpha1.PhaseInactive, machine: "Deleting"}},
			missing: []string{"the Machine is gone", "phase Inactive, without Machine and Node"},
		},
		"a machine that is removed without ShuttingDown misses that step": {
			seen: []snapshot{created, joined, active, inactive},
			missing: []string{
				"phase ShuttingDown", "the Node has left", "the Machine is gone", "phase Inactive, without Machine and Node",
			},
		},
		"the rest of a window that ended too early does not count": {
			seen:    []snapshot{created, shuttingDown, inactive, pending, created},
			missing: steppedFrom(2),
		},
		"the cycle after a window that ended too early is complete": {
			seen: []snapshot{created, joined, shuttingDown, inactive, created, joined, active, shuttingDown, nodeLeft, inactive},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCycle()
			for _, s := range test.seen {
				c.observe(s)
			}
			if diff := cmp.Diff(test.missing, missingIn(c.String())); diff != "" {
				t.Errorf("missing steps (-want +got):\n%s", diff)
			}
			if got, want := c.complete(), len(test.missing) == 0; got != want {
				t.Errorf("complete() = %v, want %v", got, want)
			}
		})
	}
}

func TestNoCycleIsNeverComplete(t *testing.T) {
	t.Parallel()
	if (*cycle)(nil).complete() {
		t.Error("the timeline without --once would end")
	}
}

func steppedFrom(first int) []string {
	var names []string
	for _, s := range steps()[first:] {
		names = append(names, s.name)
	}
	return names
}

func missingIn(report string) []string {
	var names []string
	for line := range strings.Lines(report) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "MISSING  "); ok {
			names = append(names, name)
		}
	}
	return names
}
