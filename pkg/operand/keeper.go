package operand

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
)

// Keeper keeps single objects in the cluster that the manager runs in. Each method fails
// with ErrNewerInstalled, ErrBeingDeleted, ErrForeign or ErrNoOwner where the object is not
// to be written, before anything is, or else with the error of the API server.
type Keeper struct {
	// Client writes, and Live reads from the API server.
	Client client.Client
	Live   client.Reader

	// Version is that of this manager, in the form of semantic versioning.
	Version string

	// TakesOver is that an object of the name is written whoever it says it is of. Else
	// one that is not ours is left alone.
	TakesOver bool
}

// Keep makes the object as it is wanted, and reports whether that changed anything.
func (k *Keeper) Keep(ctx context.Context, object *unstructured.Unstructured) (changed bool, err error) {
	live, err := k.look(ctx, object)
	if err != nil {
		return false, err
	}
	return k.ensure(ctx, live, object, nil)
}

// KeepOwned is Keep for an object that our CRD owns.
func (k *Keeper) KeepOwned(ctx context.Context, object *unstructured.Unstructured) (changed bool, err error) {
	live, err := k.look(ctx, object)
	if err != nil {
		return false, err
	}
	owners, err := ownersOf(ctx, k.Live, live)
	if err != nil {
		return false, err
	}
	return k.ensure(ctx, live, object, owners)
}

// Remove deletes the object if it is there, and reports whether it was.
func (k *Keeper) Remove(ctx context.Context, object *unstructured.Unstructured) (changed bool, err error) {
	live, err := k.look(ctx, object)
	if err != nil || live == nil {
		return false, err
	}
	return true, Remove(ctx, k.Client, live)
}

// look reads what is there, nil for nothing, and whether it may be written.
func (k *Keeper) look(ctx context.Context, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	live, err := Read(ctx, k.Live, object)
	if err != nil || live == nil {
		return nil, err
	}
	if !k.TakesOver && !IsOurs(live) {
		return nil, fmt.Errorf("%s %w", Name(live), ErrForeign)
	}
	if err := ParseVersion(k.Version).MayWrite(live); err != nil {
		return nil, fmt.Errorf("%s %w", Name(live), err)
	}
	return live, nil
}

func (k *Keeper) ensure(ctx context.Context, live, object *unstructured.Unstructured, owners []metav1.OwnerReference) (changed bool, err error) {
	wanted := object.DeepCopy()
	stamp(wanted, k.Version)
	wanted.SetOwnerReferences(owners)
	return Ensure(ctx, k.Client, live, wanted, client.FieldOwner(v1alpha1.FieldManager))
}
