package provision

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/operand"
)

// enforceLabel is what the API server's Pod Security admission goes by.
const (
	enforceLabel      = "pod-security.kubernetes.io/enforce"
	enforcePrivileged = "privileged"
)

// isOurNamespace is whether the Namespace may be labelled. One that we created stays
// ours when it loses its label.
func isOurNamespace(live *unstructured.Unstructured) bool {
	return operand.IsOurs(live) || wasCreatedByUs(live)
}

// wasCreatedByUs is whether it is recorded that we created this very Namespace.
func wasCreatedByUs(live *unstructured.Unstructured) bool {
	return live.GetAnnotations()[v1alpha1.CreatedUIDAnnotation] == string(live.GetUID())
}

// mayUse is whether the agent's Pods may run in a Namespace that is somebody else's.
// Where it does not say, the cluster decides; that is privileged as a rule.
func mayUse(live *unstructured.Unstructured) error {
	if level, ok := live.GetLabels()[enforceLabel]; ok && level != enforcePrivileged {
		return ErrRestrictedNamespace
	}
	return nil
}

// ensureNamespace is operand.Ensure for the Namespace: it must be known whether we created it.
func ensureNamespace(ctx context.Context, c client.Client, live, wanted *unstructured.Unstructured) (changed bool, err error) {
	if live == nil {
		live = wanted.DeepCopy()
		if err := c.Create(ctx, live, owner); err != nil {
			return false, fmt.Errorf("failed to create %s: %w", operand.Name(wanted), err)
		}
		return true, record(ctx, c, live)
	}
	if !isOurNamespace(live) {
		return false, nil
	}
	if !wasCreatedByUs(live) && seemsCreatedByUs(live) {
		if err := record(ctx, c, live); err != nil {
			return false, err
		}
		changed = true
	}
	wrote, err := operand.Ensure(ctx, c, live, wanted, owner)
	return changed || wrote, err
}

// record notes that we created the Namespace.
func record(ctx context.Context, c client.Client, live *unstructured.Unstructured) error {
	patch, err := mergePatch(live.GetUID(), "annotations", v1alpha1.CreatedUIDAnnotation, live.GetUID())
	if err != nil {
		return err
	}
	if err := c.Patch(ctx, live, patch, owner); err != nil {
		return fmt.Errorf("failed to note that %s was created here: %w", operand.Name(live), err)
	}
	return nil
}

// seemsCreatedByUs is for a Namespace that could not be recorded after it was created:
// its label was not applied, which may happen to any Namespace that has it, but came
// with a request of ours of another kind. A copy has it from whoever made the copy.
func seemsCreatedByUs(live *unstructured.Unstructured) bool {
	if _, recorded := live.GetAnnotations()[v1alpha1.CreatedUIDAnnotation]; recorded {
		return false
	}
	label := []byte(`"f:` + v1alpha1.ManagedByLabel + `"`)
	for _, entry := range live.GetManagedFields() {
		if entry.Manager == v1alpha1.FieldManagerReclaimAgent && entry.Operation == metav1.ManagedFieldsOperationUpdate &&
			entry.FieldsV1 != nil && bytes.Contains(entry.FieldsV1.GetRawBytes(), label) {
			return true
		}
	}
	return false
}

// mergePatch sets one label or annotation, or removes it with a nil value. It is refused
// for an object with another UID.
func mergePatch(uid types.UID, field, key string, value any) (client.Patch, error) {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": uid, field: map[string]any{key: value}}})
	if err != nil {
		return nil, fmt.Errorf("failed to write down a patch: %w", err)
	}
	return client.RawPatch(types.MergePatchType, patch), nil
}

// removeNamespace deletes the Namespace if we created it and nothing is left in it. One
// of which that is not known stays.
func removeNamespace(ctx context.Context, c client.Client, live *unstructured.Unstructured) error {
	if live == nil || live.GetDeletionTimestamp() != nil || !operand.IsOurs(live) || !wasCreatedByUs(live) {
		return nil
	}
	empty, err := isEmpty(ctx, c, live.GetName())
	if err != nil || !empty {
		return err
	}
	uid, version := live.GetUID(), live.GetResourceVersion()
	err = c.Delete(ctx, live, client.Preconditions{UID: &uid, ResourceVersion: &version})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("failed to delete %s: %w", operand.Name(live), err)
	}
	return nil
}
