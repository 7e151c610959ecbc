package lifecycle

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/finos/five-spot/api/v1alpha1"
)

func emergency(since string, parts ...func(*v1alpha1.ShutdownStatus)) change {
	begun, remembered := shutdown(reclaim, since, parts...), reclaims(since)
	return func(o *Observation) {
		begun(o)
		remembered(o)
		o.Object.Phase = v1alpha1.PhaseEmergencyRemove
	}
}

func TestEmergencyReclaim(t *testing.T) {
	t.Parallel()
	checkRows(t, map[string]row{
		"the first decision only persists the reason": {
			running(reclaimRequested), "emergencyReclaim EmergencyRemove EmergencyReclaim {EmergencyReclaim 10:00:00} wake:now",
		},
		"a graceful shutdown turns into a reclaim with its clocks, but persists that first": {
			running(closed, reclaimRequested, shutdown(windowClosed, "09:59:00", draining("09:59:01"))),
			"emergencyReclaim EmergencyRemove EmergencyReclaim {EmergencyReclaim 09:59:00 drain 09:59:01} wake:now",
		},
		"the schedule is disabled before anything else, while the drain's clock starts": {
			running(emergency("09:59:59")),
			"emergencyReclaim EmergencyRemove EmergencyReclaim do:DisableSchedule {EmergencyReclaim 09:59:59 drain 10:00:00} wake:now",
		},
		"the drain is forced and takes at most a minute": {
			running(disabled, emergency("09:59:59", draining("10:00:00"))),
			"emergencyReclaim EmergencyRemove EmergencyReclaim do:DrainNode+Forced {EmergencyReclaim 09:59:59 drain 10:00:00} wake:10:00:59",
		},
		"the minute counts from the reclaim, not from an earlier shutdown": {
			running(disabled, shutdown(reclaim, "09:50:00", draining("09:50:00")), reclaims("09:59:30")),
			"emergencyReclaim EmergencyRemove EmergencyReclaim do:DrainNode+Forced {EmergencyReclaim 09:50:00 drain 09:50:00} wake:10:00:30",
		},
		"a schedule that somebody enables again does not stop the removal": {
			running(emergency("09:59:59", draining("10:00:00"))),
			"emergencyReclaim EmergencyRemove EmergencyReclaim do:DisableSchedule do:DrainNode+Forced {EmergencyReclaim 09:59:59 drain 10:00:00} wake:10:00:59",
		},
		"a schedule that cannot be disabled holds the removal up for a minute at most": {
			running(emergency("09:59:00", draining("09:59:00"))),
			"emergencyReclaim EmergencyRemove EmergencyReclaim do:DeleteMachine+SkipDrain+SkipVolumeDetach do:DisableSchedule {EmergencyReclaim 09:59:00 drain 09:59:00} wake:18:00:00.1",
		},
		"a removal without drain waits for the schedule to be disabled, for a minute at most": {
			running(unreachable, emergency("09:59:30")),
			"emergencyReclaim EmergencyRemove EmergencyReclaim do:DisableSchedule do:DeleteMachine+SkipDrain+SkipVolumeDetach {EmergencyReclaim 09:59:30} wake:10:00:30",
		},
		"after the minute the Machine is deleted": {
			running(disabled, emergency("09:59:00", draining("09:59:00"))),
			"emergencyReclaim EmergencyRemove EmergencyReclaim do:DeleteMachine+SkipDrain+SkipVolumeDetach {EmergencyReclaim 09:59:00 drain 09:59:00} wake:18:00:00.1",
		},
		"a drained Node's Machine is deleted": {
			running(disabled, emergency("09:59:59", draining("09:59:59"), drained)),
			"emergencyReclaim EmergencyRemove EmergencyReclaim do:DeleteMachine+SkipDrain+SkipVolumeDetach {EmergencyReclaim 09:59:59 drain 09:59:59 drained} wake:18:00:00.1",
		},
		"an unreachable cluster is not waited for": {
			running(disabled, unreachable, emergency("09:59:59")),
			"emergencyReclaim EmergencyRemove EmergencyReclaim do:DeleteMachine+SkipDrain+SkipVolumeDetach {EmergencyReclaim 09:59:59} wake:18:00:00.1",
		},
		"a deletion under way is hurried": {
			running(disabled, machineDeleting, emergency("09:59:59")),
			"emergencyReclaim EmergencyRemove EmergencyReclaim do:DeleteMachine+SkipDrain+SkipVolumeDetach {EmergencyReclaim 09:59:59} wake:18:00:00.1",
		},
		"the reason sticks when the request is taken back": {
			running(disabled, machineDeleting, skipping, emergency("09:59:59")),
			"emergencyReclaim EmergencyRemove EmergencyReclaim {EmergencyReclaim 09:59:59} wake:18:00:00.1",
		},
		"an unconfirmed absence is checked": {
			running(disabled, notInCache, emergency("09:59:59")),
			"emergencyReclaim EmergencyRemove EmergencyReclaim {EmergencyReclaim 09:59:59} wake:10:00:02",
		},
		"the request is cleared from a Node that outlives its Machine": {
			running(disabled, emergency("09:59:59"), confirmedGone, func(o *Observation) {
				o.Node = Node{Known: true, Exists: true, ReclaimRequested: true}
			}),
			"emergencyReclaim Disabled Disabled do:ForgetReclaim wake:18:00:00.1",
		},
		"a Node that cannot be reached keeps its request": {
			running(disabled, emergency("09:59:59"), confirmedGone, unreachable), "emergencyReclaim Disabled Disabled wake:18:00:00.1",
		},
		"a schedule that is enabled at the end is disabled once more": {
			running(emergency("09:59:59"), confirmedGone), "emergencyReclaim Disabled Disabled do:DisableSchedule wake:10:00:59",
		},
		"a Node that outlives its Machine is not reclaimed again": {
			running(disabled, confirmedGone, func(o *Observation) {
				o.Node = Node{Known: true, Exists: true, ReclaimRequested: true}
			}),
			"disabled Disabled Disabled wake:18:00:00.1",
		},
		"a Node whose Machine has just gone is not reclaimed": {
			running(func(o *Observation) { o.Machine = Machine{ConfirmedAbsent: true} }, reclaimRequested),
			"windowOpen Pending Provisioning do:EnsureMachine wake:18:00:00.1",
		},
		"a request on a Node that has just appeared is from its earlier life": {
			running(reclaimRequested, func(o *Observation) { o.Object.HasNodeRef = false }),
			"windowOpen Active AsScheduled do:ResetNode wake:18:00:00.1",
		},
		"an invalid spec does not keep a machine from being reclaimed": {
			running(reclaimRequested, invalidSpec), "emergencyReclaim EmergencyRemove EmergencyReclaim {EmergencyReclaim 10:00:00} wake:now",
		},
		"a disabled machine is reclaimed": {
			running(disabled, reclaimRequested, shutdown(v1alpha1.ShutdownDisabled, "09:59:00")),
			"emergencyReclaim EmergencyRemove EmergencyReclaim {EmergencyReclaim 09:59:00} wake:now",
		},
	})
}

func TestReclaimsAreRemembered(t *testing.T) {
	t.Parallel()
	o := running(reclaimRequested)
	for i := range 12 {
		o.Object.RecentReclaims = append(o.Object.RecentReclaims, ten.Add(time.Duration(i-40)*time.Hour))
	}
	want := append(slices.Clone(o.Object.RecentReclaims[3:]), ten)
	if diff := cmp.Diff(want, Decide(o).RecentReclaims); diff != "" {
		t.Errorf("the last ten are kept, oldest first (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(o.Object.RecentReclaims, Decide(running(sameReclaims(o))).RecentReclaims); diff != "" {
		t.Errorf("other decisions keep the history (-want +got):\n%s", diff)
	}
}

func sameReclaims(from Observation) change {
	return func(o *Observation) { o.Object.RecentReclaims = from.Object.RecentReclaims }
}

func TestPausesBeforeAReclaimNoLongerCount(t *testing.T) {
	t.Parallel()
	o := running(closed, reclaimRequested, shutdown(windowClosed, "01:00:00", pausedFor(3600*8)))
	if got := Decide(o).Shutdown.PausedSeconds; got != 0 {
		t.Errorf("PausedSeconds = %d: the forced drain would take longer than a minute", got)
	}
}

func TestLoopProtection(t *testing.T) {
	t.Parallel()
	three := reclaims("09:40:00", "09:45:00", "09:50:00")
	checkRows(t, map[string]row{
		"three reclaims within ten minutes hold activation for half an hour": {
			running(confirmedGone, phase(v1alpha1.PhaseDisabled), three), "windowOpen Inactive LoopProtection wake:10:20:00",
		},
		"an absence that is not confirmed is not taken for rest": {
			running(notInCache, three), "windowOpen ShuttingDown ShuttingDown {WindowClosed 10:00:00} wake:now",
		},
		"a machine that is there leaves as at the end of a window": {
			running(three), "windowOpen ShuttingDown ShuttingDown {WindowClosed 10:00:00} wake:now",
		},
		"two reclaims hold nothing": {
			running(confirmedGone, reclaims("09:45:00", "09:50:00")), "windowOpen Pending Provisioning do:EnsureMachine wake:18:00:00.1",
		},
		"three reclaims in more than ten minutes hold nothing": {
			running(confirmedGone, reclaims("09:40:00", "09:45:00", "09:50:01")), "windowOpen Pending Provisioning do:EnsureMachine wake:18:00:00.1",
		},
		"after half an hour the schedule decides again": {
			running(confirmedGone, now("10:20:00"), three), "windowOpen Pending Provisioning do:EnsureMachine wake:18:00:00.1",
		},
		"a fourth reclaim prolongs the hold": {
			running(confirmedGone, phase(v1alpha1.PhaseDisabled), three, reclaims("09:55:00")), "windowOpen Inactive LoopProtection wake:10:25:00",
		},
		"a closed window is not held": {
			resting(three), "windowClosed Inactive Inactive wake:11:00:00.1",
		},
	})
}
