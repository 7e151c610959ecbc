package drain

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// cordonState is what became of the cordon.
type cordonState int

const (
	// cordonThere means that the Node was unschedulable already, by whomever.
	cordonThere cordonState = iota

	// cordonWritten means that this step has written it.
	cordonWritten

	// cordonOutdated means that the Node is not what was read before: it has changed
	// since, or is gone.
	cordonOutdated
)

// cordon makes the Node unschedulable and says in the same write whose doing that is,
// so that after a crash it is known. A Node that somebody else has cordoned is not
// marked: it stays cordoned when we are done.
func (d *Drainer) cordon(ctx context.Context, req Request) (cordonState, error) {
	if req.Node.Spec.Unschedulable {
		return cordonThere, nil
	}
	after := req.Node.DeepCopy()
	after.Spec.Unschedulable = true
	metav1.SetMetaDataAnnotation(&after.ObjectMeta, d.opts.MarkKey, string(req.Owner))

	// Without the lock a cordon that somebody has set meanwhile would become ours.
	patch := client.MergeFromWithOptions(req.Node, client.MergeFromWithOptimisticLock{})
	err := req.Workload.Patch(ctx, after, patch, client.FieldOwner(d.opts.FieldManager))
	switch {
	case err == nil:
		return cordonWritten, nil
	case apierrors.IsConflict(err), apierrors.IsNotFound(err):
		return cordonOutdated, nil
	default:
		return cordonThere, fmt.Errorf("failed to cordon Node %s: %w", req.Node.Name, err)
	}
}
