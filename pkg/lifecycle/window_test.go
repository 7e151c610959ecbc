package lifecycle

import (
	"testing"
	"time"

	"github.com/finos/five-spot/api/v1alpha1"
)

func withoutCluster(o *Observation) { o.Cluster = Cluster{} }

func withoutControlPlane(o *Observation) { o.Cluster.ControlPlaneInitialized = false }

func referenceMissing(o *Observation) {
	o.References = &Problem{Reason: v1alpha1.SecretNotFoundReason, Message: "Secret does not exist"}
}

func failed(o *Observation) { o.Machine.Failed = "disk on fire" }

func TestWindowOpen(t *testing.T) {
	t.Parallel()
	checkRows(t, map[string]row{
		"a window that opens is written down before anything is created": {
			resting(open, notInCache), "windowOpen Pending Provisioning wake:now",
		},
		"a new object is written down before anything is created": {
			resting(open, notInCache, phase("")), "windowOpen Pending Provisioning wake:now",
		},
		"an open window creates the machine": {
			resting(open, phase(v1alpha1.PhasePending)), "windowOpen Pending Provisioning do:EnsureMachine wake:18:00:00.1",
		},
		"the lead time creates the machine before the window": {
			resting(leadTime, phase(v1alpha1.PhasePending)), "windowOpen Pending Provisioning do:EnsureMachine wake:11:00:00.1",
		},
		"a Machine on its way is Pending until the join timeout": {
			running(noNode, phase(v1alpha1.PhasePending), created("09:59:00")), "windowOpen Pending Provisioning do:EnsureMachine wake:10:29:00",
		},
		"a running Machine whose Node is not Ready is Pending": {
			running(notReady, phase(v1alpha1.PhasePending), created("09:59:00")), "windowOpen Pending Provisioning wake:10:29:00",
		},
		"a Ready Node of a Machine that is not running is Pending": {
			running(func(o *Observation) { o.Machine.Running = false }, phase(v1alpha1.PhasePending), created("09:59:00")),
			"windowOpen Pending Provisioning wake:10:29:00",
		},
		"a running Machine with a Ready Node is Active": {
			running(phase(v1alpha1.PhasePending)), "windowOpen Active AsScheduled wake:18:00:00.1",
		},
		"a machine that never joins is reported, kept and not looked at in a loop": {
			running(noNode, phase(v1alpha1.PhasePending), created("09:30:00")), "windowOpen Pending JoinTimeout do:EnsureMachine passed:joinTimeout wake:18:00:00.1",
		},
		"without a join timeout a machine may take as long as it likes": {
			running(noNode, phase(v1alpha1.PhasePending), created("01:00:00"), func(o *Observation) { o.Settings.JoinTimeout = 0 }),
			"windowOpen Pending Provisioning do:EnsureMachine wake:18:00:00.1",
		},
		"a Machine on its way is not completed without its references": {
			running(noNode, referenceMissing, phase(v1alpha1.PhasePending), created("09:59:00")), "windowOpen Pending Provisioning wake:10:29:00",
		},
		"an Active machine stays Active when its Node is not Ready": {
			running(notReady), "windowOpen Active NodeNotReady wake:18:00:00.1",
		},
		"an Active machine stays Active when its cluster is out of reach": {
			running(unreachable), "windowOpen Active NodeNotReady wake:18:00:00.1",
		},
		"a Node that another Machine names too is not touched": {
			running(contested), "windowOpen Active NodeNotReady wake:18:00:00.1",
		},
		"a changed spec waits for the next activation": {
			running(func(o *Observation) { o.Machine.SpecChanged = true }), "windowOpen Active SpecChangePending wake:18:00:00.1",
		},
		"an Active machine that failed says so": {
			running(failed), "windowOpen Active Error wake:18:00:00.1",
		},
		"a machine that failed on its way says so": {
			running(failed, noNode, phase(v1alpha1.PhasePending)), "windowOpen Pending Error wake:18:00:00.1",
		},
		"without its Cluster nothing is created": {
			resting(open, withoutCluster), "windowOpen Pending Waiting wake:18:00:00.1",
		},
		"without its Cluster a machine that is there is kept": {
			running(withoutCluster), "windowOpen Pending Waiting wake:18:00:00.1",
		},
		"before the control plane is initialized nothing is created": {
			resting(open, withoutControlPlane), "windowOpen Pending Waiting wake:18:00:00.1",
		},
		"before the infrastructure is provisioned nothing is created": {
			resting(open, func(o *Observation) { o.Cluster.InfrastructureProvisioned = false }), "windowOpen Pending Waiting wake:18:00:00.1",
		},
		"without Cluster API nothing is created": {
			resting(open, func(o *Observation) { o.Cluster.APIMissing = true }), "windowOpen Pending Waiting wake:18:00:00.1",
		},
		"a missing Secret is looked for again": {
			resting(open, referenceMissing), "windowOpen Pending Waiting wake:10:00:30",
		},
		"a missing Secret does not bother a machine that is there": {
			running(referenceMissing), "windowOpen Active AsScheduled wake:18:00:00.1",
		},
		"the back-off is waited for": {
			running(confirmedGone, func(o *Observation) { o.CreateNotBefore = at("10:00:20") }), "windowOpen Pending CreateBackOff wake:10:00:20",
		},
		"when the back-off is over the machine is created": {
			running(confirmedGone, func(o *Observation) { o.CreateNotBefore = at("10:00:00") }), "windowOpen Pending Provisioning do:EnsureMachine wake:18:00:00.1",
		},
		"a Machine deleted by hand is waited for": {
			running(machineDeleting), "windowOpen Pending Waiting wake:18:00:00.1",
		},
		"objects of a creation that was cut short are completed": {
			running(confirmedGone, leftovers, phase(v1alpha1.PhasePending)), "windowOpen Pending Provisioning do:EnsureMachine wake:18:00:00.1",
		},
	})
}

func TestShutdownCancelled(t *testing.T) {
	t.Parallel()
	checkRows(t, map[string]row{
		"a Machine that is not deleted yet is kept and its Node uncordoned": {
			running(shutdown(windowClosed, "09:59:00", draining("09:59:00"))), "windowOpen Active AsScheduled do:UncordonNode wake:18:00:00.1",
		},
		"a cluster out of reach keeps its cordon for now": {
			running(unreachable, shutdown(windowClosed, "09:59:00"), created("09:45:00")), "windowOpen Pending Provisioning wake:10:15:00",
		},
		"a cordon of ours that was left is taken off later": {
			running(func(o *Observation) { o.Node.CordonedByUs = true }), "windowOpen Active AsScheduled do:UncordonNode wake:18:00:00.1",
		},
		"a foreign cordon stays": {
			running(func(o *Observation) { o.Node.Unschedulable = true }), "windowOpen Active AsScheduled wake:18:00:00.1",
		},
		"a Machine that is being deleted is waited for with its clock": {
			running(machineDeleting, shutdown(windowClosed, "09:59:00")), "windowOpen Pending Waiting {WindowClosed 09:59:00} wake:10:19:00",
		},
		"a Machine whose deletion hangs is hurried at its deadline": {
			running(machineDeleting, shutdown(windowClosed, "09:40:00")),
			"windowOpen Pending Waiting do:DeleteMachine+SkipDrain+SkipVolumeDetach {WindowClosed 09:40:00} passed:gracefulShutdownTimeout wake:18:00:00.1",
		},
		"the end of the shutdown is confirmed before the next Machine": {
			running(notInCache, shutdown(windowClosed, "09:59:00")), "windowOpen Pending Waiting {WindowClosed 09:59:00} wake:10:00:02",
		},
		"when the Machine is gone the next is created": {
			running(confirmedGone, shutdown(windowClosed, "09:59:00")), "windowOpen Pending Provisioning do:EnsureMachine wake:18:00:00.1",
		},
		"a kill switch that is turned off in time keeps the machine": {
			running(shutdown(v1alpha1.ShutdownKillSwitch, "09:59:59")), "windowOpen Active AsScheduled do:UncordonNode wake:18:00:00.1",
		},
	})
}

func TestNodeUpkeep(t *testing.T) {
	t.Parallel()
	everything := func(o *Observation) { o.Object.WantsTaints, o.Object.WantsReclaimAgent = true, true }
	firstSeen := func(o *Observation) { o.Object.HasNodeRef = false }
	checkRows(t, map[string]row{
		"a Node that has just appeared loses the marks of its earlier life first": {
			running(everything, firstSeen, phase(v1alpha1.PhasePending)),
			"windowOpen Active AsScheduled do:ResetNode do:ApplyTaints do:ArmReclaimAgent wake:18:00:00.1",
		},
		"a Node that is known is not reset": {
			running(everything), "windowOpen Active AsScheduled do:ApplyTaints do:ArmReclaimAgent wake:18:00:00.1",
		},
		"taints wait until the Node is Ready": {
			running(everything, notReady), "windowOpen Active NodeNotReady do:ArmReclaimAgent wake:18:00:00.1",
		},
		"taints that the spec no longer wants are taken off": {
			running(func(o *Observation) { o.Node.HasOwnTaints = true }), "windowOpen Active AsScheduled do:ApplyTaints wake:18:00:00.1",
		},
		"an agent that the spec no longer wants is disarmed": {
			running(func(o *Observation) { o.Node.HasReclaimAgent = true }), "windowOpen Active AsScheduled do:ArmReclaimAgent wake:18:00:00.1",
		},
		"a Node out of reach is left alone": {
			running(everything, unreachable), "windowOpen Active NodeNotReady wake:18:00:00.1",
		},
		"a Node that is leaving is left alone": {
			running(everything, closed, firstSeen, shutdown(windowClosed, "09:59:00", draining("09:59:00"))),
			"windowClosed ShuttingDown ShuttingDown do:DrainNode {WindowClosed 09:59:00 drain 09:59:00} wake:10:04:00",
		},
	})
}

func open(o *Observation) { o.Schedule = running().Schedule }

func leadTime(o *Observation) { o.Schedule.Provision = true }

func created(clock string) change { return func(o *Observation) { o.Machine.CreatedAt = at(clock) } }

func TestWakeIsTheEarliestInstantAfterNow(t *testing.T) {
	t.Parallel()
	o := running(func(o *Observation) { o.Schedule.NextChange = never })
	if got := Decide(o).WakeAt; !got.IsZero() {
		t.Errorf("WakeAt = %v, want none: only events matter", got)
	}
	if got := earliest(ten, ten, ten.Add(-1), never); !got.IsZero() {
		t.Errorf("earliest = %v, want none: all instants have passed", got)
	}
	if got, want := earliest(ten, ten.Add(time.Hour), never, ten.Add(time.Minute)), ten.Add(time.Minute); !got.Equal(want) {
		t.Errorf("earliest = %v, want %v", got, want)
	}
}
