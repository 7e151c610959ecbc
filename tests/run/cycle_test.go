package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/finos/five-spot/api/v1alpha1"
)

// workloadPods is how many Pods run on the machine of these tests.
const workloadPods = 4

// Snapshots of a machine on its way through one cycle.
var (
	inactive = snapshot{phase: v1alpha1.PhaseInactive}
	pending  = snapshot{phase: v1alpha1.PhasePending}
	created  = snapshot{phase: v1alpha1.PhasePending, machine: "Provisioning"}
	joined   = snapshot{phase: v1alpha1.PhasePending, machine: "Running", node: "n", nodeReady: true}
	active   = snapshot{phase: v1alpha1.PhaseActive, machine: "Running", node: "n", nodeReady: true, taints: "t"}
	busy     = running(4)
	closed   = but(busy, func(s *snapshot) { s.phase = v1alpha1.PhaseShuttingDown })
	cordoned = but(closed, func(s *snapshot) { s.cordoned = true })
	drained  = but(drainedTo(0), func(s *snapshot) { s.drain.complete, s.drain.inTime, s.drain.blockedBy = true, true, "" })
	deleting = but(drained, func(s *snapshot) { s.machine, s.deleting = "Deleting", true })
	// tooEarly is the end of a window that came before any Pod.
	tooEarly = but(active, func(s *snapshot) { s.phase, s.cordoned = v1alpha1.PhaseShuttingDown, true })
	nodeLeft = but(deleting, func(s *snapshot) { s.node, s.nodeReady, s.cordoned, s.taints = "", false, false, "" })
)

// but is a snapshot that differs a bit from another.
func but(s snapshot, change func(*snapshot)) snapshot {
	change(&s)
	return s
}

// running is an active machine with so many Pods.
func running(pods int32) snapshot {
	return but(active, func(s *snapshot) { s.pods, s.podsReady = pods, pods })
}

// drainedTo is a drain in which so many Pods remain.
func drainedTo(remaining int32) snapshot {
	return but(cordoned, func(s *snapshot) {
		s.pods, s.podsReady = remaining, 0
		s.drain = drainage{total: workloadPods, remaining: remaining, blockedBy: "a budget"}
	})
}

// wholeCycle are the snapshots of a cycle in which nothing is missing.
func wholeCycle() []snapshot {
	return []snapshot{
		inactive, pending, created, joined, active, running(2), busy, closed, cordoned,
		drainedTo(4), drainedTo(3), drainedTo(2), drainedTo(1), drained, deleting, nodeLeft, inactive,
	}
}

// without is a whole cycle of which some snapshots were not taken.
func without(missed func(snapshot) bool) []snapshot { return slices.DeleteFunc(wholeCycle(), missed) }

// altered is a whole cycle in which every snapshot is changed.
func altered(change func(*snapshot)) []snapshot {
	seen := wholeCycle()
	for i := range seen {
		change(&seen[i])
	}
	return seen
}

func TestCycle(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		seen []snapshot
		// missing is the first step that was not seen; empty when all were.
		missing string
		over    bool
	}{
		"a whole cycle is complete":                     {seen: wholeCycle(), over: true},
		"a drain in two steps is complete":              {seen: without(func(s snapshot) bool { return s.drain.remaining%2 == 1 }), over: true},
		"steps that are seen at once count":             {seen: []snapshot{pending, busy, drainedTo(3), drainedTo(2), drained, inactive}, over: true},
		"nothing was seen":                              {missing: "phase Pending"},
		"a cycle that goes on is not over":              {seen: wholeCycle()[:11], missing: "few Pods remain"},
		"a phase Active without a Node is not believed": {seen: []snapshot{created, joined, {phase: v1alpha1.PhaseActive, machine: "Running"}}, missing: "phase Active, with a running Machine and a Ready Node"},
		"a Node without the taints of the spec is not enough": {
			seen: altered(func(s *snapshot) { s.taints = "" }), missing: "phase Pending",
		},
		"a workload that never comes to the Node leaves nothing to drain": {
			seen: []snapshot{pending, created, joined, active, running(3), tooEarly}, missing: "the workload runs on the Node",
		},
		"a machine that is removed without ShuttingDown misses that step": {
			seen: []snapshot{pending, created, joined, busy, inactive}, missing: "phase ShuttingDown", over: true,
		},
		"a drain without cordon is none": {
			seen: altered(func(s *snapshot) { s.cordoned = false }), missing: "the Node is cordoned, with Pods on it", over: true,
		},
		"a drain that nothing held did not respect the budget": {
			seen: altered(func(s *snapshot) { s.drain.blockedBy = "" }), missing: "most Pods remain, held by their PodDisruptionBudget", over: true,
		},
		"a drain that takes all Pods at once did not go on in steps": {
			seen:    without(func(s snapshot) bool { return s.drain.remaining == 1 || s.drain.remaining == 2 }),
			missing: "few Pods remain", over: true,
		},
		"a drain that claims more than it did is not believed": {
			seen: altered(func(s *snapshot) {
				if s.drain.total > 0 {
					s.pods = workloadPods
				}
			}),
			missing: "few Pods remain", over: true,
		},
		"what leaves once the Machine is being deleted was not drained by us": {
			seen: altered(func(s *snapshot) { s.deleting = s.phase == v1alpha1.PhaseShuttingDown }), missing: "the Node is cordoned, with Pods on it", over: true,
		},
		"a drain whose cordon does not last": {
			seen: altered(func(s *snapshot) { s.cordoned = s.cordoned && s.drain.total == 0 }), missing: "most Pods remain, held by their PodDisruptionBudget", over: true,
		},
		"a drain that the deletion of the Machine overtakes": {
			seen:    altered(func(s *snapshot) { s.deleting = s.drain.total > 0 && s.drain.remaining < 3 }),
			missing: "few Pods remain", over: true,
		},
		"a Machine that was deleted before its Node was drained": {
			seen:    altered(func(s *snapshot) { s.drain.inTime = false }),
			missing: "Drained, with no Pod left, before the Machine's deletion began", over: true,
		},
		"a drain that timed out": {
			seen:    altered(func(s *snapshot) { s.drain.complete = false }),
			missing: "Drained, with no Pod left, before the Machine's deletion began", over: true,
		},
		"a Drained with Pods on the Node is not believed": {
			seen: altered(func(s *snapshot) {
				if s.drain.complete {
					s.pods = 1
				}
			}),
			missing: "Drained, with no Pod left, before the Machine's deletion began", over: true,
		},
		"a phase Inactive that leaves the Machine behind is not believed": {
			seen:    append(wholeCycle()[:16], but(inactive, func(s *snapshot) { s.machine = "Deleting" })),
			missing: "the Machine is gone", over: true,
		},
		"the rest of a window that ended too early does not count": {
			seen: []snapshot{pending, created, active, tooEarly, inactive, pending}, missing: "the Machine exists",
		},
		"the cycle after a window that ended too early is complete": {
			seen: append([]snapshot{pending, created, active, tooEarly}, wholeCycle()...), over: true,
		},
		"what one cycle misses the next does not make up for": {
			seen:    append([]snapshot{pending, created, busy, closed, cordoned, drained, nodeLeft}, wholeCycle()...),
			missing: "most Pods remain, held by their PodDisruptionBudget", over: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCycle(workloadPods)
			for _, s := range test.seen {
				if !c.over() {
					c.observe(s)
				}
			}
			if diff := cmp.Diff(stepsFrom(test.missing), missingIn(c.String())); diff != "" {
				t.Errorf("missing steps (-want +got):\n%s", diff)
			}
			if got, want := c.complete(), test.missing == ""; got != want {
				t.Errorf("complete() = %v, want %v", got, want)
			}
			if got := c.over(); got != test.over {
				t.Errorf("over() = %v, want %v", got, test.over)
			}
		})
	}
}

func TestNoCycleIsNeverOver(t *testing.T) {
	t.Parallel()
	if (*cycle)(nil).over() {
		t.Error("the timeline without --once would end")
	}
}

// stepsFrom are the names of all steps from the given one on.
func stepsFrom(first string) []string {
	var names []string
	for _, s := range steps(workloadPods) {
		if s.name == first || names != nil {
			names = append(names, s.name)
		}
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
