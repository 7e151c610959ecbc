package status

import (
	"errors"
	"testing"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/lifecycle"
)

var errSecret = errors.New("https://admin:hunter2@10.0.0.1 refused")

func TestNodeTainted(t *testing.T) {
	t.Parallel()
	wanted := func(in *Input) { in.Observation.Object.WantsTaints = true }
	apply := func(o lifecycle.Outcome) func(*Input) { return outcome(lifecycle.ActionApplyTaints, o) }
	unknown := func(in *Input) { in.Observation.Node = lifecycle.Node{} }
	testCondition(t, v1alpha1.NodeTaintedCondition, map[string]judged{
		"no taints are wanted": {running(), yesStatus, v1alpha1.NodeTaintsNoneReason, ""},
		"all taints are on the Node": {
			with(running(), wanted, apply(lifecycle.Outcome{State: lifecycle.OutcomeDone})), yesStatus, v1alpha1.NodeTaintsAppliedReason, "",
		},
		"taints that are still to be written": {
			with(running(), wanted, apply(lifecycle.Outcome{State: lifecycle.OutcomePending})), noStatus, v1alpha1.NodeTaintsApplyingReason, "",
		},
		"there is no Node": {with(atRest(), wanted), noStatus, v1alpha1.NodeTaintsPendingReason, ""},
		"somebody else's taint": {
			with(running(), wanted, apply(lifecycle.Outcome{State: lifecycle.OutcomeFailed, Problem: &lifecycle.Problem{Reason: v1alpha1.TaintOwnershipConflictReason, Message: "gpu:NoSchedule"}})),
			noStatus, v1alpha1.TaintOwnershipConflictReason, "gpu:NoSchedule",
		},
		"a failure without its error": {
			with(running(), wanted, apply(lifecycle.Outcome{State: lifecycle.OutcomeFailed, Err: errSecret})),
			noStatus, v1alpha1.NodeTaintsFailedReason, "The taints could not be written to the Node; it is tried again",
		},
		"taints that could not be taken off again": {
			with(running(), apply(lifecycle.Outcome{State: lifecycle.OutcomeFailed, Err: errSecret})), noStatus, v1alpha1.NodeTaintsFailedReason, "",
		},
		"what was applied stays applied while the cluster cannot be asked": {
			with(running(), wanted, unknown, said(v1alpha1.NodeTaintedCondition, yesStatus, v1alpha1.NodeTaintsAppliedReason, "x")),
			yesStatus, v1alpha1.NodeTaintsAppliedReason, "x",
		},
		"a Node of another Machine is not yet tainted": {
			with(running(), wanted, unknown, said(v1alpha1.NodeTaintedCondition, yesStatus, v1alpha1.NodeTaintsAppliedReason, "x"),
				func(in *Input) { in.Facts.MachineRef = reference("Machine", "m-2") }),
			noStatus, v1alpha1.NodeTaintsPendingReason, "",
		},
		"what was applied stays applied in a decision that does not look": {
			with(shuttingDown(), wanted, said(v1alpha1.NodeTaintedCondition, yesStatus, v1alpha1.NodeTaintsAppliedReason, "x")),
			yesStatus, v1alpha1.NodeTaintsAppliedReason, "x",
		},
	})
}

func TestReclaimAgentReady(t *testing.T) {
	t.Parallel()
	wanted := func(in *Input) { in.Observation.Object.WantsReclaimAgent = true }
	arm := func(o lifecycle.Outcome) func(*Input) { return outcome(lifecycle.ActionArmReclaimAgent, o) }
	armed := said(v1alpha1.ReclaimAgentReadyCondition, yesStatus, v1alpha1.ReclaimAgentArmedReason, "x")
	testCondition(t, v1alpha1.ReclaimAgentReadyCondition, map[string]judged{
		"no commands":          {running(), noStatus, v1alpha1.ReclaimAgentNotNeededReason, ""},
		"armed":                {with(running(), wanted, arm(lifecycle.Outcome{State: lifecycle.OutcomeDone})), yesStatus, v1alpha1.ReclaimAgentArmedReason, ""},
		"on its way":           {with(running(), wanted, arm(lifecycle.Outcome{State: lifecycle.OutcomePending})), noStatus, v1alpha1.ReclaimAgentPendingReason, ""},
		"there is no Node yet": {with(atRest(), wanted), noStatus, v1alpha1.ReclaimAgentPendingReason, ""},
		"a cluster without admission policies": {
			with(running(), wanted, arm(lifecycle.Outcome{State: lifecycle.OutcomeFailed, Problem: &lifecycle.Problem{Reason: v1alpha1.ReclaimAgentPolicyUnsupportedReason, Message: "1.29"}})),
			noStatus, v1alpha1.ReclaimAgentPolicyUnsupportedReason, "1.29",
		},
		"a failure without its error": {
			with(running(), wanted, arm(lifecycle.Outcome{State: lifecycle.OutcomeFailed, Err: errSecret})),
			noStatus, v1alpha1.ReclaimAgentPendingReason, "The reclaim agent could not be armed; it is tried again",
		},
		"armed stays armed in a decision that does not look": {with(shuttingDown(), wanted, armed), yesStatus, v1alpha1.ReclaimAgentArmedReason, "x"},
		"a Node that is gone is not watched": {
			with(running(), wanted, armed, func(in *Input) { in.Observation.Node.Exists = false }), noStatus, v1alpha1.ReclaimAgentPendingReason, "",
		},
	})
}

func TestDrained(t *testing.T) {
	t.Parallel()
	drain := func(o lifecycle.Outcome) func(*Input) { return outcome(lifecycle.ActionDrainNode, o) }
	blocked := &v1alpha1.DrainStatus{PodsTotal: 5, PodsRemaining: 2, BlockedBy: []string{"b/2: pdb", "a/1: pdb"}}
	timeout := func(timeouts ...lifecycle.Timeout) func(*Input) {
		return func(in *Input) { in.Decision.Timeouts, in.Decision.Actions = timeouts, deleteAtOnce() }
	}
	deleting := func(in *Input) { in.Observation.Machine.Deleting, in.Decision.Actions = true, nil }
	going := func(in *Input) { in.Observation.Cluster.Deleting = true }
	last := func(reason string) func(*Input) { return said(v1alpha1.DrainedCondition, noStatus, reason, "kept") }
	testCondition(t, v1alpha1.DrainedCondition, map[string]judged{
		"no shutdown": {running(), noStatus, v1alpha1.DrainNotNeededReason, ""},
		"a step of the drain": {
			with(shuttingDown(), drain(lifecycle.Outcome{State: lifecycle.OutcomePending, Drain: blocked})),
			noStatus, v1alpha1.DrainingReason, "Pods are being evicted from the Node; 2 of 5 Pods remain; blocked: a/1: pdb, b/2: pdb",
		},
		"the last step of the drain": {
			with(shuttingDown(), drain(lifecycle.Outcome{State: lifecycle.OutcomeDone, Drained: true})), yesStatus, v1alpha1.DrainCompletedReason, "",
		},
		"a drain that was complete before": {
			with(shuttingDown(), deleting, func(in *Input) { in.Decision.Shutdown.Drained = true }), yesStatus, v1alpha1.DrainCompletedReason, "",
		},
		"nodeDrainTimeout passed": {with(shuttingDown(), timeout(lifecycle.TimeoutDrain)), noStatus, v1alpha1.DrainTimedOutReason, "spec.nodeDrainTimeout passed"},
		"gracefulShutdownTimeout passed": {
			with(shuttingDown(), timeout(lifecycle.TimeoutShutdown), func(in *Input) { in.Old.Drain = blocked }),
			noStatus, v1alpha1.DrainTimedOutReason, "spec.gracefulShutdownTimeout passed before the drain was complete; 2 of 5 Pods remain",
		},
		"a timeout is not forgotten while the Machine goes": {
			with(shuttingDown(), deleting, last(v1alpha1.DrainTimedOutReason)), noStatus, v1alpha1.DrainTimedOutReason, "kept",
		},
		"the last step failed": {
			with(shuttingDown(), drain(lifecycle.Outcome{State: lifecycle.OutcomeFailed, Problem: &lifecycle.Problem{Message: "nodes is forbidden"}})),
			noStatus, v1alpha1.DrainFailingReason, "nodes is forbidden",
		},
		"somebody else has deleted the Machine": {
			with(shuttingDown(), deleting), noStatus, v1alpha1.DrainDelegatedReason, "",
		},
		"somebody else has deleted the Machine in the middle of its window": {
			with(running(), deleting), noStatus, v1alpha1.DrainDelegatedReason, "The Machine is being deleted already: Cluster API drains its Node",
		},
		"the Machine is deleted along with its Cluster": {
			with(shuttingDown(), deleting, going), noStatus, v1alpha1.DrainSkippedReason, "The Cluster is being deleted, and Cluster API removes its Machines without drain",
		},
		"the Cluster was seen to go after its Machine": {
			with(shuttingDown(), deleting, going, last(v1alpha1.DrainDelegatedReason)), noStatus, v1alpha1.DrainSkippedReason, "The Cluster is being deleted",
		},
		"Cluster API did not finish its drain in time": {
			with(shuttingDown(), deleting, timeout(lifecycle.TimeoutShutdown), last(v1alpha1.DrainDelegatedReason)), noStatus, v1alpha1.DrainTimedOutReason, "",
		},
		"a late deletion of a machine without Node is no drain timeout": {
			with(shuttingDown(), deleting, timeout(lifecycle.TimeoutShutdown), last(v1alpha1.DrainSkippedReason)), noStatus, v1alpha1.DrainSkippedReason, "kept",
		},
		"the kill switch skips the drain from the start": {
			with(shuttingDown(), func(in *Input) {
				in.Decision.Shutdown.Reason, in.Decision.Actions = v1alpha1.ShutdownKillSwitch, nil
			}), noStatus, v1alpha1.DrainSkippedReason, "",
		},
		"there is no Node": {
			with(shuttingDown(), func(in *Input) { in.Observation.Machine.HasNodeRef = false }), noStatus, v1alpha1.DrainSkippedReason, "There is no Node to drain",
		},
		"the workload cluster cannot be reached": {
			with(shuttingDown(), func(in *Input) { in.Observation.Cluster.Reachable, in.Observation.Node = false, lifecycle.Node{} }),
			noStatus, v1alpha1.DrainClusterUnreachableReason, "",
		},
	})
}

func deleteAtOnce() []lifecycle.Action {
	return []lifecycle.Action{{Kind: lifecycle.ActionDeleteMachine, SkipDrain: true, SkipVolumeDetach: true}}
}

func TestPaused(t *testing.T) {
	t.Parallel()
	pause := func(object, cluster, killSwitch bool) func(*Input) {
		return func(in *Input) {
			in.Observation.Pause.Object, in.Observation.Pause.Cluster = object, cluster
			in.Observation.Object.KillSwitch = killSwitch
			in.Decision.Rule = lifecycle.RulePaused
			if killSwitch {
				in.Decision.Rule = lifecycle.RuleKillSwitch
			}
		}
	}
	testCondition(t, v1alpha1.PausedCondition, map[string]judged{
		"not paused":           {running(), noStatus, v1alpha1.NotPausedReason, ""},
		"the object is paused": {with(running(), pause(true, false, false)), yesStatus, v1alpha1.PausedReason, ""},
		"the Cluster is paused": {
			with(running(), pause(false, true, false), said(v1alpha1.PausedCondition, noStatus, v1alpha1.NotPausedReason, "")),
			yesStatus, v1alpha1.ClusterPausedReason, "",
		},
		"both are":                             {with(running(), pause(true, true, false)), yesStatus, v1alpha1.PausedReason, ""},
		"the Cluster keeps a killed Machine":   {with(running(), pause(false, true, true)), yesStatus, v1alpha1.KillSwitchBlockedReason, ""},
		"a killed Machine that went before":    {with(atRest(), pause(false, true, true)), yesStatus, v1alpha1.ClusterPausedReason, ""},
		"the kill switch overrules the object": {with(running(), pause(true, false, true)), yesStatus, v1alpha1.PausedReason, "The ScheduledMachine carries the annotation cluster.x-k8s.io/paused, which the kill switch overrules"},
	})
}
