package status

import (
	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/lifecycle"
)

// reclaimAgentReady tells whether the reclaim agent watches the Node.
func reclaimAgentReady(in Input) verdict {
	o := in.Observation
	armed := in.outcome(lifecycle.ActionArmReclaimAgent)
	last := in.old(v1alpha1.ReclaimAgentReadyCondition)
	switch {
	case armed != nil && armed.Problem != nil:
		return problem(armed.Problem, v1alpha1.ReclaimAgentPendingReason)
	case armed != nil && armed.State == lifecycle.OutcomeFailed:
		return no(v1alpha1.ReclaimAgentPendingReason, "The reclaim agent could not be armed; it is tried again")
	case !o.Object.WantsReclaimAgent:
		return no(v1alpha1.ReclaimAgentNotNeededReason, "spec.killIfCommands is empty")
	case done(armed):
		return yes(v1alpha1.ReclaimAgentArmedReason, "The reclaim agent watches the Node")
	case armed == nil && in.sameMachine() && last != nil && nodeMayBeThere(o):
		return kept(last)
	default:
		return no(v1alpha1.ReclaimAgentPendingReason, "The reclaim agent does not watch a Node yet")
	}
}

func nodeMayBeThere(o lifecycle.Observation) bool { return !o.Node.Known || o.Node.Exists }
