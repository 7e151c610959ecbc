package status

import (
	"fmt"
	"slices"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/lifecycle"
)

// machineReady tells how the Machine is.
func machineReady(in Input) verdict {
	machine := in.Observation.Machine
	switch {
	case !machine.Exists && in.Facts.MachineRef == nil:
		return machineAbsent(in)
	case machine.Deleting:
		return no(v1alpha1.MachineDeletingReason, "The Machine is being deleted")
	case machine.Failed != "":
		return no(v1alpha1.MachineFailedReason, fmt.Sprintf("The Machine has failed: %.512q", machine.Failed))
	case machine.Running:
		return nodeReady(in.Observation)
	case slices.Contains(in.Decision.Timeouts, lifecycle.TimeoutJoin):
		return no(v1alpha1.MachineJoinTimeoutReason,
			"The Machine has not joined its cluster within "+in.Observation.Settings.JoinTimeout.String()+" (--join-timeout)")
	default:
		return no(v1alpha1.MachineProvisioningReason, "The Machine is being provisioned")
	}
}

func machineAbsent(in Input) verdict {
	if waits, message := createBackOff(in); waits {
		return no(v1alpha1.MachineCreateBackOffReason, message)
	}
	if in.machineUncertain() {
		return open(v1alpha1.MachineAbsentReason, "The Machine was not found; its absence is not confirmed")
	}
	return no(v1alpha1.MachineAbsentReason, "There is no Machine")
}

func nodeReady(o lifecycle.Observation) verdict {
	switch {
	case o.Node.Rival != "":
		return no(v1alpha1.MachineNodeContestedReason,
			fmt.Sprintf("Machine %q names Node %q as its own too, so it is not touched for either", o.Node.Rival, o.Node.Name))
	case !o.Node.Known:
		return open(v1alpha1.MachineNodeUnknownReason, "The Machine is running; the workload cluster cannot be asked for its Node")
	case !o.Node.Exists:
		return no(v1alpha1.MachineNodeMissingReason, "The Machine is running, but its Node does not exist")
	case !o.Node.Ready:
		return no(v1alpha1.MachineNodeNotReadyReason, fmt.Sprintf("Node %q is not Ready", o.Node.Name))
	default:
		return yes(v1alpha1.MachineRunningReason, fmt.Sprintf("The Machine is running and Node %q is Ready", o.Node.Name))
	}
}
