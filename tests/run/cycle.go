package main

import (
	"fmt"
	"strings"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"github.com/finos/five-spot/api/v1alpha1"
)

// step is one thing that has to be seen.
type step struct {
	name string
	seen func(snapshot) bool
}

// steps are one full cycle, in order. What a phase claims is checked against the
// Machine and the Node themselves.
func steps() []step {
	return []step{
		{"phase Pending", func(s snapshot) bool { return s.phase == v1alpha1.PhasePending }},
		{"the Machine exists", func(s snapshot) bool { return s.machine != "" }},
		{"the Node has joined and is Ready", func(s snapshot) bool { return s.nodeReady }},
		{"phase Active, with a running Machine and a Ready Node", func(s snapshot) bool {
			return s.phase == v1alpha1.PhaseActive && s.machine == string(clusterv1.MachinePhaseRunning) && s.nodeReady
		}},
		{"phase ShuttingDown", func(s snapshot) bool { return s.phase == v1alpha1.PhaseShuttingDown }},
		{"the Node has left", func(s snapshot) bool { return s.node == "" }},
		{"the Machine is gone", func(s snapshot) bool { return s.machine == "" }},
		{"phase Inactive, without Machine and Node", func(s snapshot) bool {
			return s.phase == v1alpha1.PhaseInactive && s.machine == "" && s.node == ""
		}},
	}
}

// activeStep is the step from which on the end of a window ends the cycle. A world
// that starts at the end of a window has to see the next one.
const activeStep = 3

// cycle tells how much of one full cycle was seen.
type cycle struct {
	steps []step
	done  int
}

func newCycle() *cycle { return &cycle{steps: steps()} }

// observe takes the next snapshot into account. Steps count only in their order.
func (c *cycle) observe(s snapshot) {
	if c.done <= activeStep && s.phase == v1alpha1.PhaseInactive {
		c.done = 0
		return
	}
	for !c.complete() && c.steps[c.done].seen(s) {
		c.done++
	}
}

func (c *cycle) complete() bool { return c != nil && c.done == len(c.steps) }

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
