package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
)

var errNotOurs = errors.New("it was not created for this ScheduledMachine")

// DeleteOptions are the steps of the deletion that Cluster API is to leave out.
type DeleteOptions struct {
	SkipDrain        bool
	SkipVolumeDetach bool
}

// Removal is how far Delete came.
type Removal struct {
	// Gone is whether the Machine is known not to exist any more. Otherwise its
	// deletion was accepted and Cluster API is at it.
	Gone bool

	// Changed is whether anything was written.
	Changed bool
}

// Delete deletes live, the Machine of sm, and nothing else: Cluster API takes the
// infrastructure and the bootstrap object along when their turn comes. Deleting
// those here as well would make it skip its drain.
//
// The steps to leave out are written first, so that Cluster API never sees the
// deletion without them; they can be added while a deletion is under way. Both
// writes hold for live's UID only: a Machine that has taken its name since is not
// touched. A Machine that is not ours is an error.
func (o *Objects) Delete(ctx context.Context, sm *v1alpha1.ScheduledMachine, live *clusterv1.Machine, opts DeleteOptions) (Removal, error) {
	if live.UID == "" || !Ours(sm, live) {
		return Removal{}, fmt.Errorf("failed to delete Machine %s: %w", client.ObjectKeyFromObject(live), errNotOurs)
	}
	removal, err := o.skipSteps(ctx, live, opts)
	if err != nil || removal.Gone || !live.DeletionTimestamp.IsZero() {
		return removal, err
	}
	err = o.writer.Delete(ctx, live.DeepCopy(), deleteOptions(live)...)
	switch {
	case err == nil:
		removal.Changed = true
	case apierrors.IsNotFound(err):
		removal.Gone = true
	case apierrors.IsConflict(err):
		removal.Gone, err = o.wasReplaced(ctx, live, err)
		return removal, err
	default:
		return removal, fmt.Errorf("failed to delete Machine %s: %w", client.ObjectKeyFromObject(live),
			ifDenied(err, "delete", machinesResource, live.Namespace))
	}
	return removal, nil
}

// skipSteps writes the annotations that live lacks.
func (o *Objects) skipSteps(ctx context.Context, live *clusterv1.Machine, opts DeleteOptions) (Removal, error) {
	missing := map[string]string{}
	if opts.SkipDrain && !hasAnnotation(live, clusterv1.ExcludeNodeDrainingAnnotation) {
		missing[clusterv1.ExcludeNodeDrainingAnnotation] = "true"
	}
	if opts.SkipVolumeDetach && !hasAnnotation(live, clusterv1.ExcludeWaitForNodeVolumeDetachAnnotation) {
		missing[clusterv1.ExcludeWaitForNodeVolumeDetachAnnotation] = "true"
	}
	if len(missing) == 0 {
		return Removal{}, nil
	}
	return o.annotate(ctx, live, missing)
}

// annotate writes annotations on this very Machine.
func (o *Objects) annotate(ctx context.Context, live *clusterv1.Machine, annotations map[string]string) (Removal, error) {
	// A UID in a patch must be that of the object, or the patch is refused.
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": live.UID, "annotations": annotations}})
	if err != nil {
		return Removal{}, fmt.Errorf("failed to encode annotations: %w", err)
	}
	err = o.writer.Patch(ctx, live.DeepCopy(), client.RawPatch(types.MergePatchType, body))
	switch {
	case err == nil:
		return Removal{Changed: true}, nil
	case apierrors.IsNotFound(err):
		return Removal{Gone: true}, nil
	case apierrors.IsConflict(err), apierrors.IsInvalid(err):
		gone, err := o.wasReplaced(ctx, live, err)
		return Removal{Gone: gone}, err
	}
	return Removal{}, fmt.Errorf("failed to annotate Machine %s: %w", client.ObjectKeyFromObject(live),
		ifDenied(err, "patch", machinesResource, live.Namespace))
}

// wasReplaced looks whether cause, the answer to a write that held for a UID, came
// about because that object is gone. Otherwise cause stays the error.
func (o *Objects) wasReplaced(ctx context.Context, obj client.Object, cause error) (bool, error) {
	gvk := machineKind
	if known := obj.GetObjectKind().GroupVersionKind(); !known.Empty() {
		gvk = known
	}
	now, err := o.head(ctx, gvk, client.ObjectKeyFromObject(obj))
	if err != nil {
		return false, err
	}
	if now == nil || now.UID != obj.GetUID() {
		return true, nil
	}
	return false, fmt.Errorf("failed to remove %s %s: %w", gvk.Kind, client.ObjectKeyFromObject(obj), cause)
}

// deleteObject deletes a provider object that carries kind, key and UID.
func (o *Objects) deleteObject(ctx context.Context, obj *metav1.PartialObjectMetadata) error {
	err := o.writer.Delete(ctx, obj.DeepCopy(), deleteOptions(obj)...)
	switch {
	case err == nil, apierrors.IsNotFound(err):
		return nil
	case apierrors.IsConflict(err):
		_, err = o.wasReplaced(ctx, obj, err)
		return err
	}
	if mapping, _, _ := o.resolve(obj.GroupVersionKind()); mapping != nil {
		err = ifDenied(err, "delete", mapping.Resource.GroupResource(), obj.Namespace)
	}
	return fmt.Errorf("failed to delete %s %s: %w", obj.Kind, client.ObjectKeyFromObject(obj), err)
}

// deleteOptions make a DELETE hold for the one object that was looked at, and leave
// what depends on it to its own controllers: a foreground deletion would mark
// Machine and infrastructure at the same time.
func deleteOptions(obj client.Object) []client.DeleteOption {
	return []client.DeleteOption{
		client.Preconditions{UID: new(obj.GetUID())},
		client.PropagationPolicy(metav1.DeletePropagationBackground),
	}
}
