package drain

import (
	"context"
	"errors"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// answer is how the request to take a Pod away ended.
type answer int

const (
	// accepted means that the Pod is on its way.
	accepted answer = iota

	// gone means that there is no such Pod any more.
	gone

	// refused means that something holds the Pod, which people can be told.
	refused

	// busy means that the API server could not decide now.
	busy

	// unanswered means that the time ran out, or that no request may be made in what
	// is left of it.
	unanswered

	// unreachable means that the API server could not be asked.
	unreachable
)

// judge tells answers apart, and what a refusal says.
func judge(ctx context.Context, err error) (is answer, refusal string) {
	var status apierrors.APIStatus
	switch {
	case err == nil:
		return accepted, ""
	case apierrors.IsNotFound(err):
		return gone, ""
	case errors.As(err, &status):
		return judgeStatus(err, status.Status())
	case outOfTime(ctx, err):
		return unanswered, ""
	default:
		return unreachable, ""
	}
}

func judgeStatus(err error, status metav1.Status) (is answer, refusal string) {
	switch {
	case apierrors.HasStatusCause(err, policyv1.DisruptionBudgetCause):
		return refused, causes(status, policyv1.DisruptionBudgetCause)
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return refused, "its namespace is being terminated, which will delete it"
	case apierrors.IsTooManyRequests(err), apierrors.IsConflict(err), apierrors.IsServerTimeout(err),
		status.Code > http.StatusInternalServerError:
		return busy, ""
	default:
		return refused, status.Message
	}
}

// causes are the texts of one kind of cause. The message above them only says that
// there is one.
func causes(status metav1.Status, kind metav1.CauseType) string {
	var texts []string
	for _, cause := range status.Details.Causes {
		if cause.Type == kind {
			texts = append(texts, cause.Message)
		}
	}
	return strings.Join(texts, ", ")
}

// outOfTime is whether an error says nothing but that there was no time. A client's
// rate limiter sees in advance that its turn comes too late, and has no error of its
// own for that.
func outOfTime(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		strings.Contains(err.Error(), "would exceed context deadline")
}
