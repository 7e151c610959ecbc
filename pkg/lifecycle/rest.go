package lifecycle

import "github.com/finos/five-spot/api/v1alpha1"

// AtRest is whether the status says that no Machine exists and that nothing is
// under way. An object at rest needs no uncached read to stay at rest.
func (o Object) AtRest() bool {
	return restPhase(o.Phase) && o.Shutdown == nil && !o.HasMachineRef && o.DeletedAt.IsZero()
}

func restPhase(phase v1alpha1.Phase) bool {
	switch phase {
	case "", v1alpha1.PhaseInactive, v1alpha1.PhaseDisabled, v1alpha1.PhaseTerminated:
		return true
	case v1alpha1.PhasePending, v1alpha1.PhaseActive, v1alpha1.PhaseShuttingDown,
		v1alpha1.PhaseEmergencyRemove, v1alpha1.PhaseError:
		return false
	}
	return false
}

// gone is whether nothing of the machine is left.
func gone(o Observation) bool {
	return !o.Machine.Exists && len(o.Leftovers) == 0 && (o.Machine.ConfirmedAbsent || o.Object.AtRest())
}
