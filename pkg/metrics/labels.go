package metrics

import (
	"context"
	"errors"
	"net"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/finos/five-spot/api/v1alpha1"
)

// unknownPhase is the label of an object that has no phase yet.
const unknownPhase = "Unknown"

func phaseLabel(phase v1alpha1.Phase) string {
	if slices.Contains(v1alpha1.Phases(), phase) {
		return string(phase)
	}
	return unknownPhase
}

// Result is how a reconciliation ended.
type Result string

const (
	// ResultSuccess means without error.
	ResultSuccess Result = "success"

	// ResultConflict means that somebody else wrote first.
	ResultConflict Result = "conflict"

	// ResultError means with an error, after which it is tried again.
	ResultError Result = "error"
)

func results() []Result { return []Result{ResultSuccess, ResultConflict, ResultError} }

func resultOf(err error) Result {
	switch {
	case err == nil:
		return ResultSuccess
	case apierrors.IsConflict(err):
		return ResultConflict
	default:
		return ResultError
	}
}

// EvaluationResult is what a schedule says.
type EvaluationResult string

const (
	// EvaluationActive means that the schedule is active.
	EvaluationActive EvaluationResult = "active"

	// EvaluationLeadTime means that the schedule becomes active within its lead time.
	EvaluationLeadTime EvaluationResult = "lead_time"

	// EvaluationInactive means that the schedule is inactive.
	EvaluationInactive EvaluationResult = "inactive"

	// EvaluationInvalid means that the spec is not valid.
	EvaluationInvalid EvaluationResult = "invalid"

	// EvaluationUnknown means that something outside of the spec is missing, such as
	// a MachineCalendar.
	EvaluationUnknown EvaluationResult = "unknown"
)

func evaluationResults() []EvaluationResult {
	return []EvaluationResult{EvaluationActive, EvaluationLeadTime, EvaluationInactive, EvaluationInvalid, EvaluationUnknown}
}

// Direction is where a transition of a schedule leads.
type Direction string

const (
	// DirectionActivate leads to a machine.
	DirectionActivate Direction = "activate"

	// DirectionDeactivate leads to none.
	DirectionDeactivate Direction = "deactivate"
)

func directions() []Direction { return []Direction{DirectionActivate, DirectionDeactivate} }

// DrainResult is how the drain of a Node ended.
type DrainResult string

const (
	// DrainCompleted means that every Pod that had to leave has left.
	DrainCompleted DrainResult = "completed"

	// DrainTimedOut means that a timeout passed before.
	DrainTimedOut DrainResult = "timed_out"

	// DrainCancelled means that the machine stays after all.
	DrainCancelled DrainResult = "cancelled"

	// DrainAbandoned means that the machine left without waiting for the drain, for
	// example because the kill switch was turned on.
	DrainAbandoned DrainResult = "abandoned"
)

func drainResults() []DrainResult {
	return []DrainResult{DrainCompleted, DrainTimedOut, DrainCancelled, DrainAbandoned}
}

// EvictionResult is how a request to take a Pod off its Node was answered.
type EvictionResult string

const (
	// EvictionAccepted means that the Pod is on its way.
	EvictionAccepted EvictionResult = "accepted"

	// EvictionRefused means that a PodDisruptionBudget, an admission webhook or the
	// like holds the Pod.
	EvictionRefused EvictionResult = "refused"

	// EvictionFailed means that the API server could not decide, or did not answer.
	EvictionFailed EvictionResult = "failed"
)

func evictionResults() []EvictionResult {
	return []EvictionResult{EvictionAccepted, EvictionRefused, EvictionFailed}
}

// PolicyState is how an admission policy fares.
type PolicyState string

const (
	// PolicyInstalled means that the policy and its binding are as they should be.
	PolicyInstalled PolicyState = "installed"

	// PolicyUnbound means that the policy has no binding, as is wanted.
	PolicyUnbound PolicyState = "unbound"

	// PolicyNewer means that a newer manager wrote it, which is left alone.
	PolicyNewer PolicyState = "newer"

	// PolicyForbidden means that the manager lacks a right to install it.
	PolicyForbidden PolicyState = "forbidden"

	// PolicyUnsupported means that the API server has no admission policies.
	PolicyUnsupported PolicyState = "unsupported"

	// PolicyFailed means that it is tried again.
	PolicyFailed PolicyState = "failed"
)

func policyStates() []PolicyState {
	return []PolicyState{PolicyInstalled, PolicyUnbound, PolicyNewer, PolicyForbidden, PolicyUnsupported, PolicyFailed}
}

// errorType is what kind of error it was, coarse enough for an alert.
type errorType string

const (
	errorConflict    errorType = "conflict"
	errorForbidden   errorType = "forbidden"
	errorInvalid     errorType = "invalid"
	errorNotFound    errorType = "not_found"
	errorThrottled   errorType = "throttled"
	errorTimeout     errorType = "timeout"
	errorUnavailable errorType = "unavailable"
	errorOther       errorType = "other"
)

func errorTypes() []errorType {
	return []errorType{
		errorConflict, errorForbidden, errorInvalid, errorNotFound,
		errorThrottled, errorTimeout, errorUnavailable, errorOther,
	}
}

func errorTypeOf(err error) errorType {
	var network net.Error
	for _, kind := range []struct {
		matches bool
		is      errorType
	}{
		{apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err), errorConflict},
		{apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err), errorForbidden},
		{apierrors.IsInvalid(err) || apierrors.IsBadRequest(err), errorInvalid},
		{apierrors.IsNotFound(err), errorNotFound},
		{apierrors.IsTooManyRequests(err), errorThrottled},
		{apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err), errorTimeout},
		{errors.Is(err, context.DeadlineExceeded), errorTimeout},
		{apierrors.IsServiceUnavailable(err) || apierrors.IsInternalError(err), errorUnavailable},
		{errors.As(err, &network), errorUnavailable},
	} {
		if kind.matches {
			return kind.is
		}
	}
	return errorOther
}
