package lifecycle

import (
	"testing"
	"time"

	"github.com/finos/five-spot/api/v1alpha1"
)

const deletedReason = v1alpha1.ShutdownDeleted

// deletedAt marks the object as deleted at the given time.
func deletedAt(clock string) change {
	instant := at(clock)
	return func(o *Observation) { o.Object.DeletedAt = instant }
}

func keepFinalizer(o *Observation) { o.Settings.ForceFinalizer = false }

func TestDeleting(t *testing.T) {
	t.Parallel()
	checkRows(t, map[string]row{
		"the first decision only starts the clock": {
			running(deleted), "deleting ShuttingDown ShuttingDown {Deleted 10:00:00} wake:now",
		},
		"an object without a Machine is let go": {
			resting(deleted), "deleting ShuttingDown ShuttingDown do:ReleaseFinalizer wake:11:00:00.1",
		},
		"an object at rest waits until the absence is confirmed": {
			resting(deleted, notInCache), "deleting ShuttingDown ShuttingDown {Deleted 10:00:00} wake:now",
		},
		"the Node is drained within what the finalizer timeout leaves": {
			running(deletedAt("09:59:00"), func(o *Observation) { o.Object.NodeDrainTimeout = time.Hour }, shutdown(deletedReason, "09:59:00", draining("09:59:00"))),
			"deleting ShuttingDown ShuttingDown do:DrainNode {Deleted 09:59:00 drain 09:59:00} wake:10:07:00",
		},
		"a short graceful timeout counts when it ends sooner": {
			running(deletedAt("09:59:00"), func(o *Observation) { o.Object.GracefulShutdownTimeout = 2 * time.Minute }, shutdown(deletedReason, "09:59:00", draining("09:59:00"))),
			"deleting ShuttingDown ShuttingDown do:DrainNode {Deleted 09:59:00 drain 09:59:00} wake:10:01:00",
		},
		"at the capped timeout the Machine is deleted": {
			running(deletedAt("09:52:00"), unreachable, shutdown(deletedReason, "09:52:00")),
			"deleting ShuttingDown ShuttingDown do:DeleteMachine+SkipDrain+SkipVolumeDetach {Deleted 09:52:00} passed:gracefulShutdownTimeout wake:10:02:00",
		},
		"the kill switch makes the deletion immediate": {
			running(deletedAt("09:59:00"), killSwitch, shutdown(deletedReason, "09:59:00")),
			"deleting ShuttingDown ShuttingDown do:DeleteMachine+SkipDrain+SkipVolumeDetach {KillSwitch 09:59:00} wake:10:09:00",
		},
		"a request to reclaim makes the deletion immediate": {
			running(deletedAt("09:59:00"), reclaimRequested, shutdown(deletedReason, "09:59:00")),
			"deleting ShuttingDown ShuttingDown do:DeleteMachine+SkipDrain+SkipVolumeDetach {Deleted 09:59:00} wake:10:09:00",
		},
		"a reclaim under way makes the deletion immediate": {
			running(deletedAt("09:59:00"), shutdown(reclaim, "09:59:00")),
			"deleting ShuttingDown ShuttingDown do:DeleteMachine+SkipDrain+SkipVolumeDetach {EmergencyReclaim 09:59:00} wake:10:09:00",
		},
		"a paused object keeps its finalizer": {
			running(confirmedGone, pausedObject, deletedAt("09:00:00"), shutdown(deletedReason, "09:00:00")),
			"paused ShuttingDown Paused {Deleted 09:00:00}",
		},
		"an object without our finalizer has nothing to release": {
			resting(deleted, func(o *Observation) { o.Object.HasFinalizer = false }), "deleting ShuttingDown ShuttingDown wake:11:00:00.1",
		},
		"past the finalizer timeout a Machine that is not deleted is deleted first": {
			running(deletedAt("09:40:00"), unreachable, shutdown(deletedReason, "09:40:00")),
			"deleting ShuttingDown ShuttingDown do:DeleteMachine+SkipDrain+SkipVolumeDetach {Deleted 09:40:00} passed:gracefulShutdownTimeout passed:finalizerTimeout wake:18:00:00.1",
		},
		"past the finalizer timeout the object goes once the deletion was accepted": {
			running(deletedAt("09:40:00"), machineDeleting, skipping, shutdown(deletedReason, "09:40:00")),
			"deleting ShuttingDown ShuttingDown do:ReleaseFinalizer {Deleted 09:40:00} passed:finalizerTimeout wake:18:00:00.1",
		},
		"past the finalizer timeout leftovers do not hold the object": {
			running(confirmedGone, leftovers, deletedAt("09:40:00"), shutdown(deletedReason, "09:40:00")),
			"deleting ShuttingDown ShuttingDown do:ReleaseFinalizer do:DeleteLeftovers {Deleted 09:40:00} passed:finalizerTimeout wake:10:00:30",
		},
		"past the finalizer timeout an unconfirmed absence holds the object": {
			running(notInCache, deletedAt("09:40:00"), shutdown(deletedReason, "09:40:00")),
			"deleting ShuttingDown ShuttingDown {Deleted 09:40:00} passed:finalizerTimeout wake:10:00:30",
		},
		"a finalizer that may not be forced stays": {
			running(deletedAt("09:40:00"), keepFinalizer, machineDeleting, skipping, shutdown(deletedReason, "09:40:00")),
			"deleting ShuttingDown ShuttingDown {Deleted 09:40:00} passed:finalizerTimeout wake:18:00:00.1",
		},
		"the finalizer timeout counts from the deletion, not from an earlier shutdown": {
			running(deletedAt("09:58:00"), machineDeleting, skipping, shutdown(windowClosed, "09:40:00")),
			"deleting ShuttingDown ShuttingDown {Deleted 09:40:00} wake:10:08:00",
		},
		"the finalizer timeout counts from the end of a pause that began before the shutdown": {
			running(deletedAt("09:00:00"), machineDeleting, skipping, shutdown(deletedReason, "09:55:00")),
			"deleting ShuttingDown ShuttingDown {Deleted 09:55:00} wake:10:03:00",
		},
		"a pause does not count towards the finalizer timeout": {
			running(deletedAt("09:40:00"), machineDeleting, skipping, shutdown(deletedReason, "09:40:00", pausedFor(900))),
			"deleting ShuttingDown ShuttingDown {Deleted 09:40:00 paused 900s} wake:10:03:00",
		},
		"without a finalizer timeout only the graceful timeout counts": {
			running(deletedAt("09:45:00"), unreachable, func(o *Observation) { o.Settings.FinalizerTimeout = 0 }, shutdown(deletedReason, "09:45:00")),
			"deleting ShuttingDown ShuttingDown {Deleted 09:45:00} wake:10:05:00",
		},
		"a finalizer timeout shorter than its reserve deletes at once": {
			running(deletedAt("10:00:00"), func(o *Observation) { o.Settings.FinalizerTimeout = time.Minute }, shutdown(deletedReason, "10:00:00")),
			"deleting ShuttingDown ShuttingDown do:DeleteMachine+SkipDrain+SkipVolumeDetach {Deleted 10:00:00} passed:gracefulShutdownTimeout wake:10:01:00",
		},
	})
}
