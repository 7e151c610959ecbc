package main

import (
	"fmt"
	"slices"
	"strings"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"github.com/finos/five-spot/api/v1alpha1"
)

// step is one thing that has to be seen.
type step struct {
	name string
	seen func(snapshot) bool
}

// steps are one full cycle of a machine on which so many Pods run, in order. What the
// status claims is checked against the Machine, the Node and the Pods themselves.
func steps(pods int32) []step { return slices.Concat(joining(pods), draining(pods), leaving()) }

// joining are the steps before the end of the window. A world that starts late in a
// window, so that not everything is there at its end, has to see the next one.
func joining(pods int32) []step {
	return []step{
		{"phase Pending", func(s snapshot) bool { return s.phase == v1alpha1.PhasePending }},
		{"the Machine exists", func(s snapshot) bool { return s.machine != "" }},
		{"the Node has joined and is Ready", func(s snapshot) bool { return s.nodeReady }},
		{"phase Active, with a running Machine and a Ready Node", func(s snapshot) bool {
			return s.phase == v1alpha1.PhaseActive && s.machine == string(clusterv1.MachinePhaseRunning) && s.nodeReady
		}},
		{"the Node carries the taints of the spec", func(s snapshot) bool { return s.taints != "" }},
		{"the workload runs on the Node", func(s snapshot) bool { return s.podsReady >= pods }},
	}
}

func draining(pods int32) []step {
	return []step{
		{"phase ShuttingDown", func(s snapshot) bool { return s.phase == v1alpha1.PhaseShuttingDown }},
		{"the Node is cordoned, with Pods on it", func(s snapshot) bool { return s.cordoned && s.pods > 0 && !s.deleting }},
		{"most Pods remain, held by their PodDisruptionBudget", func(s snapshot) bool {
			return s.emptying(pods) && 2*s.drain.remaining > pods && s.drain.blockedBy != ""
		}},
		{"few Pods remain", func(s snapshot) bool { return s.emptying(pods) && 2*s.drain.remaining <= pods }},
		{"Drained, with no Pod left, before the Machine's deletion began", func(s snapshot) bool {
			return s.drain.complete && s.drain.inTime && s.drain.remaining == 0 && s.pods == 0
		}},
	}
}

func leaving() []step {
	return []step{
		{"the Node has left", func(s snapshot) bool { return s.node == "" }},
		{"the Machine is gone", func(s snapshot) bool { return s.machine == "" }},
		{"phase Inactive, without Machine and Node", func(s snapshot) bool {
			return s.phase == v1alpha1.PhaseInactive && s.machine == "" && s.node == ""
		}},
	}
}

// emptying is whether a drain of at least so many Pods is under way, and no more of
// them are on the Node than the status says. There may be fewer: they leave while the
// status is written.
func (s snapshot) emptying(pods int32) bool {
	return s.cordoned && !s.deleting && s.drain.total >= pods && s.drain.remaining > 0 && s.pods <= s.drain.remaining
}

// cycle tells how much of one full cycle was seen.
type cycle struct {
	steps []step
	// joining is how many of the steps come before the end of the window.
	joining int
	done    int
	failed  bool
}

func newCycle(pods int32) *cycle { return &cycle{steps: steps(pods), joining: len(joining(pods))} }

// observe takes the next snapshot into account. Steps count only in their order, and
// in one and the same cycle.
func (c *cycle) observe(s snapshot) {
	inactive := s.phase == v1alpha1.PhaseInactive
	if c.done < c.joining && inactive {
		c.done = 0
		return
	}
	for !c.complete() && c.steps[c.done].seen(s) {
		c.done++
	}
	c.failed = inactive && !c.complete()
}

func (c *cycle) complete() bool { return c != nil && c.done == len(c.steps) }

// over is whether nothing more is to be seen.
func (c *cycle) over() bool { return c != nil && (c.failed || c.complete()) }

// String lists all steps and which of them are missing.
func (c *cycle) String() string {
	var text strings.Builder
	for i, step := range c.steps {
		mark := "seen   "
		if i >= c.done {
			mark = "MISSING"
		}
		fmt.Fprintf(&text, "  %s  %s\n", mark, step.name)
	}
	return text.String()
}
