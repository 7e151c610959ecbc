package status

import "github.com/finos/five-spot/api/v1alpha1"

// paused tells whether the object is left alone, or, with the kill switch on,
// whether a pause keeps the Machine from going.
func paused(in Input) verdict {
	pause, object, machine := in.Observation.Pause, in.Observation.Object, in.Observation.Machine
	switch {
	case !pause.Active():
		return no(v1alpha1.NotPausedReason, "Neither the ScheduledMachine nor its Cluster is paused")
	case object.KillSwitch && pause.Cluster && machine.Exists:
		return yes(v1alpha1.KillSwitchBlockedReason,
			"The kill switch is on, but Cluster API ignores the deletion of the Machine while spec.paused of the Cluster is true")
	case pause.Object && object.KillSwitch:
		return yes(v1alpha1.PausedReason, "The ScheduledMachine carries the annotation cluster.x-k8s.io/paused, which the kill switch overrules")
	case pause.Object:
		return yes(v1alpha1.PausedReason, "The ScheduledMachine carries the annotation cluster.x-k8s.io/paused")
	default:
		return yes(v1alpha1.ClusterPausedReason, "spec.paused of the Cluster is true")
	}
}
