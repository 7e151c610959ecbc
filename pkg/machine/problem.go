package machine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/finos/five-spot/api/v1alpha1"
)

var errNotShown = errors.New("the error is not shown, since a secretRef took part")

// Problem is something that somebody has to mend before the objects can be there.
type Problem struct {
	// Reason is a reason of the condition ReferencesValid.
	Reason string

	// Message names the object and the rule, never the content of a Secret.
	Message string

	// Foreign names the object that is in the way and not ours, such as
	// `Machine "desk-7"`; empty when that is not the problem.
	Foreign string
}

func problemf(reason, format string, args ...any) *Problem {
	return &Problem{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// target is what a request was about.
type target struct {
	// path is the field that asks for the object; nil for a Machine, for which no single
	// one does.
	path *field.Path

	kind      string
	name      string
	namespace string
	resource  schema.GroupResource

	// secret is set when the content of a Secret took part in the request: then an
	// answer may repeat it and is not quoted.
	secret bool
}

// refusal turns the answer to a POST into a Problem where only a person can mend
// it, or else into an error that is worth another try.
func refusal(about target, err error) (*Problem, error) {
	problem, err := judged(about, err)
	// A right that 5-Spot lacks is no flaw of what the field says.
	if problem != nil && about.path != nil && problem.Reason != v1alpha1.ProviderForbiddenReason {
		problem.Message = about.path.String() + ": " + problem.Message
	}
	return problem, err
}

func judged(about target, err error) (*Problem, error) {
	switch {
	case meta.IsNoMatchError(err), apierrors.IsNotFound(err) && !isNamespaceMissing(err), apierrors.IsMethodNotSupported(err):
		return problemf(v1alpha1.ProviderKindNotFoundReason,
			"the API server does not serve %s (%s)", about.kind, about.resource), nil
	case lacksRight(err):
		return MissingRight("create", about.resource, about.namespace), nil
	case lacksFinalizersRight(err):
		return MissingRight("update", finalizersResource, about.namespace), nil
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return problemf(v1alpha1.ProviderRefusedReason, "%s %q cannot be created: the namespace is being deleted", about.kind, about.name), nil
	case isRefusal(err):
		return problemf(v1alpha1.ProviderRefusedReason, "%s %q was refused: %s", about.kind, about.name, answer(about, err)), nil
	}
	return nil, fmt.Errorf("failed to create %s %s: %w", about.kind, about.name, withoutSecret(about, err))
}

func isNamespaceMissing(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	return status.Status().Details.Kind == "namespaces"
}

// isRefusal is whether the same request can only be answered the same way again.
func isRefusal(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsForbidden(err) ||
		apierrors.IsRequestEntityTooLargeError(err)
}

func answer(about target, err error) string {
	if about.secret {
		return fmt.Sprintf("%s (the answer is not shown, since a secretRef took part)", apierrors.ReasonForError(err))
	}
	return quoted(err.Error())
}

// withoutSecret is err, less its text where that could repeat a Secret. It keeps
// answering apierrors' questions, and those about the context.
func withoutSecret(about target, err error) error {
	var status apierrors.APIStatus
	var transport *url.Error
	switch {
	case !about.secret:
		return err
	case errors.As(err, &status):
		code, reason := status.Status().Code, status.Status().Reason
		return &apierrors.StatusError{ErrStatus: metav1.Status{
			Status:  metav1.StatusFailure,
			Code:    code,
			Reason:  reason,
			Details: retryDetails(status.Status().Details),
			Message: fmt.Sprintf("%d %s (the answer is not shown, since a secretRef took part)", code, http.StatusText(int(code))),
		}}
	case errors.As(err, &transport), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		// Nobody has answered.
		return err
	}
	// An answer that could not be understood, which the error may hold in full.
	return errNotShown
}

func retryDetails(details *metav1.StatusDetails) *metav1.StatusDetails {
	if details == nil {
		return nil
	}
	return &metav1.StatusDetails{RetryAfterSeconds: details.RetryAfterSeconds}
}
