// Package nodemark knows the marks that 5-Spot leaves on a Node, so that a machine
// that comes back under its old Node does not bring them along: our cordon, the
// taints we own and the annotations of a reclaim. Finding is pure; clearing is one
// merge patch under an optimistic lock, and is idempotent.
package nodemark

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/nodetaint"
	"github.com/finos/five-spot/pkg/reclaim"
)

// Kinds of marks.
type Kinds struct {
	Cordon  bool
	Taints  bool
	Reclaim bool
}

// All are all kinds of marks.
func All() Kinds { return Kinds{Cordon: true, Taints: true, Reclaim: true} }

// Any is whether there is a mark of any kind.
func (k Kinds) Any() bool { return k.Cordon || k.Taints || k.Reclaim }

// Find returns the kinds of marks that are on the Node.
func Find(node *corev1.Node) Kinds {
	_, cordoned := node.Annotations[v1alpha1.CordonedByAnnotation]
	_, tainted := node.Annotations[v1alpha1.AppliedTaintsAnnotation]
	return Kinds{
		Cordon:  cordoned,
		Taints:  tainted,
		Reclaim: slices.ContainsFunc(reclaim.AnnotationKeys(), func(key string) bool { _, ok := node.Annotations[key]; return ok }),
	}
}

// CordonedBy is whether the Node carries the cordon mark of the given owner.
func CordonedBy(node *corev1.Node, uid string) bool {
	return uid != "" && node.Annotations[v1alpha1.CordonedByAnnotation] == uid
}

// Clear takes the marks of the given kinds off the Node and returns it as it is then;
// nil when it wrote nothing, because there are none or the Node is gone.
func Clear(ctx context.Context, c client.Client, node *corev1.Node, kinds Kinds) (*corev1.Node, error) {
	after := without(node, kinds)
	if after == nil {
		return nil, nil
	}
	err := c.Patch(ctx, after, patchFrom(node, kinds), client.FieldOwner(v1alpha1.FieldManager))
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("failed to clear marks from Node %s: %w", node.Name, err)
	}
	return after, nil
}

// patchFrom locks the Node unless only annotations go: those can be removed whatever
// else has changed, while a list of taints replaces what is there.
func patchFrom(node *corev1.Node, kinds Kinds) client.Patch {
	if kinds.Cordon || kinds.Taints {
		return client.MergeFromWithOptions(node, client.MergeFromWithOptimisticLock{})
	}
	return client.MergeFrom(node)
}

// without returns a copy of the Node without the given marks; nil when it has none.
func without(node *corev1.Node, kinds Kinds) *corev1.Node {
	found := Find(node)
	kinds = Kinds{
		Cordon:  kinds.Cordon && found.Cordon,
		Taints:  kinds.Taints && found.Taints,
		Reclaim: kinds.Reclaim && found.Reclaim,
	}
	if !kinds.Any() {
		return nil
	}

	after := node.DeepCopy()
	if kinds.Cordon {
		after.Spec.Unschedulable = false
		delete(after.Annotations, v1alpha1.CordonedByAnnotation)
	}
	if kinds.Taints {
		owned := nodetaint.Owned(node, nil)
		after.Spec.Taints = slices.DeleteFunc(after.Spec.Taints, func(taint corev1.Taint) bool {
			return slices.ContainsFunc(owned, func(o v1alpha1.NodeTaint) bool { return o.Key == taint.Key && o.Effect == taint.Effect })
		})
		delete(after.Annotations, v1alpha1.AppliedTaintsAnnotation)
	}
	if kinds.Reclaim {
		for _, key := range reclaim.AnnotationKeys() {
			delete(after.Annotations, key)
		}
	}
	return after
}
