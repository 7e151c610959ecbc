package nodetaint

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
)

// Result is what is known of a Node's taints after Reconcile.
type Result struct {
	// Owned are the taints on the Node that are ours, for the status. They are in the
	// order of key and effect.
	Owned []v1alpha1.NodeTaint

	// Conflicts are wanted taints whose key and effect are somebody else's.
	Conflicts []v1alpha1.NodeTaint

	// Changed is whether the Node was written.
	Changed bool
}

// Reconcile makes the wanted taints true on the Node. For node and owned see Plan, for
// the errors Apply. With an error, Owned is what the caller passed, so that a status
// written from the result forgets nothing. A Node that is gone has no taints.
func Reconcile(ctx context.Context, c client.Client, node *corev1.Node, wanted, owned []v1alpha1.NodeTaint) (Result, error) {
	changes := Plan(node, wanted, owned)
	changed, err := Apply(ctx, c, node, changes)
	if err != nil {
		return Result{Owned: owned, Conflicts: changes.Conflicts}, err
	}
	if isGone := !changed && !changes.IsEmpty(); isGone {
		return Result{}, nil
	}
	return Result{Owned: changes.Owned, Conflicts: changes.Conflicts, Changed: changed}, nil
}

// Apply writes the changes to the Node, from which they must have been planned, and
// reports whether it wrote. The list of taints can only be written as a whole;
// therefore the write fails with a Conflict, to be retried on a newer Node, when
// anything on the Node has changed since it was read. A Node that is gone is no error.
// node itself is not modified.
func Apply(ctx context.Context, c client.Client, node *corev1.Node, changes Changes) (bool, error) {
	if changes.IsEmpty() {
		return false, nil
	}
	patch := client.MergeFromWithOptions(node, client.MergeFromWithOptimisticLock{})
	err := c.Patch(ctx, withChanges(node, changes), patch, client.FieldOwner(v1alpha1.FieldManagerNodeTaints))
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("failed to write the taints of Node %s: %w", node.Name, err)
	}
	return true, nil
}

// withChanges returns a copy of the Node with the changes. Taints keep their place and the
// time at which they were added; new ones come last.
func withChanges(node *corev1.Node, changes Changes) *corev1.Node {
	after := node.DeepCopy()
	after.Spec.Taints = slices.DeleteFunc(after.Spec.Taints, func(taint corev1.Taint) bool {
		return find(changes.Remove, taint) >= 0
	})
	for i, taint := range after.Spec.Taints {
		if j := find(changes.Change, taint); j >= 0 {
			after.Spec.Taints[i].Value = changes.Change[j].Value
		}
	}
	for _, add := range changes.Add {
		after.Spec.Taints = append(after.Spec.Taints, corev1.Taint{Key: add.Key, Value: add.Value, Effect: add.Effect})
	}

	if len(changes.Owned) == 0 {
		delete(after.Annotations, v1alpha1.AppliedTaintsAnnotation)
		return after
	}
	if after.Annotations == nil {
		after.Annotations = make(map[string]string, 1)
	}
	after.Annotations[v1alpha1.AppliedTaintsAnnotation] = recordOf(changes.Owned)
	return after
}

// find returns the index of the taint's key and effect, or -1.
func find(taints []v1alpha1.NodeTaint, taint corev1.Taint) int {
	return slices.IndexFunc(taints, func(t v1alpha1.NodeTaint) bool { return t.Key == taint.Key && t.Effect == taint.Effect })
}
