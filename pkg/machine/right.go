package machine

import (
	"errors"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"github.com/finos/five-spot/api/v1alpha1"
)

var (
	machinesResource   = schema.GroupResource{Group: clusterv1.GroupVersion.Group, Resource: "machines"}
	finalizersResource = schema.GroupResource{Group: v1alpha1.GroupVersion.Group, Resource: "scheduledmachines/finalizers"}
)

// DeniedError is the error of a request for which 5-Spot lacks the right. Its message is that
// of the Problem.
type DeniedError struct {
	Problem *Problem
	cause   error
}

// Error names the right.
func (d *DeniedError) Error() string { return d.Problem.Message }

// Unwrap is the answer to the request.
func (d *DeniedError) Unwrap() error { return d.cause }

// DeniedBy is the Problem behind err where that is a lack of rights; nil where it is not.
func DeniedBy(err error) *Problem {
	if denied, ok := errors.AsType[*DeniedError](err); ok {
		return denied.Problem
	}
	return nil
}

// ifDenied is err, as a DeniedError where it is the lack of this right.
func ifDenied(err error, verb string, resource schema.GroupResource, namespace string) error {
	if !lacksRight(err) {
		return err
	}
	return &DeniedError{Problem: MissingRight(verb, resource, namespace), cause: err}
}

// MissingRight is the Problem that 5-Spot lacks a right in a namespace, which it names as
// kubectl auth can-i takes it. Whoever has to grant it for the kind of a provider learns
// at once what else is needed of that.
func MissingRight(verb string, resource schema.GroupResource, namespace string) *Problem {
	needed := ""
	switch resource {
	case corev1.Resource("secrets"), machinesResource, finalizersResource:
	default:
		needed = "; of a provider's kind it needs create, delete and get"
	}
	return problemf(v1alpha1.ProviderForbiddenReason, "5-Spot lacks the right to %s %s in namespace %q%s", verb, dotted(resource), namespace, needed)
}

// dotted is how people write a resource: the subresource comes last.
func dotted(resource schema.GroupResource) string {
	plural, subresource, found := strings.Cut(resource.Resource, "/")
	text := schema.GroupResource{Group: resource.Group, Resource: plural}.String()
	if found {
		text += "/" + subresource
	}
	return text
}

// lacksRight is whether err comes from the authorizer. Admission plugins, quotas
// and webhooks answer 403 as well, but in other words.
func lacksRight(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), " cannot ") && strings.Contains(err.Error(), " in API group ")
}

// lacksFinalizersRight is whether err comes from OwnerReferencesPermissionEnforcement,
// which asks whether a Machine's creator may hold up the deletion of its owner.
func lacksFinalizersRight(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "cannot set blockOwnerDeletion")
}
