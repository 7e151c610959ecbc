package machine

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
)

// Objects reads and writes the objects of ScheduledMachines. It is safe for
// concurrent use, and holds no state of its own.
type Objects struct {
	writer client.Client
	reader client.Reader
	mapper meta.RESTMapper
}

// NewObjects returns Objects that write through writer, as the field manager
// 5spot-controller, and read through uncached, which must not answer from a
// cache. Kinds are resolved by mapper.
func NewObjects(writer client.Client, uncached client.Reader, mapper meta.RESTMapper) *Objects {
	return &Objects{
		writer: client.WithFieldOwner(writer, v1alpha1.FieldManager),
		reader: uncached,
		mapper: mapper,
	}
}

// Confirm reads the Machine of sm's name uncached, whoever's it is; nil when there
// is none. That the API server does not serve Machines at all is an error, for
// which meta.IsNoMatchError holds: it does not prove that none exists.
func (o *Objects) Confirm(ctx context.Context, sm *v1alpha1.ScheduledMachine) (*clusterv1.Machine, error) {
	live := &clusterv1.Machine{}
	if err := o.reader.Get(ctx, Key(sm), live); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil //nolint:nilnil // No Machine is an answer, and the usual one.
		}
		return nil, fmt.Errorf("failed to read Machine %s: %w", Key(sm), ifDenied(err, "get", machinesResource, Namespace(sm)))
	}
	return live, nil
}

// resolve finds how the API server calls the kind of a provider object.
func (o *Objects) resolve(gvk schema.GroupVersionKind) (*meta.RESTMapping, *Problem, error) {
	mapping, err := o.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	switch {
	case meta.IsNoMatchError(err):
		return nil, problemf(v1alpha1.ProviderKindNotFoundReason, "the API server does not serve %s of %s",
			bounded(gvk.Kind), bounded(gvk.GroupVersion().String())), nil
	case err != nil:
		return nil, nil, fmt.Errorf("failed to look up %s: %w", gvk, err)
	case mapping.Scope.Name() != meta.RESTScopeNameNamespace:
		return nil, problemf(v1alpha1.ProviderRefusedReason, "%s of %s is not namespaced",
			bounded(gvk.Kind), bounded(gvk.GroupVersion().String())), nil
	}
	return mapping, nil, nil
}

// head reads the metadata of a provider object; nil when it does not exist. The
// rest, which may hold merged credentials, is not asked for.
func (o *Objects) head(ctx context.Context, gvk schema.GroupVersionKind, key client.ObjectKey) (*metav1.PartialObjectMetadata, error) {
	found := &metav1.PartialObjectMetadata{}
	found.SetGroupVersionKind(gvk)
	if err := o.reader.Get(ctx, key, found); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil //nolint:nilnil // No object is an answer.
		}
		return nil, fmt.Errorf("failed to read %s %s: %w", gvk.Kind, key, err)
	}
	found.SetGroupVersionKind(gvk)
	return found, nil
}

// reference names an object for the status.
func reference(gvk schema.GroupVersionKind, obj metav1.Object) *v1alpha1.ObjectReference {
	return &v1alpha1.ObjectReference{
		APIVersion: gvk.GroupVersion().String(),
		Kind:       gvk.Kind,
		Name:       obj.GetName(),
		UID:        string(obj.GetUID()),
	}
}
