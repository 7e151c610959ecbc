package status

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/lifecycle"
)

const (
	yesStatus  = metav1.ConditionTrue
	noStatus   = metav1.ConditionFalse
	openStatus = metav1.ConditionUnknown
)

func decided(rule lifecycle.Rule, phase v1alpha1.Phase, reason string) func(*Input) {
	return func(in *Input) {
		in.Decision.Rule, in.Decision.Phase, in.Decision.Reason = rule, phase, reason
	}
}

func refused(in *Input) {
	in.Decision.Phase, in.Decision.Reason = v1alpha1.PhasePending, v1alpha1.ReadyProvisioningReason
	in.Decision.Actions = []lifecycle.Action{{Kind: lifecycle.ActionEnsureMachine}}
	in.Observation.Schedule = running().Observation.Schedule
	outcome(lifecycle.ActionEnsureMachine, lifecycle.Outcome{
		State: lifecycle.OutcomeFailed, RetryAt: now.Add(5 * time.Second),
		Problem: &lifecycle.Problem{Reason: v1alpha1.ProviderRefusedReason, Message: "RemoteMachine \"m\" was refused"},
	})(in)
}

func waiting(in *Input) {
	in.Decision.Phase, in.Decision.Reason = v1alpha1.PhasePending, v1alpha1.MachineCreateBackOffReason
	in.Observation.CreateNotBefore = now.Add(5 * time.Second)
	in.Observation.Schedule = running().Observation.Schedule
}

func TestReady(t *testing.T) {
	t.Parallel()
	testCondition(t, v1alpha1.ReadyCondition, map[string]judged{
		"a machine as scheduled is Ready": {running(), yesStatus, v1alpha1.ReadyAsScheduledReason, "A window is open"},
		"a machine of an earlier spec is Ready until its next activation": {
			with(running(), decided(lifecycle.RuleWindowOpen, v1alpha1.PhaseActive, v1alpha1.ReadySpecChangePendingReason)),
			yesStatus, v1alpha1.ReadySpecChangePendingReason, "",
		},
		"a machine that is wanted absent and is absent is Ready": {atRest(), yesStatus, v1alpha1.ReadyInactiveReason, ""},
		"a disabled machine that is gone is Ready": {
			with(atRest(), decided(lifecycle.RuleDisabled, v1alpha1.PhaseDisabled, v1alpha1.ReadyDisabledReason)),
			yesStatus, v1alpha1.ReadyDisabledReason, "",
		},
		"a killed machine is not Ready even when it is gone": {
			with(atRest(), decided(lifecycle.RuleKillSwitch, v1alpha1.PhaseTerminated, v1alpha1.ReadyTerminatedReason)),
			noStatus, v1alpha1.ReadyTerminatedReason, "",
		},
		"a machine held by the loop protection is not Ready": {
			with(atRest(), decided(lifecycle.RuleWindowOpen, v1alpha1.PhaseInactive, v1alpha1.ScheduledLoopProtectionReason)),
			noStatus, v1alpha1.ScheduledLoopProtectionReason, "",
		},
		"a Node that is not Ready makes its machine not Ready": {
			with(running(), decided(lifecycle.RuleWindowOpen, v1alpha1.PhaseActive, v1alpha1.ReadyNodeNotReadyReason)),
			noStatus, v1alpha1.ReadyNodeNotReadyReason, "",
		},
		"a machine on its way out is not Ready": {shuttingDown(), noStatus, v1alpha1.ReadyShuttingDownReason, ""},
		"an attempt that was refused says when the next is and what was refused": {
			with(atRest(), refused), noStatus, v1alpha1.MachineCreateBackOffReason,
			"The Machine could not be created or kept; the next attempt is at 2026-03-02T10:00:05Z: RemoteMachine \"m\" was refused",
		},
		"the wait after it says the same": {
			with(atRest(), waiting, said(v1alpha1.ReferencesValidCondition, noStatus, v1alpha1.ProviderRefusedReason, "RemoteMachine \"m\" was refused")),
			noStatus, v1alpha1.MachineCreateBackOffReason,
			"The Machine could not be created or kept; the next attempt is at 2026-03-02T10:00:05Z: RemoteMachine \"m\" was refused",
		},
		"an object that was never decided upon before a pause": {
			Input{Observation: lifecycle.Observation{Now: now, Pause: lifecycle.Pause{Object: true}}, Decision: lifecycle.Decision{Rule: lifecycle.RulePaused, Reason: v1alpha1.PausedReason}},
			noStatus, v1alpha1.PausedReason, "",
		},
	})
}

func TestScheduleValid(t *testing.T) {
	t.Parallel()
	testCondition(t, v1alpha1.ScheduleValidCondition, map[string]judged{
		"a valid spec": {running(), yesStatus, v1alpha1.ScheduleValidReason, ""},
		"an override that ends too far ahead": {
			with(running(), func(in *Input) { in.Observation.Schedule.OverrideFrom = now.Add(time.Hour) }),
			yesStatus, v1alpha1.OverrideBoundedReason, "spec.schedule.override ends later than the manager's --max-override allows: it counts from",
		},
		"an invalid spec names the field": {
			with(running(), func(in *Input) {
				in.Observation.Object.Invalid = &lifecycle.Problem{Reason: v1alpha1.ScheduleInvalidReason, Message: "spec.schedule.cron: no"}
			}), noStatus, v1alpha1.ScheduleInvalidReason, "spec.schedule.cron: no",
		},
		"a missing calendar does not make the spec invalid": {
			with(running(), func(in *Input) {
				in.Observation.ScheduleUnknown = &lifecycle.Problem{Reason: v1alpha1.CalendarNotFoundReason, Message: "gone"}
			}), yesStatus, v1alpha1.ScheduleValidReason, "",
		},
	})
}

func TestScheduled(t *testing.T) {
	t.Parallel()
	cause := func(cause v1alpha1.TransitionCause, reason string) func(*Input) {
		return func(in *Input) { in.Observation.Schedule.Cause, in.Observation.Schedule.Reason = cause, reason }
	}
	reclaims := func(in *Input) {
		in.Decision.RecentReclaims = []time.Time{now.Add(-9 * time.Minute), now.Add(-5 * time.Minute), now.Add(-time.Minute)}
	}
	testCondition(t, v1alpha1.ScheduledCondition, map[string]judged{
		"an open window":   {running(), yesStatus, v1alpha1.ScheduledWindowOpenReason, "Active by the windows of the schedule until 2026-03-02T18:00:00Z"},
		"a closed window":  {atRest(), noStatus, v1alpha1.ScheduledWindowClosedReason, "Inactive by the windows of the schedule until 2026-03-03T09:00:00Z"},
		"an own exception": {with(atRest(), cause(v1alpha1.CauseException, "party")), noStatus, v1alpha1.ScheduledExceptionReason, `Inactive by an exception of the schedule ("party")`},
		"a calendar":       {with(running(), cause(v1alpha1.CauseCalendar, "")), yesStatus, v1alpha1.ScheduledCalendarReason, "Active by an exception of the MachineCalendar"},
		"an override":      {with(running(), cause(v1alpha1.CauseOverride, "")), yesStatus, v1alpha1.ScheduledOverrideReason, "Active by spec.schedule.override"},
		"the lead time of a window": {
			with(atRest(), func(in *Input) { in.Observation.Schedule.Provision = true }),
			yesStatus, v1alpha1.ScheduledLeadTimeReason, "A window opens at 2026-03-03T09:00:00Z",
		},
		"disabled wins over an open window": {
			with(running(), func(in *Input) { in.Observation.Object.Enabled = false }), noStatus, v1alpha1.ScheduledDisabledReason, "",
		},
		"the kill switch wins over disabled": {
			with(running(), func(in *Input) { in.Observation.Object.Enabled, in.Observation.Object.KillSwitch = false, true }),
			noStatus, v1alpha1.ScheduledKillSwitchReason, "",
		},
		"three reclaims in ten minutes hold an open window": {
			with(running(), reclaims), noStatus, v1alpha1.ScheduledLoopProtectionReason, "Activation is held until 2026-03-02T10:29:00Z",
		},
		"three reclaims in ten minutes change nothing about a closed one": {with(atRest(), reclaims), noStatus, v1alpha1.ScheduledWindowClosedReason, ""},
		"an invalid spec": {
			with(running(), func(in *Input) { in.Observation.Object.Invalid = &lifecycle.Problem{Message: "bad"} }),
			openStatus, v1alpha1.ScheduledUnknownReason, "",
		},
		"a missing calendar": {
			with(running(), func(in *Input) { in.Observation.ScheduleUnknown = &lifecycle.Problem{Message: "no calendar"} }),
			openStatus, v1alpha1.ScheduledUnknownReason, "no calendar",
		},
	})
}

func TestReferencesValid(t *testing.T) {
	t.Parallel()
	kept := said(v1alpha1.ReferencesValidCondition, noStatus, v1alpha1.ProviderRefusedReason, "refused")
	testCondition(t, v1alpha1.ReferencesValidCondition, map[string]judged{
		"everything is there": {running(), yesStatus, v1alpha1.ReferencesResolvedReason, ""},
		"no Cluster API": {
			with(atRest(), func(in *Input) { in.Observation.Cluster.APIMissing = true }), noStatus, v1alpha1.ClusterAPINotInstalledReason, "",
		},
		"no Cluster, also while nothing is wanted": {
			with(atRest(), func(in *Input) { in.Observation.Cluster.Exists = false }), noStatus, v1alpha1.ClusterNotFoundReason, "",
		},
		"a Cluster that is being deleted": {
			with(running(), func(in *Input) { in.Observation.Cluster.Deleting = true }), noStatus, v1alpha1.ClusterDeletingReason, "",
		},
		"a Cluster without control plane": {
			with(running(), func(in *Input) { in.Observation.Cluster.ControlPlaneInitialized = false }),
			noStatus, v1alpha1.ClusterControlPlaneNotReadyReason, "",
		},
		"a foreign object": {
			with(atRest(), func(in *Input) { in.Observation.Machine.Foreign = "Machine \x1b[31mm" }),
			noStatus, v1alpha1.ForeignObjectReason, `An object stands in the way that 5-Spot did not create for this ScheduledMachine: "Machine \x1b[31mm"`,
		},
		"a missing calendar": {
			with(running(), func(in *Input) {
				in.Observation.ScheduleUnknown = &lifecycle.Problem{Reason: v1alpha1.CalendarNotFoundReason, Message: "gone"}
			}), noStatus, v1alpha1.CalendarNotFoundReason, "gone",
		},
		"a Secret that may not be named": {
			with(atRest(), func(in *Input) {
				in.Observation.References = &lifecycle.Problem{Reason: v1alpha1.SecretNotAllowedReason, Message: "no label"}
			}), noStatus, v1alpha1.SecretNotAllowedReason, "no label",
		},
		"a right that a removal lacks": {
			with(running(), outcome(lifecycle.ActionDeleteLeftovers, lifecycle.Outcome{
				State: lifecycle.OutcomeFailed, Err: errSecret,
				Problem: &lifecycle.Problem{Reason: v1alpha1.ProviderForbiddenReason, Message: "5-Spot lacks a right"},
			})), noStatus, v1alpha1.ProviderForbiddenReason, "5-Spot lacks a right",
		},
		"a refusal at creation":                                      {with(atRest(), refused), noStatus, v1alpha1.ProviderRefusedReason, "RemoteMachine"},
		"a refusal stays while the next attempt waits":               {with(atRest(), waiting, kept), noStatus, v1alpha1.ProviderRefusedReason, "refused"},
		"a refusal goes when nothing is to be created":               {with(atRest(), kept), yesStatus, v1alpha1.ReferencesResolvedReason, ""},
		"a Cluster that came back is not kept missing in a back-off": {with(atRest(), waiting, said(v1alpha1.ReferencesValidCondition, noStatus, v1alpha1.ClusterNotFoundReason, "")), yesStatus, v1alpha1.ReferencesResolvedReason, ""},
		"the error behind a failure is not shown": {
			with(atRest(), outcome(lifecycle.ActionEnsureMachine, lifecycle.Outcome{State: lifecycle.OutcomeFailed, Err: errSecret})),
			yesStatus, v1alpha1.ReferencesResolvedReason, "",
		},
	})
}

func TestMachineReady(t *testing.T) {
	t.Parallel()
	machine := func(change func(*lifecycle.Machine)) func(*Input) {
		return func(in *Input) { change(&in.Observation.Machine) }
	}
	node := func(change func(*lifecycle.Node)) func(*Input) {
		return func(in *Input) { change(&in.Observation.Node) }
	}
	provisioning := machine(func(m *lifecycle.Machine) { m.Running = false })
	testCondition(t, v1alpha1.MachineReadyCondition, map[string]judged{
		"a running Machine with a Ready Node": {running(), yesStatus, v1alpha1.MachineRunningReason, `The Machine is running and Node "worker" is Ready`},
		"no Machine":                          {atRest(), noStatus, v1alpha1.MachineAbsentReason, ""},
		"a Machine that was created a moment ago": {
			with(atRest(), func(in *Input) { in.Facts.MachineRef = reference("Machine", "m-2") }), noStatus, v1alpha1.MachineProvisioningReason, "",
		},
		"a Machine that is not in the cache any more": {
			with(running(), machine(func(m *lifecycle.Machine) { *m = lifecycle.Machine{} }), func(in *Input) { in.Facts.MachineRef = nil }),
			openStatus, v1alpha1.MachineAbsentReason, "",
		},
		"a refused creation":            {with(atRest(), refused), noStatus, v1alpha1.MachineCreateBackOffReason, "The Machine could not be created or kept; the next attempt is at 2026-03-02T10:00:05Z"},
		"a creation that waits":         {with(atRest(), waiting), noStatus, v1alpha1.MachineCreateBackOffReason, "The Machine could not be created or kept; the next attempt is at 2026-03-02T10:00:05Z"},
		"a Machine that is provisioned": {with(running(), provisioning), noStatus, v1alpha1.MachineProvisioningReason, ""},
		"a Machine that never joined": {
			with(running(), provisioning, func(in *Input) { in.Decision.Timeouts = []lifecycle.Timeout{lifecycle.TimeoutJoin} }),
			noStatus, v1alpha1.MachineJoinTimeoutReason, "The Machine has not joined its cluster within 30m0s",
		},
		"a Machine that is being deleted": {with(running(), machine(func(m *lifecycle.Machine) { m.Deleting = true })), noStatus, v1alpha1.MachineDeletingReason, ""},
		"a Machine that failed":           {with(running(), machine(func(m *lifecycle.Machine) { m.Failed = "no\ndisk" })), noStatus, v1alpha1.MachineFailedReason, `The Machine has failed: "no\ndisk"`},
		"a Node that is not Ready":        {with(running(), node(func(n *lifecycle.Node) { n.Ready = false })), noStatus, v1alpha1.MachineNodeNotReadyReason, ""},
		"a Node that is gone":             {with(running(), node(func(n *lifecycle.Node) { n.Exists = false })), noStatus, v1alpha1.MachineNodeMissingReason, ""},
		"a Node that another Machine names too": {
			with(running(), node(func(n *lifecycle.Node) { *n = lifecycle.Node{Name: "desk-7-node", Rival: "desk-8"} })), noStatus, v1alpha1.MachineNodeContestedReason,
			`Machine "desk-8" names Node "desk-7-node" as its own too, so it is not touched for either`,
		},
		"a Node that cannot be asked for": {with(running(), node(func(n *lifecycle.Node) { *n = lifecycle.Node{} })), openStatus, v1alpha1.MachineNodeUnknownReason, ""},
	})
}

func TestWorkloadClusterReachable(t *testing.T) {
	t.Parallel()
	testCondition(t, v1alpha1.WorkloadClusterReachableCondition, map[string]judged{
		"connected": {running(), yesStatus, v1alpha1.WorkloadClusterConnectedReason, ""},
		"not connected": {
			with(running(), func(in *Input) { in.Observation.Cluster.Reachable = false }), noStatus, v1alpha1.WorkloadClusterNotConnectedReason, "",
		},
		"a kubeconfig that may not be read": {
			with(running(), func(in *Input) {
				in.Observation.Cluster.Reachable = false
				in.Observation.Cluster.Unreachable = &lifecycle.Problem{Reason: v1alpha1.WorkloadClusterKubeconfigForbiddenReason, Message: "its kubeconfig cannot be read: 5-Spot lacks a right"}
			}), noStatus, v1alpha1.WorkloadClusterKubeconfigForbiddenReason,
			"There is no connection to the workload cluster, since its kubeconfig cannot be read: 5-Spot lacks a right",
		},
		"not needed, whatever other machines of the Cluster do": {atRest(), openStatus, v1alpha1.WorkloadClusterNotNeededReason, ""},
	})
}
