package status

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/lifecycle"
)

// nodeTainted tells whether all taints of the spec are on the Node.
func nodeTainted(in Input) verdict {
	applied := in.outcome(lifecycle.ActionApplyTaints)
	switch {
	case applied != nil && applied.Problem != nil:
		return problem(applied.Problem, v1alpha1.NodeTaintsFailedReason)
	case applied != nil && applied.State == lifecycle.OutcomeFailed:
		return no(v1alpha1.NodeTaintsFailedReason, "The taints could not be written to the Node; it is tried again")
	case !in.Observation.Object.WantsTaints:
		return yes(v1alpha1.NodeTaintsNoneReason, "spec.nodeTaints is empty")
	case done(applied):
		return yes(v1alpha1.NodeTaintsAppliedReason, "All of spec.nodeTaints are on the Node")
	}
	return taintsDue(in, applied != nil)
}

// taintsDue is for taints that are wanted and that this pass did not apply.
func taintsDue(in Input, tried bool) verdict {
	node := in.Observation.Node
	last := in.old(v1alpha1.NodeTaintedCondition)
	switch {
	case !tried && last != nil && taintsStand(in, last):
		return kept(last)
	case !node.Exists || !node.Ready:
		return no(v1alpha1.NodeTaintsPendingReason, "There is no Ready Node to put spec.nodeTaints on")
	default:
		return no(v1alpha1.NodeTaintsApplyingReason, "Not all of spec.nodeTaints are known to be on the Node")
	}
}

// taintsStand is whether what was last said of the taints still holds although
// nobody looked: the Node cannot be asked for, or is there as it was.
func taintsStand(in Input, last *metav1.Condition) bool {
	node := in.Observation.Node
	unchanged := node.Exists && node.Ready && last.ObservedGeneration == in.Generation &&
		last.Reason != v1alpha1.NodeTaintsPendingReason
	return in.sameMachine() && (!node.Known || unchanged)
}
