package status

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/finos/five-spot/pkg/lifecycle"
)

// lastScheduled is when the Machine was created: now if that was just done, or the
// Machine's own word if its creation never reached the status.
func lastScheduled(in Input) *metav1.Time {
	ensured := in.outcome(lifecycle.ActionEnsureMachine)
	switch {
	case in.Facts.MachineRef == nil || in.sameMachine():
		return in.Old.LastScheduledTime
	case ensured != nil && ensured.Changed && !in.Observation.Machine.Exists:
		return moment(in.Observation.Now)
	case in.Observation.Machine.CreatedAt.IsZero():
		return in.Old.LastScheduledTime
	default:
		return moment(in.Observation.Machine.CreatedAt)
	}
}
