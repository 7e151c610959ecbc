package lifecycle

import (
	"testing"

	"github.com/finos/five-spot/api/v1alpha1"
)

const (
	windowClosed = v1alpha1.ShutdownWindowClosed
	reclaim      = v1alpha1.ShutdownEmergencyReclaim
)

func TestWindowClosed(t *testing.T) {
	t.Parallel()
	checkRows(t, map[string]row{
		"an object at rest stays at rest until the schedule changes": {
			resting(notInCache), "windowClosed Inactive Inactive wake:11:00:00.1",
		},
		"a new object without a Machine is at rest": {
			resting(notInCache, phase("")), "windowClosed Inactive Inactive wake:11:00:00.1",
		},
		"the first decision only starts the clock": {
			running(closed), "windowClosed ShuttingDown ShuttingDown {WindowClosed 10:00:00} wake:now",
		},
		"the second decision only starts the clock of the drain": {
			running(closed, shutdown(windowClosed, "09:59:59")),
			"windowClosed ShuttingDown ShuttingDown {WindowClosed 09:59:59 drain 10:00:00} wake:now",
		},
		"the third decision drains, until the drain timeout at the latest": {
			running(closed, shutdown(windowClosed, "09:59:59", draining("10:00:00"))),
			"windowClosed ShuttingDown ShuttingDown do:DrainNode {WindowClosed 09:59:59 drain 10:00:00} wake:10:05:00",
		},
		"a drain that began late ends with the graceful timeout": {
			running(closed, now("10:18:00"), shutdown(windowClosed, "10:00:00", draining("10:17:00"))),
			"windowClosed ShuttingDown ShuttingDown do:DrainNode {WindowClosed 10:00:00 drain 10:17:00} wake:10:20:00",
		},
		"a drained Node's Machine is deleted without another drain": {
			running(closed, shutdown(windowClosed, "09:59:00", draining("09:59:00"), drained)),
			"windowClosed ShuttingDown ShuttingDown do:DeleteMachine+SkipDrain {WindowClosed 09:59:00 drain 09:59:00 drained} wake:10:19:00",
		},
		"a drained Node's Machine is deleted although the cluster has gone out of reach": {
			running(closed, unreachable, shutdown(windowClosed, "09:59:00", draining("09:59:00"), drained)),
			"windowClosed ShuttingDown ShuttingDown do:DeleteMachine+SkipDrain {WindowClosed 09:59:00 drain 09:59:00 drained} wake:10:19:00",
		},
		"at the drain timeout the Machine is deleted without any wait": {
			running(closed, shutdown(windowClosed, "09:54:00", draining("09:55:00"))),
			"windowClosed ShuttingDown ShuttingDown do:DeleteMachine+SkipDrain+SkipVolumeDetach {WindowClosed 09:54:00 drain 09:55:00} passed:nodeDrainTimeout wake:10:14:00",
		},
		"at the graceful timeout the Machine is deleted without any wait": {
			running(closed, shutdown(windowClosed, "09:40:00", draining("09:58:00"))),
			"windowClosed ShuttingDown ShuttingDown do:DeleteMachine+SkipDrain+SkipVolumeDetach {WindowClosed 09:40:00 drain 09:58:00} passed:gracefulShutdownTimeout wake:11:00:00.1",
		},
		"a moment before the graceful timeout the drain still goes on": {
			running(closed, now("09:59:59.999"), shutdown(windowClosed, "09:40:00", draining("09:58:00"))),
			"windowClosed ShuttingDown ShuttingDown do:DrainNode {WindowClosed 09:40:00 drain 09:58:00} wake:10:00:00",
		},
		"a Node that another Machine names too is not drained, and timeouts run": {
			running(closed, contested, shutdown(windowClosed, "09:59:00")),
			"windowClosed ShuttingDown ShuttingDown {WindowClosed 09:59:00} wake:10:19:00",
		},
		"an unreachable cluster starts no drain and loses no clock": {
			running(closed, unreachable, shutdown(windowClosed, "09:59:00")),
			"windowClosed ShuttingDown ShuttingDown {WindowClosed 09:59:00} wake:10:19:00",
		},
		"a cluster that goes out of reach does not stop the drain's clock": {
			running(closed, unreachable, shutdown(windowClosed, "09:59:00", draining("09:59:00"))),
			"windowClosed ShuttingDown ShuttingDown {WindowClosed 09:59:00 drain 09:59:00} wake:10:04:00",
		},
		"an unreachable cluster's Machine is deleted at the graceful timeout": {
			running(closed, unreachable, shutdown(windowClosed, "09:40:00")),
			"windowClosed ShuttingDown ShuttingDown do:DeleteMachine+SkipDrain+SkipVolumeDetach {WindowClosed 09:40:00} passed:gracefulShutdownTimeout wake:11:00:00.1",
		},
		"a Machine whose Node never joined needs no drain": {
			running(closed, noNode, shutdown(windowClosed, "09:59:00")),
			"windowClosed ShuttingDown ShuttingDown do:DeleteMachine {WindowClosed 09:59:00} wake:10:19:00",
		},
		"a Machine whose Node never joined does not wait for a cluster out of reach": {
			running(closed, noNode, unreachable, shutdown(windowClosed, "09:59:00")),
			"windowClosed ShuttingDown ShuttingDown do:DeleteMachine {WindowClosed 09:59:00} wake:10:19:00",
		},
		"a Machine whose Node is gone needs no drain": {
			running(closed, func(o *Observation) { o.Node = Node{Known: true} }, shutdown(windowClosed, "09:59:00")),
			"windowClosed ShuttingDown ShuttingDown do:DeleteMachine {WindowClosed 09:59:00} wake:10:19:00",
		},
		"the drain of a Machine that somebody else has deleted is hurried at the graceful timeout": {
			running(closed, machineDeleting, shutdown(windowClosed, "09:40:00")),
			"windowClosed ShuttingDown ShuttingDown do:DeleteMachine+SkipDrain+SkipVolumeDetach {WindowClosed 09:40:00} passed:gracefulShutdownTimeout wake:11:00:00.1",
		},
		"a deletion under way is waited for and never drained again": {
			running(closed, machineDeleting, shutdown(windowClosed, "09:59:00", draining("09:59:00"))),
			"windowClosed ShuttingDown ShuttingDown {WindowClosed 09:59:00 drain 09:59:00} wake:10:19:00",
		},
		"a deletion that was hurried is only waited for": {
			running(closed, machineDeleting, skipping, shutdown(windowClosed, "09:40:00")),
			"windowClosed ShuttingDown ShuttingDown {WindowClosed 09:40:00} wake:11:00:00.1",
		},
		"a Machine that the cache does not show is not taken for gone": {
			running(closed, notInCache, shutdown(windowClosed, "09:59:00")),
			"windowClosed ShuttingDown ShuttingDown {WindowClosed 09:59:00} wake:10:00:02",
		},
		"objects that no Machine adopted are deleted before the rest": {
			running(closed, confirmedGone, leftovers, shutdown(windowClosed, "09:59:00")),
			"windowClosed ShuttingDown ShuttingDown do:DeleteLeftovers {WindowClosed 09:59:00} wake:10:00:02",
		},
		"when nothing is left the clocks end": {
			running(closed, confirmedGone, shutdown(windowClosed, "09:59:00")), "windowClosed Inactive Inactive wake:11:00:00.1",
		},
		"a timeout of zero deletes at once": {
			running(closed, shutdown(windowClosed, "10:00:00"), func(o *Observation) { o.Object.GracefulShutdownTimeout = 0 }),
			"windowClosed ShuttingDown ShuttingDown do:DeleteMachine+SkipDrain+SkipVolumeDetach {WindowClosed 10:00:00} passed:gracefulShutdownTimeout wake:11:00:00.1",
		},
	})
}

func TestDisabled(t *testing.T) {
	t.Parallel()
	checkRows(t, map[string]row{
		"a machine that is disabled shuts down gracefully": {
			running(disabled), "disabled ShuttingDown ShuttingDown {Disabled 10:00:00} wake:now",
		},
		"a disabled machine is drained": {
			running(disabled, shutdown(v1alpha1.ShutdownDisabled, "09:59:00", draining("09:59:00"))),
			"disabled ShuttingDown ShuttingDown do:DrainNode {Disabled 09:59:00 drain 09:59:00} wake:10:04:00",
		},
		"a disabled machine that is gone rests": {
			running(disabled, confirmedGone), "disabled Disabled Disabled wake:18:00:00.1",
		},
		"an invalid spec can be disabled": {
			running(disabled, invalidSpec), "disabled ShuttingDown ShuttingDown {Disabled 10:00:00} wake:now",
		},
		"a missing calendar does not keep a machine from being disabled": {
			running(disabled, calendarMissing, confirmedGone), "disabled Disabled Disabled",
		},
	})
}

func TestClusterGoing(t *testing.T) {
	t.Parallel()
	checkRows(t, map[string]row{
		"a machine leaves a Cluster that is being deleted": {
			running(clusterDeleting), "clusterGoing ShuttingDown ShuttingDown {ClusterDeleting 10:00:00} wake:now",
		},
		"nothing is created in a Cluster that is being deleted": {
			running(clusterDeleting, confirmedGone), "clusterGoing Inactive Waiting wake:18:00:00.1",
		},
		"an invalid spec does not keep a machine in a Cluster that is being deleted": {
			running(clusterDeleting, invalidSpec, shutdown(v1alpha1.ShutdownClusterDeleting, "09:59:00", draining("09:59:00"), drained)),
			"clusterGoing ShuttingDown ShuttingDown do:DeleteMachine+SkipDrain {ClusterDeleting 09:59:00 drain 09:59:00 drained} wake:10:19:00",
		},
	})
}

func TestKillSwitch(t *testing.T) {
	t.Parallel()
	checkRows(t, map[string]row{
		"the first decision only persists the reason": {
			running(killSwitch), "killSwitch Terminated KillSwitch {KillSwitch 10:00:00} wake:now",
		},
		"the next decision deletes without any wait": {
			running(killSwitch, shutdown(v1alpha1.ShutdownKillSwitch, "10:00:00")),
			"killSwitch Terminated KillSwitch do:DeleteMachine+SkipDrain+SkipVolumeDetach {KillSwitch 10:00:00} wake:18:00:00.1",
		},
		"a shutdown under way turns into an immediate one with its clock": {
			running(closed, killSwitch, shutdown(windowClosed, "09:59:00", draining("09:59:01"))),
			"killSwitch Terminated KillSwitch do:DeleteMachine+SkipDrain+SkipVolumeDetach {KillSwitch 09:59:00 drain 09:59:01} wake:11:00:00.1",
		},
		"a deletion under way is hurried": {
			running(killSwitch, machineDeleting, shutdown(windowClosed, "09:59:00")),
			"killSwitch Terminated KillSwitch do:DeleteMachine+SkipDrain+SkipVolumeDetach {KillSwitch 09:59:00} wake:18:00:00.1",
		},
		"a deletion that skips everything is only waited for": {
			running(killSwitch, machineDeleting, skipping, shutdown(v1alpha1.ShutdownKillSwitch, "09:59:00")),
			"killSwitch Terminated KillSwitch {KillSwitch 09:59:00} wake:18:00:00.1",
		},
		"leftovers are deleted too": {
			running(killSwitch, confirmedGone, leftovers, shutdown(v1alpha1.ShutdownKillSwitch, "09:59:00")),
			"killSwitch Terminated KillSwitch do:DeleteLeftovers {KillSwitch 09:59:00} wake:10:00:02",
		},
		"it works while the object is paused": {
			running(killSwitch, pausedObject, shutdown(v1alpha1.ShutdownKillSwitch, "09:59:00")),
			"killSwitch Terminated KillSwitch do:DeleteMachine+SkipDrain+SkipVolumeDetach {KillSwitch 09:59:00} wake:18:00:00.1",
		},
		"it deletes although the Cluster is paused": {
			running(killSwitch, pausedCluster, shutdown(v1alpha1.ShutdownKillSwitch, "09:59:00")),
			"killSwitch Terminated KillSwitch do:DeleteMachine+SkipDrain+SkipVolumeDetach {KillSwitch 09:59:00} wake:18:00:00.1",
		},
		"it acts on an invalid spec": {
			running(killSwitch, invalidSpec, shutdown(v1alpha1.ShutdownKillSwitch, "09:59:00")),
			"killSwitch Terminated KillSwitch do:DeleteMachine+SkipDrain+SkipVolumeDetach {KillSwitch 09:59:00}",
		},
		"a reclaim that was begun still disables the schedule": {
			running(killSwitch, shutdown(reclaim, "09:59:00")),
			"killSwitch Terminated KillSwitch do:DeleteMachine+SkipDrain+SkipVolumeDetach do:DisableSchedule {EmergencyReclaim 09:59:00} wake:18:00:00.1",
		},
		"when the machine is gone the object rests": {
			running(killSwitch, confirmedGone, shutdown(v1alpha1.ShutdownKillSwitch, "09:59:00")), "killSwitch Terminated KillSwitch wake:18:00:00.1",
		},
	})
}
