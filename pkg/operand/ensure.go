package operand

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Serves is whether the cluster has that version of the kind.
func Serves(c client.Client, kind schema.GroupVersionKind) (bool, error) {
	_, err := c.RESTMapper().RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("failed to find out whether the cluster has the kind %s: %w", kind.GroupKind(), err)
	}
	return true, nil
}

// Read returns the object of that kind and name as it is; nil when it does not exist.
func Read(ctx context.Context, c client.Reader, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(object.GroupVersionKind())
	err := c.Get(ctx, client.ObjectKeyFromObject(object), live)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("failed to get %s: %w", Name(object), err)
	}
	return live, nil
}

// Ensure writes the object if it is missing or differs from the live one, and reports
// whether that changed anything.
func Ensure(ctx context.Context, c client.Client, live, wanted *unstructured.Unstructured, owner client.FieldOwner) (changed bool, err error) {
	if live != nil && !Differs(live, wanted) {
		return false, nil
	}
	if live != nil && immutableDiffers(live, wanted) {
		if err := Remove(ctx, c, live); err != nil {
			return false, err
		}
		live = nil
	}
	written, err := write(ctx, c, live, wanted, owner)
	if err != nil {
		return false, err
	}
	// A write of what is there already leaves the version as it is.
	return live == nil || live.GetResourceVersion() != written.GetResourceVersion(), nil
}

// write applies the object, which leaves alone what others have added. Where that is
// still there, or makes no valid object together with ours, all of it is replaced.
func write(ctx context.Context, c client.Client, live, wanted *unstructured.Unstructured, owner client.FieldOwner) (*unstructured.Unstructured, error) {
	written := wanted.DeepCopy()
	err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(written), owner, client.ForceOwnership)
	switch {
	case apierrors.IsInvalid(err) && live != nil:
		written = live.DeepCopy()
	case err != nil:
		return nil, fmt.Errorf("failed to apply %s: %w", Name(wanted), err)
	case !bodyDiffers(written, wanted):
		return written, nil
	}
	patch, err := replacement(written, wanted)
	if err != nil {
		return nil, err
	}
	if err := c.Patch(ctx, written, client.RawPatch(types.JSONPatchType, patch), owner); err != nil {
		return nil, fmt.Errorf("failed to replace %s: %w", Name(wanted), err)
	}
	return written, nil
}

// replacement is the JSON patch that makes this very version of the live object what is
// wanted. It keeps the labels and annotations of others. Unlike an update, it takes no
// right but that to patch.
func replacement(live, wanted *unstructured.Unstructured) ([]byte, error) {
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value,omitempty"`
	}
	operations := []operation{
		// Another version answers with a conflict.
		{"replace", "/metadata/resourceVersion", live.GetResourceVersion()},
		{"add", "/metadata/labels", Merged(live.GetLabels(), wanted.GetLabels())},
		{"add", "/metadata/annotations", Merged(live.GetAnnotations(), wanted.GetAnnotations())},
	}
	for _, key := range slices.Sorted(maps.Keys(live.Object)) {
		if _, ok := wanted.Object[key]; !ok && key != "status" {
			operations = append(operations, operation{Op: "remove", Path: "/" + key})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(wanted.Object)) {
		if !slices.Contains([]string{"apiVersion", "kind", "metadata"}, key) {
			operations = append(operations, operation{"add", "/" + key, wanted.Object[key]})
		}
	}
	patch, err := json.Marshal(operations)
	if err != nil {
		return nil, fmt.Errorf("failed to write down what replaces %s: %w", Name(wanted), err)
	}
	return patch, nil
}

// Remove deletes this very object. One that is gone is no error.
func Remove(ctx context.Context, c client.Client, live *unstructured.Unstructured) error {
	uid := live.GetUID()
	err := c.Delete(ctx, live, client.Preconditions{UID: &uid}, client.PropagationPolicy("Background"))
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("failed to delete %s: %w", Name(live), err)
	}
	return nil
}
