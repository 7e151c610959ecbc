package status

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/lifecycle"
)

// ready sums up whether the machine is what its spec wants it to be. A machine
// that is wanted absent and is absent is Ready; one that is held back by the kill
// switch, the loop protection or a pause is not, since somebody should know.
func ready(in Input) verdict {
	decision := in.Decision
	switch decision.Reason {
	case v1alpha1.ReadyAsScheduledReason, v1alpha1.ReadySpecChangePendingReason,
		v1alpha1.ReadyInactiveReason, v1alpha1.ReadyDisabledReason:
		return yes(decision.Reason, decision.Message)
	case "":
		return no(v1alpha1.ReadyErrorReason, decision.Message)
	}
	if waits, message := createBackOff(in); waits {
		if cause := referencesValid(in); cause.status != metav1.ConditionTrue {
			message += ": " + cause.message
		}
		return no(v1alpha1.MachineCreateBackOffReason, message)
	}
	return no(decision.Reason, decision.Message)
}

// createBackOff is whether the next attempt to create the Machine waits, and until
// when. A failed attempt is told in the same words as the wait that follows it.
func createBackOff(in Input) (bool, string) {
	until := in.Observation.CreateNotBefore
	ensured := in.outcome(lifecycle.ActionEnsureMachine)
	switch {
	case ensured != nil && ensured.State == lifecycle.OutcomeFailed && in.Decision.Phase == v1alpha1.PhasePending:
		until = ensured.RetryAt
	case in.Decision.Reason != v1alpha1.MachineCreateBackOffReason:
		return false, ""
	}
	if until.IsZero() {
		return true, "The Machine could not be created; it is tried again"
	}
	return true, "The Machine could not be created or kept; the next attempt is at " + stamp(until)
}
