package status

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/lifecycle"
)

// drained tells how far the drain of the Node is.
func drained(in Input) verdict {
	switch {
	case in.Decision.Shutdown == nil && in.Observation.Machine.Deleting:
		return draining(in)
	case in.Decision.Shutdown == nil:
		return no(v1alpha1.DrainNotNeededReason, "The machine is not shutting down")
	case in.drained():
		return yes(v1alpha1.DrainCompletedReason, "Every Pod that had to leave the Node has left it")
	}
	if skipped := drainGivenUp(in); skipped != nil {
		return *skipped
	}
	return draining(in)
}

// drainGivenUp is why the drain does not go on; nil when it does. Once the Machine
// is being deleted the answer stays: the decision that gave up is not made again.
func drainGivenUp(in Input) *verdict {
	timeouts, last := in.Decision.Timeouts, in.old(v1alpha1.DrainedCondition)
	ended := drainHadEnded(in, last)
	delegated := ended && last.Reason == v1alpha1.DrainDelegatedReason
	switch {
	case slices.Contains(timeouts, lifecycle.TimeoutDrain):
		return new(no(v1alpha1.DrainTimedOutReason, "spec.nodeDrainTimeout passed before the drain was complete"+remaining(in)))
	case slices.Contains(timeouts, lifecycle.TimeoutShutdown) && (!ended || delegated):
		return new(no(v1alpha1.DrainTimedOutReason, "spec.gracefulShutdownTimeout passed before the drain was complete"+remaining(in)))
	case ended && !(delegated && withItsCluster(in)):
		return new(kept(last))
	case skipsDrain(in):
		return new(no(v1alpha1.DrainSkippedReason, "The machine is removed without drain"))
	default:
		return nil
	}
}

// drainHadEnded is whether the last status said how the drain of a Machine ended that is
// on its way out.
func drainHadEnded(in Input, last *metav1.Condition) bool {
	removing := in.Observation.Machine.Deleting || !in.Observation.Machine.Exists
	return removing && last != nil && endOfDrain(last.Reason)
}

func endOfDrain(reason string) bool {
	switch reason {
	case v1alpha1.DrainTimedOutReason, v1alpha1.DrainSkippedReason, v1alpha1.DrainDelegatedReason:
		return true
	}
	return false
}

func skipsDrain(in Input) bool {
	for _, action := range in.Decision.Actions {
		if action.Kind == lifecycle.ActionDeleteMachine && action.SkipDrain {
			return true
		}
	}
	return in.Observation.Machine.SkipsDrain || in.Decision.Shutdown.Reason == v1alpha1.ShutdownKillSwitch
}

func draining(in Input) verdict {
	o := in.Observation
	switch {
	case !o.Machine.HasNodeRef || (o.Node.Known && !o.Node.Exists):
		return no(v1alpha1.DrainSkippedReason, "There is no Node to drain")
	case withItsCluster(in):
		return no(v1alpha1.DrainSkippedReason, "The Cluster is being deleted, and Cluster API removes its Machines without drain")
	case o.Machine.Deleting:
		return no(v1alpha1.DrainDelegatedReason, "The Machine is being deleted already: Cluster API drains its Node")
	case !o.Cluster.Reachable || !o.Node.Known:
		return no(v1alpha1.DrainClusterUnreachableReason, "The workload cluster cannot be reached, so nothing can be drained")
	}
	if step := in.outcome(lifecycle.ActionDrainNode); step != nil && step.Problem != nil {
		return no(v1alpha1.DrainFailingReason, step.Problem.Message+remaining(in))
	}
	return no(v1alpha1.DrainingReason, "Pods are being evicted from the Node"+remaining(in))
}

// withItsCluster is whether the Machine is deleted along with its Cluster.
func withItsCluster(in Input) bool {
	return in.Observation.Machine.Deleting && in.Observation.Cluster.Deleting
}

// remaining tells what is left on the Node and what holds it there.
func remaining(in Input) string {
	progress := drainProgress(in)
	if progress == nil {
		return ""
	}
	text := fmt.Sprintf("; %d of %d Pods remain", progress.PodsRemaining, progress.PodsTotal)
	if len(progress.BlockedBy) > 0 {
		text += "; blocked: " + strings.Join(progress.BlockedBy, ", ")
	}
	return text
}
