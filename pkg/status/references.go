package status

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/lifecycle"
)

// referencesValid tells whether everything is there that the spec refers to.
func referencesValid(in Input) verdict {
	if missing := missingReference(in); missing != nil {
		return problem(missing, v1alpha1.ProviderRefusedReason)
	}
	if refused := lastRefusal(in); refused != nil {
		return kept(refused)
	}
	return yes(v1alpha1.ReferencesResolvedReason, "Everything that the spec refers to is there")
}

func missingReference(in Input) *lifecycle.Problem {
	o := in.Observation
	attempted := in.firstProblem(lifecycle.ActionEnsureMachine, lifecycle.ActionDeleteMachine,
		lifecycle.ActionDeleteLeftovers, lifecycle.ActionRemindClusterAPI)
	switch {
	case o.Cluster.Problem() != nil:
		return o.Cluster.Problem()
	case attempted != nil:
		return attempted
	case o.Machine.Foreign != "":
		return &lifecycle.Problem{
			Reason:  v1alpha1.ForeignObjectReason,
			Message: fmt.Sprintf("An object stands in the way that 5-Spot did not create for this ScheduledMachine: %.128q", o.Machine.Foreign),
		}
	case o.ScheduleUnknown != nil:
		return o.ScheduleUnknown
	default:
		return o.References
	}
}

// lastRefusal is what the last attempt to create the Machine met with, while the
// next attempt waits: only an attempt can tell that it is mended.
func lastRefusal(in Input) *metav1.Condition {
	last := in.old(v1alpha1.ReferencesValidCondition)
	waits := in.Decision.Reason == v1alpha1.MachineCreateBackOffReason
	if last == nil || last.Status != metav1.ConditionFalse || !waits {
		return nil
	}
	switch last.Reason {
	case v1alpha1.ProviderKindNotFoundReason, v1alpha1.ProviderForbiddenReason, v1alpha1.ProviderRefusedReason,
		v1alpha1.SecretNotFoundReason, v1alpha1.SecretNotAllowedReason, v1alpha1.SecretInvalidReason,
		v1alpha1.ForeignObjectReason:
		return last
	}
	return nil
}
