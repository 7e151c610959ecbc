package lifecycle

import (
	"testing"

	"github.com/finos/five-spot/api/v1alpha1"
)

func TestPaused(t *testing.T) {
	t.Parallel()
	checkRows(t, map[string]row{
		"a paused object is left alone": {
			running(closed, pausedObject), "paused Active Paused",
		},
		"an object of a paused Cluster is left alone": {
			running(closed, pausedCluster), "paused Active ClusterPaused",
		},
		"a new object that is paused has no phase yet": {
			resting(pausedObject, phase("")), "paused  Paused",
		},
		"the clocks of a shutdown stand still": {
			running(closed, pausedObject, pauseSince("09:10:00"), shutdown(windowClosed, "09:00:00", draining("09:00:00"), pausedFor(7))),
			"paused ShuttingDown Paused {WindowClosed 09:00:00 drain 09:00:00 paused 7s}",
		},
		"a paused object is not reclaimed": {
			running(pausedObject, reclaimRequested), "paused Active Paused",
		},
		"the first decision after a pause adds it to the clocks": {
			running(closed, pauseSince("09:50:00"), shutdown(windowClosed, "09:49:00", draining("09:49:00"))),
			"windowClosed ShuttingDown ShuttingDown do:DrainNode {WindowClosed 09:49:00 drain 09:49:00 paused 600s} wake:10:04:00",
		},
		"a pause is rounded up": {
			running(closed, now("10:00:00.5"), pauseSince("09:59:58"), shutdown(windowClosed, "09:49:00", draining("09:59:00"))),
			"windowClosed ShuttingDown ShuttingDown do:DrainNode {WindowClosed 09:49:00 drain 09:59:00 paused 3s} wake:10:04:03",
		},
		"pauses add up": {
			running(closed, pauseSince("09:50:00"), shutdown(windowClosed, "09:49:00", draining("09:49:00"), pausedFor(60))),
			"windowClosed ShuttingDown ShuttingDown do:DrainNode {WindowClosed 09:49:00 drain 09:49:00 paused 660s} wake:10:05:00",
		},
		"only the part of a pause after the start of the shutdown counts": {
			running(closed, pauseSince("08:00:00"), shutdown(windowClosed, "09:59:00")),
			"windowClosed ShuttingDown ShuttingDown {WindowClosed 09:59:00 drain 10:00:00 paused 60s} wake:now",
		},
		"a pause that ends before a shutdown leaves no trace": {
			running(pauseSince("08:00:00")), "windowOpen Active AsScheduled wake:18:00:00.1",
		},
	})
}

func TestInvalid(t *testing.T) {
	t.Parallel()
	checkRows(t, map[string]row{
		"a machine with an invalid spec stays": {
			running(invalidSpec), "invalid Error Error",
		},
		"an invalid spec creates nothing": {
			resting(invalidSpec), "invalid Error Error",
		},
		"an object in the way is looked at again": {
			resting(open, foreign), "invalid Error Error wake:10:01:00",
		},
		"an object in the way is looked at again after the back-off": {
			resting(open, foreign, func(o *Observation) { o.CreateNotBefore = at("10:03:00") }), "invalid Error Error wake:10:03:00",
		},
		"a shutdown under way goes on with its deadlines": {
			running(invalidSpec, shutdown(windowClosed, "09:59:00", draining("09:59:00"))),
			"invalid ShuttingDown ShuttingDown do:DrainNode {WindowClosed 09:59:00 drain 09:59:00} wake:10:04:00",
		},
		"a shutdown under way ends": {
			running(invalidSpec, confirmedGone, shutdown(windowClosed, "09:59:00")), "invalid Error Error",
		},
	})
}

func TestScheduleUnknown(t *testing.T) {
	t.Parallel()
	checkRows(t, map[string]row{
		"an Active machine stays Active": {
			running(calendarMissing), "scheduleUnknown Active Waiting",
		},
		"a machine on its way comes up": {
			running(calendarMissing, phase(v1alpha1.PhasePending)), "scheduleUnknown Active Waiting",
		},
		"a machine on its way has its join timeout": {
			running(calendarMissing, noNode, created("09:59:00"), phase(v1alpha1.PhasePending)), "scheduleUnknown Pending Waiting wake:10:29:00",
		},
		"the Node of a machine that stays is looked after": {
			running(calendarMissing, func(o *Observation) { o.Object.WantsTaints = true }), "scheduleUnknown Active Waiting do:ApplyTaints",
		},
		"a Pending object without a Machine stays Pending and creates nothing": {
			running(calendarMissing, confirmedGone, phase(v1alpha1.PhasePending)), "scheduleUnknown Pending Waiting",
		},
		"a Machine that vanished is not created again": {
			running(calendarMissing, confirmedGone), "scheduleUnknown Pending Waiting",
		},
		"a Machine that somebody deletes is waited for": {
			running(calendarMissing, machineDeleting), "scheduleUnknown Pending Waiting",
		},
		"a Machine on its way out is no rest, whatever the status says": {
			running(calendarMissing, machineDeleting, phase(v1alpha1.PhaseInactive), func(o *Observation) { o.Object.HasMachineRef = false }),
			"scheduleUnknown Pending Waiting",
		},
		"an Inactive object stays Inactive": {
			resting(calendarMissing, notInCache), "scheduleUnknown Inactive Waiting",
		},
		"a new object is Inactive": {
			resting(calendarMissing, notInCache, phase("")), "scheduleUnknown Inactive Waiting",
		},
		"an absence that is not confirmed is no rest": {
			running(calendarMissing, notInCache, phase(v1alpha1.PhaseError)), "scheduleUnknown Pending Waiting wake:10:00:02",
		},
		"a shutdown under way goes on": {
			running(calendarMissing, shutdown(windowClosed, "09:59:00", draining("09:59:00"))),
			"scheduleUnknown ShuttingDown ShuttingDown do:DrainNode {WindowClosed 09:59:00 drain 09:59:00} wake:10:04:00",
		},
		"a shutdown under way ends": {
			running(calendarMissing, confirmedGone, shutdown(windowClosed, "09:59:00")), "scheduleUnknown Inactive Waiting",
		},
	})
}
