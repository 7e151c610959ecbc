package v1alpha1

// Phase is where a ScheduledMachine stands in its lifecycle. It is derived from
// the rule that was decided on; other controllers should read conditions instead.
//
// +kubebuilder:validation:Enum=Pending;Active;ShuttingDown;Inactive;Disabled;Terminated;EmergencyRemove;Error
type Phase string

const (
	// PhasePending means that the schedule is active and the Machine is not yet
	// running with a Ready Node.
	PhasePending Phase = "Pending"

	// PhaseActive means that the Machine is running and its Node has been Ready.
	PhaseActive Phase = "Active"

	// PhaseShuttingDown means that the machine is being drained and removed.
	PhaseShuttingDown Phase = "ShuttingDown"

	// PhaseInactive means that the schedule is inactive and no Machine exists.
	PhaseInactive Phase = "Inactive"

	// PhaseDisabled means that spec.schedule.enabled is false and no Machine exists.
	PhaseDisabled Phase = "Disabled"

	// PhaseTerminated means that the kill switch is on and no Machine exists, or
	// that it is being removed at once.
	PhaseTerminated Phase = "Terminated"

	// PhaseEmergencyRemove means that the Node asked to be reclaimed and the
	// machine is being removed without regard to PodDisruptionBudgets.
	PhaseEmergencyRemove Phase = "EmergencyRemove"

	// PhaseError means that nothing can be decided until somebody acts, for
	// example on an invalid spec. A running machine stays as it is.
	PhaseError Phase = "Error"
)

// Phases are all phases, in the order in which a machine usually passes them.
func Phases() []Phase {
	return []Phase{
		PhasePending, PhaseActive, PhaseShuttingDown, PhaseInactive,
		PhaseDisabled, PhaseTerminated, PhaseEmergencyRemove, PhaseError,
	}
}
