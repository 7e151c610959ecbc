package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

// snapshot is what there is to see of one ScheduledMachine. Two snapshots are equal
// when there is nothing new to see.
type snapshot struct {
	phase    v1alpha1.Phase
	machine  string // the Machine's phase; empty without a Machine
	deleting bool   // whether the Machine is being deleted

	node      string // the Node's name; empty without a Node
	nodeReady bool
	cordoned  bool
	taints    string // those of the spec that the Node carries
	closed    bool   // whether other taints keep Pods away

	pods       int32 // on the Node, in whatever state
	podsReady  int32 // of them, Ready
	neighbours int32 // on the neighbour, and to stay there

	drain   drainage
	next    string
	message string
}

// drainage is what the status says about the drain.
type drainage struct {
	total, remaining int32
	blockedBy        string // what holds Pods
	complete         bool
	// inTime is whether it was complete before the Machine's deletion began.
	inTime bool
}

// takeSnapshot reads the ScheduledMachine, its Machine, its Node and the Pods, in this
// order and past every cache: what a phase claims has to be there when it is looked at.
func takeSnapshot(ctx context.Context, world *testenv.World, object sample) (snapshot, error) {
	key := types.NamespacedName{Namespace: object.namespace, Name: object.name}
	scheduled := &v1alpha1.ScheduledMachine{}
	machine := &clusterv1.Machine{}
	node := &corev1.Node{}
	nodeName := testenv.NodeName(object.namespace, object.name)
	isThere, scheduledErr := get(ctx, world.Client, key, scheduled)
	hasMachine, machineErr := get(ctx, world.Client, key, machine)
	hasNode, nodeErr := get(ctx, world.WorkloadClient, types.NamespacedName{Name: nodeName}, node)
	pods := &corev1.PodList{}
	podsErr := world.WorkloadClient.List(ctx, pods)
	if err := errors.Join(scheduledErr, machineErr, nodeErr, podsErr); err != nil {
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
		seen.machine, seen.deleting = cmp.Or(machine.Status.Phase, "new"), machine.DeletionTimestamp != nil
	}
	if hasNode {
		seen.lookAtNode(node, scheduled.Spec.NodeTaints)
	}
	seen.countPods(pods.Items, nodeName)
	seen.drain = readDrain(&scheduled.Status, machine)
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

func (s *snapshot) lookAtNode(node *corev1.Node, wanted []v1alpha1.NodeTaint) {
	s.node, s.nodeReady, s.cordoned = node.Name, isReady(node), node.Spec.Unschedulable
	own := map[v1alpha1.NodeTaint]bool{}
	for _, taint := range wanted {
		own[taint] = true
	}
	var carried []string
	for _, taint := range node.Spec.Taints {
		switch {
		case own[v1alpha1.NodeTaint{Key: taint.Key, Value: taint.Value, Effect: taint.Effect}]:
			carried = append(carried, taint.ToString())
		case taint.Effect != corev1.TaintEffectPreferNoSchedule:
			s.closed = true
		}
	}
	s.taints = strings.Join(carried, ", ")
}

func isReady(node *corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

func (s *snapshot) countPods(pods []corev1.Pod, nodeName string) {
	for i := range pods {
		pod := &pods[i]
		switch {
		case pod.Spec.NodeName == nodeName:
			s.pods++
			if testenv.PodReady(pod) {
				s.podsReady++
			}
		case pod.Spec.NodeName == neighbour && pod.DeletionTimestamp == nil:
			s.neighbours++
		}
	}
}

func readDrain(status *v1alpha1.ScheduledMachineStatus, machine *clusterv1.Machine) drainage {
	var seen drainage
	if status.Drain != nil {
		seen.total, seen.remaining = status.Drain.PodsTotal, status.Drain.PodsRemaining
		seen.blockedBy = summarize(status.Drain.BlockedBy)
	}
	drained := meta.FindStatusCondition(status.Conditions, v1alpha1.DrainedCondition)
	if drained != nil && meta.IsStatusConditionTrue(status.Conditions, v1alpha1.DrainedCondition) {
		deleted := machine.DeletionTimestamp
		seen.complete = true
		seen.inTime = deleted == nil || !drained.LastTransitionTime.After(deleted.Time)
	}
	return seen
}

func formatNext(transitions []v1alpha1.ScheduleTransition) string {
	if len(transitions) == 0 {
		return ""
	}
	return transitions[0].Time.UTC().Format(time.TimeOnly)
}
