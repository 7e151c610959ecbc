package crash_test

import (
	"context"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

// guardedReplicas is how many pods there are of which a budget lets one go at a time.
const guardedReplicas = 2

func (b *bench) nodeName() string { return testenv.NodeName(b.sm.Namespace, b.sm.Name) }

// node reads the Node; nil when it is gone.
func (b *bench) node() *corev1.Node {
	b.Helper()
	node := &corev1.Node{}
	err := world.WorkloadClient.Get(b.Context(), client.ObjectKey{Name: b.nodeName()}, node)
	if client.IgnoreNotFound(err) != nil {
		b.Fatal(err)
	}
	if err != nil {
		return nil
	}
	return node
}

// work activates the machine and puts pods on its Node. They have somewhere to go.
func (b *bench) work() {
	b.Helper()
	b.workForEver()
	if err := b.site.closeSpare(b.Context(), false); err != nil {
		b.Fatal(err)
	}
}

// workForEver is work without a place to go: the last guarded pod never leaves.
func (b *bench) workForEver() {
	b.Helper()
	b.activate()
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	defer cancel()
	if err := b.site.closeSpare(ctx, true); err != nil {
		b.Fatal(err)
	}
	nodes := []string{b.nodeName(), b.site.spare.Name}
	b.free = &testenv.Pods{Namespace: b.site.pods, Name: b.sm.Name + "-free", Replicas: 1, Nodes: nodes, Grace: time.Second}
	b.guarded = &testenv.Pods{Namespace: b.site.pods, Name: guardedName(b.sm.Name), Replicas: guardedReplicas, Nodes: nodes, Grace: time.Second}
	for _, pods := range []*testenv.Pods{b.free, b.guarded} {
		if _, err := world.CreateDeployment(ctx, pods); err != nil {
			b.Fatal(err)
		}
	}
	for _, pods := range []*testenv.Pods{b.free, b.guarded} {
		if _, err := world.WaitForReadyPods(ctx, pods, int(pods.Replicas)); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := world.CreateBudget(ctx, b.guarded, testenv.OneAtATime); err != nil {
		b.Fatal(err)
	}
}

func guardedName(machine string) string { return machine + "-guarded" }

// isStuck is whether the drain has come as far as the budget lets it.
func (b *bench) isStuck() bool {
	b.Helper()
	now := b.read()
	return now != nil && now.Status.Drain != nil && now.Status.Drain.PodsRemaining == 1 && len(now.Status.Drain.BlockedBy) == 1
}

// marks are what is on the Node that a manager has put there, or should have.
func marks(node *corev1.Node) []string {
	var found []string
	if node.Spec.Unschedulable {
		found = append(found, "Node is cordoned")
	}
	for _, annotation := range []string{v1alpha1.CordonedByAnnotation, v1alpha1.AppliedTaintsAnnotation, v1alpha1.ReclaimRequestedAnnotation} {
		if value, ok := node.Annotations[annotation]; ok && value != "" {
			found = append(found, "Node has "+annotation)
		}
	}
	for _, taint := range node.Spec.Taints {
		found = append(found, "Node has taint "+taint.ToString())
	}
	return found
}

func (b *bench) discardPods(ctx context.Context) {
	b.Helper()
	for _, pods := range []*testenv.Pods{b.free, b.guarded} {
		if pods == nil {
			continue
		}
		meta := metav1.ObjectMeta{Namespace: pods.Namespace, Name: pods.Name}
		for _, obj := range []client.Object{&appsv1.Deployment{ObjectMeta: meta}, &policyv1.PodDisruptionBudget{ObjectMeta: meta}} {
			if err := world.WorkloadClient.Delete(ctx, obj, client.PropagationPolicy(metav1.DeletePropagationBackground)); client.IgnoreNotFound(err) != nil {
				b.Error(err)
			}
		}
		err := world.WorkloadClient.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(pods.Namespace), pods.Selector(), client.GracePeriodSeconds(0))
		if err != nil {
			b.Error(err)
		}
	}
}
