package machine

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
)

var errNoUID = errors.New("the reference has no UID")

// Leftovers reads, uncached, which bootstrap and infrastructure objects of sm are
// there without a Machine: never adopted by one, or outliving the one that adopted
// them. While a Machine of ours exists there are none, since Cluster API removes
// them along with it. Objects that are already being deleted are among them.
func (o *Objects) Leftovers(ctx context.Context, sm *v1alpha1.ScheduledMachine) ([]v1alpha1.ObjectReference, error) {
	live, err := o.Confirm(ctx, sm)
	if err != nil || live != nil && Ours(sm, live) {
		return nil, err
	}
	var leftovers []v1alpha1.ObjectReference
	for _, candidate := range candidates(sm) {
		found, err := o.candidate(ctx, sm, candidate)
		if err != nil {
			return nil, err
		}
		if found != nil && Ours(sm, found) && adopted(sm, found, live) == adoptedByNone {
			leftovers = append(leftovers, *reference(candidate.gvk, found))
		}
	}
	return leftovers, nil
}

// candidate is an object that may be a leftover.
type candidate struct {
	gvk  schema.GroupVersionKind
	name string

	// recorded is the UID of the object that the status says was created; empty when
	// it says nothing.
	recorded types.UID
}

// candidates are what the status recorded, and what the present spec would create:
// a process may have stopped between creating and recording, and the spec may have
// changed its kinds since.
func candidates(sm *v1alpha1.ScheduledMachine) []candidate {
	var all []candidate
	seen := map[string]bool{}
	add := func(c candidate) {
		id := c.gvk.GroupKind().String() + "/" + c.name
		if c.gvk.Kind != "" && c.name != "" && !seen[id] {
			seen[id] = true
			all = append(all, c)
		}
	}
	for _, ref := range []*v1alpha1.ObjectReference{sm.Status.BootstrapRef, sm.Status.InfrastructureRef} {
		if ref != nil {
			add(candidate{gvk: schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind), name: ref.Name, recorded: types.UID(ref.UID)})
		}
	}
	for _, part := range partsOf(sm) {
		add(candidate{gvk: part.gvk, name: Name(sm)})
	}
	return all
}

func (o *Objects) candidate(ctx context.Context, sm *v1alpha1.ScheduledMachine, c candidate) (*metav1.PartialObjectMetadata, error) {
	_, problem, err := o.resolve(c.gvk)
	if err != nil || problem != nil {
		// What is not served does not exist, and what is not namespaced is not ours.
		return nil, err
	}
	found, err := o.head(ctx, c.gvk, client.ObjectKey{Namespace: Namespace(sm), Name: c.name})
	switch {
	case !apierrors.IsForbidden(err):
		return found, err
	case c.recorded == "":
		// Without the right to read we did not create it either.
		return nil, nil //nolint:nilnil // No object is an answer.
	}
	// The right was taken away since. What cannot be seen to be gone counts as there,
	// so that the status names it and --finalizer-timeout ends the wait for it.
	unseen := &metav1.PartialObjectMetadata{}
	unseen.SetGroupVersionKind(c.gvk)
	unseen.SetNamespace(Namespace(sm))
	unseen.SetName(c.name)
	unseen.SetUID(c.recorded)
	return unseen, nil
}

// DeleteLeftovers deletes the objects that refs name by UID, in the namespace of
// sm. It does all that it can, and is idempotent: an object that is gone, or whose
// name belongs to another one by now, is left at that.
func (o *Objects) DeleteLeftovers(ctx context.Context, sm *v1alpha1.ScheduledMachine, refs []v1alpha1.ObjectReference) error {
	errs := make([]error, 0, len(refs))
	for _, ref := range refs {
		errs = append(errs, o.deleteReferenced(ctx, sm, ref))
	}
	return errors.Join(errs...)
}

func (o *Objects) deleteReferenced(ctx context.Context, sm *v1alpha1.ScheduledMachine, ref v1alpha1.ObjectReference) error {
	if ref.UID == "" {
		return fmt.Errorf("failed to delete %s %s: %w", ref.Kind, ref.Name, errNoUID)
	}
	obj := &metav1.PartialObjectMetadata{}
	obj.SetGroupVersionKind(schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind))
	obj.SetNamespace(Namespace(sm))
	obj.SetName(ref.Name)
	obj.SetUID(types.UID(ref.UID))
	return o.deleteObject(ctx, obj)
}
