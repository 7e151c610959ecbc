package status

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/lifecycle"
)

// verdict is a condition without its times.
type verdict struct {
	status          metav1.ConditionStatus
	reason, message string
}

func yes(reason, message string) verdict  { return verdict{metav1.ConditionTrue, reason, message} }
func no(reason, message string) verdict   { return verdict{metav1.ConditionFalse, reason, message} }
func open(reason, message string) verdict { return verdict{metav1.ConditionUnknown, reason, message} }

// problem is the verdict that something stands in the way.
func problem(p *lifecycle.Problem, fallback string) verdict {
	if p.Reason == "" {
		return no(fallback, p.Message)
	}
	return no(p.Reason, p.Message)
}

// judgements are all conditions that 5-Spot owns, each with what it makes of an
// Input.
func judgements() map[string]func(Input) verdict {
	return map[string]func(Input) verdict{
		v1alpha1.ReadyCondition:                    ready,
		v1alpha1.ScheduleValidCondition:            scheduleValid,
		v1alpha1.ScheduledCondition:                scheduled,
		v1alpha1.ReferencesValidCondition:          referencesValid,
		v1alpha1.MachineReadyCondition:             machineReady,
		v1alpha1.WorkloadClusterReachableCondition: workloadClusterReachable,
		v1alpha1.NodeTaintedCondition:              nodeTainted,
		v1alpha1.DrainedCondition:                  drained,
		v1alpha1.ReclaimAgentReadyCondition:        reclaimAgentReady,
		v1alpha1.PausedCondition:                   paused,
	}
}

// describeConditions writes all owned conditions and leaves those of others alone.
func describeConditions(in Input, next *v1alpha1.ScheduledMachineStatus) {
	judge := judgements()
	for _, condition := range v1alpha1.ConditionTypes() {
		if in.paused() && !saidWhilePaused(condition) && in.old(condition) != nil {
			continue
		}
		found := judge[condition](in)
		meta.SetStatusCondition(&next.Conditions, metav1.Condition{
			Type:               condition,
			Status:             found.status,
			Reason:             found.reason,
			Message:            readable(found.message),
			ObservedGeneration: in.Generation,
			LastTransitionTime: seconds(in.Observation.Now),
		})
	}
}

// saidWhilePaused is whether a condition is kept up to date while paused.
func saidWhilePaused(condition string) bool {
	switch condition {
	case v1alpha1.PausedCondition, v1alpha1.ScheduledCondition, v1alpha1.ScheduleValidCondition:
		return true
	}
	return false
}

// old is a condition of the present status; nil when it has none of that type.
func (in Input) old(condition string) *metav1.Condition {
	return meta.FindStatusCondition(in.Old.Conditions, condition)
}

// kept is the verdict of the present status.
func kept(condition *metav1.Condition) verdict {
	return verdict{condition.Status, condition.Reason, condition.Message}
}
