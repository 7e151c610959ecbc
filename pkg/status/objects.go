package status

import (
	"cmp"
	"slices"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/lifecycle"
)

// describeObjects names the objects that are there. What only cannot be asked for
// keeps its name; what is seen to be gone loses it.
func describeObjects(in Input, next *v1alpha1.ScheduledMachineStatus) {
	if in.machineUncertain() {
		return
	}
	facts := in.Facts
	next.LastScheduledTime = lastScheduled(in)
	next.NodeRef = nodeRef(in)
	next.AppliedNodeTaints = appliedTaints(in)
	next.MachineRef = facts.MachineRef.DeepCopy()
	next.BootstrapRef = facts.BootstrapRef.DeepCopy()
	next.InfrastructureRef = facts.InfrastructureRef.DeepCopy()
	next.ProviderID = ""
	if facts.MachineRef != nil {
		next.ProviderID = escaped(facts.ProviderID, maxProviderID)
	}
}

// machineUncertain is whether the Machine that the status names was not seen, and
// its absence was not confirmed either.
func (in Input) machineUncertain() bool {
	machine := in.Observation.Machine
	return in.Old.MachineRef != nil && in.Facts.MachineRef == nil &&
		(machine.Exists || !machine.ConfirmedAbsent)
}

// sameMachine is whether the status already names the present Machine.
func (in Input) sameMachine() bool {
	old, present := in.Old.MachineRef, in.Facts.MachineRef
	return old != nil && present != nil && old.UID == present.UID
}

// nodeRef names a Node only after the marks of its earlier life were cleared from
// it: a request of a Node that the status names is taken as fresh.
func nodeRef(in Input) *v1alpha1.ObjectReference {
	known := in.sameMachine() && in.Old.NodeRef != nil
	switch {
	case known && !in.Observation.Node.Known:
		return in.Old.NodeRef.DeepCopy()
	case known || done(in.outcome(lifecycle.ActionResetNode)):
		return in.Facts.NodeRef.DeepCopy()
	default:
		return nil
	}
}

func done(outcome *lifecycle.Outcome) bool {
	return outcome != nil && outcome.State == lifecycle.OutcomeDone
}

func appliedTaints(in Input) []v1alpha1.NodeTaint {
	switch {
	case !in.Observation.Node.Known && in.sameMachine():
		return in.Old.AppliedNodeTaints
	case !in.Observation.Node.Exists:
		return nil
	}
	taints := slices.Clone(in.Facts.AppliedNodeTaints)
	slices.SortFunc(taints, func(a, b v1alpha1.NodeTaint) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Effect, b.Effect))
	})
	return taints
}
