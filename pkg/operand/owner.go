package operand

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
)

// OwnerCRD is the name of the CRD that owns what is installed in the management cluster,
// so that it is collected with that.
var OwnerCRD = "scheduledmachines." + v1alpha1.GroupVersion.Group

var crdKind = schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"}

// ErrNoOwner is that the CRD is not there.
var ErrNoOwner = errors.New("is to own what is installed, and is not there")

// ownersOf are the owners that an object is to have: of a new one our CRD. One that is there
// keeps those that it has, since to change them takes the right to delete it where
// OwnerReferencesPermissionEnforcement is on.
func ownersOf(ctx context.Context, c client.Reader, live *unstructured.Unstructured) ([]metav1.OwnerReference, error) {
	if live != nil {
		return live.GetOwnerReferences(), nil
	}
	crd := &metav1.PartialObjectMetadata{}
	crd.SetGroupVersionKind(crdKind)
	err := c.Get(ctx, client.ObjectKey{Name: OwnerCRD}, crd)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("CustomResourceDefinition %s %w", OwnerCRD, ErrNoOwner)
	}
	if err != nil {
		return nil, fmt.Errorf("failed to get CustomResourceDefinition %s: %w", OwnerCRD, err)
	}
	return []metav1.OwnerReference{{APIVersion: crdKind.GroupVersion().String(), Kind: crdKind.Kind, Name: crd.Name, UID: crd.UID}}, nil
}
