package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

// snapshot is what there is to see of one ScheduledMachine. Two snapshots are equal
// when there is nothing new to see.
type snapshot struct {
	phase     v1alpha1.Phase
	machine   string // the Machine's phase; empty without a Machine
	node      string // the Node's name; empty without a Node
	nodeReady bool
	cordoned  bool
	next      string
	message   string
}

// takeSnapshot reads the ScheduledMachine, its Machine and its Node, in this order
// and past every cache: what a phase claims has to be there when it is looked at.
func takeSnapshot(ctx context.Context, world *testenv.World, object sample) (snapshot, error) {
	key := types.NamespacedName{Namespace: object.namespace, Name: object.name}
	scheduled := &v1alpha1.ScheduledMachine{}
	machine := &clusterv1.Machine{}
	node := &corev1.Node{}
	nodeKey := types.NamespacedName{Name: testenv.NodeName(object.namespace, object.name)}
	isThere, scheduledErr := get(ctx, world.Client, key, scheduled)
	hasMachine, machineErr := get(ctx, world.Client, key, machine)
	hasNode, nodeErr := get(ctx, world.WorkloadClient, nodeKey, node)
	if err := errors.Join(scheduledErr, machineErr, nodeErr); err != nil {
		return snapshot{}, err
	}
	seen := snapshot{
		phase:   scheduled.Status.Phase,
		message: scheduled.Status.Message,
		next:    formatNext(scheduled.Status.NextTransitions),
	}
	if !isThere {
		seen.message = "The ScheduledMachine does not exist"
	}
	if hasMachine {
		seen.machine = cmp.Or(machine.Status.Phase, "new")
	}
	if hasNode {
		seen.node, seen.nodeReady, seen.cordoned = node.Name, isReady(node), node.Spec.Unschedulable
	}
	return seen, nil
}

// get reads the object and tells whether it exists.
func get(ctx context.Context, c client.Reader, key client.ObjectKey, obj client.Object) (bool, error) {
	err := c.Get(ctx, key, obj)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("failed to get %T %s: %w", obj, key.Name, err)
	}
	return err == nil, nil
}

func isReady(node *corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

func formatNext(transitions []v1alpha1.ScheduleTransition) string {
	if len(transitions) == 0 {
		return ""
	}
	return fmt.Sprintf("%s %s", transitions[0].State, transitions[0].Time.UTC().Format(time.TimeOnly))
}

// rowFormat is for time, phase, Machine, Node, next transition, and what happened.
const rowFormat = "%-8s  %-15s  %-12s  %-34s  %-18s  %s"

func header() string {
	return fmt.Sprintf(rowFormat, "UTC", "PHASE", "MACHINE", "NODE", "NEXT", "WHAT")
}

// row is one line of the timeline. It repeats no message of the line before.
func (s snapshot) row(now time.Time, last snapshot) string {
	if s.message == last.message {
		return s.line(now, "")
	}
	return s.line(now, s.message)
}

// eventRow is the line of an event, under the state that was seen last.
func (s snapshot) eventRow(now time.Time, text string) string {
	return s.line(now, "* "+text)
}

func (s snapshot) line(now time.Time, what string) string {
	return strings.TrimRight(fmt.Sprintf(rowFormat, now.UTC().Format(time.TimeOnly),
		cmp.Or(string(s.phase), "-"), cmp.Or(s.machine, "-"), s.formatNode(), cmp.Or(s.next, "-"), what), " ")
}

func (s snapshot) formatNode() string {
	if s.node == "" {
		return "-"
	}
	text := s.node
	if s.nodeReady {
		text += " Ready"
	} else {
		text += " NotReady"
	}
	if s.cordoned {
		text += ",cordoned"
	}
	return text
}
