package status

import (
	"encoding/json"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/lifecycle"
	"github.com/finos/five-spot/pkg/schedule"
)

var now = time.Date(2026, 3, 2, 10, 0, 0, 123456789, time.UTC)

// running is a machine that is as scheduled in the middle of its window.
func running() Input {
	return Input{
		Generation: 3,
		Old: v1alpha1.ScheduledMachineStatus{
			MachineRef: reference("Machine", "m-1"),
			NodeRef:    reference("Node", "n-1"),
		},
		Observation: lifecycle.Observation{
			Now:      now,
			Settings: lifecycle.Settings{JoinTimeout: 30 * time.Minute},
			Object:   lifecycle.Object{Enabled: true, Phase: v1alpha1.PhaseActive, HasMachineRef: true, HasNodeRef: true},
			Schedule: schedule.Evaluation{
				Active: true, Provision: true, Cause: v1alpha1.CauseWindow,
				WindowStart: now.Add(-time.Hour), WindowEnd: now.Add(8 * time.Hour),
				NextCleanup: now.Add(8 * time.Hour), NextActivation: now.Add(23 * time.Hour),
				Transitions: []schedule.Transition{
					{Time: now.Add(8 * time.Hour), Cause: v1alpha1.CauseWindow},
					{Time: now.Add(23 * time.Hour), Active: true, Cause: v1alpha1.CauseCalendar},
				},
			},
			Cluster: lifecycle.Cluster{Exists: true, InfrastructureProvisioned: true, ControlPlaneInitialized: true, Reachable: true},
			Machine: lifecycle.Machine{Exists: true, Running: true, HasNodeRef: true, CreatedAt: now.Add(-time.Hour)},
			Node:    lifecycle.Node{Known: true, Exists: true, Ready: true, Name: "worker"},
		},
		Decision: lifecycle.Decision{
			Rule: lifecycle.RuleWindowOpen, Phase: v1alpha1.PhaseActive,
			Reason: v1alpha1.ReadyAsScheduledReason, Message: "A window is open",
		},
		Facts: Facts{
			MachineRef:        reference("Machine", "m-1"),
			BootstrapRef:      reference("K0sWorkerConfig", "b-1"),
			InfrastructureRef: reference("RemoteMachine", "i-1"),
			NodeRef:           reference("Node", "n-1"),
			ProviderID:        "remote-machine://10.0.0.1",
			ResolvedSchedule:  "Mon-Fri 09:00-18:00 UTC",
		},
	}
}

// atRest is a machine that is out of its window and gone.
func atRest() Input {
	in := running()
	in.Old = v1alpha1.ScheduledMachineStatus{Phase: v1alpha1.PhaseInactive}
	in.Facts = Facts{ResolvedSchedule: in.Facts.ResolvedSchedule}
	in.Observation.Object = lifecycle.Object{Enabled: true, Phase: v1alpha1.PhaseInactive}
	in.Observation.Machine = lifecycle.Machine{ConfirmedAbsent: true}
	in.Observation.Node = lifecycle.Node{}
	in.Observation.Schedule = schedule.Evaluation{Cause: v1alpha1.CauseWindow, NextActivation: now.Add(23 * time.Hour)}
	in.Decision = lifecycle.Decision{
		Rule: lifecycle.RuleWindowClosed, Phase: v1alpha1.PhaseInactive,
		Reason: v1alpha1.ReadyInactiveReason, Message: "No window is open",
	}
	return in
}

// shuttingDown is a running machine whose window has closed.
func shuttingDown() Input {
	in := running()
	in.Decision = lifecycle.Decision{
		Rule: lifecycle.RuleWindowClosed, Phase: v1alpha1.PhaseShuttingDown,
		Reason: v1alpha1.ReadyShuttingDownReason, Message: "No window is open; draining",
		Shutdown: &v1alpha1.ShutdownStatus{StartedAt: metav1.NewTime(now.Add(-time.Minute)), Reason: v1alpha1.ShutdownWindowClosed},
		Actions:  []lifecycle.Action{{Kind: lifecycle.ActionDrainNode}},
	}
	in.Old.Shutdown = in.Decision.Shutdown.DeepCopy()
	return in
}

func reference(kind, uid string) *v1alpha1.ObjectReference {
	return &v1alpha1.ObjectReference{APIVersion: "v1", Kind: kind, Name: "worker", UID: uid}
}

// with is in, changed.
func with(in Input, changes ...func(*Input)) Input {
	for _, change := range changes {
		change(&in)
	}
	return in
}

// outcome adds the outcome of an action.
func outcome(kind lifecycle.ActionKind, o lifecycle.Outcome) func(*Input) {
	return func(in *Input) {
		o.Action.Kind = kind
		in.Outcomes = append(in.Outcomes, o)
	}
}

// said gives the present status a condition.
func said(condition string, status metav1.ConditionStatus, reason, message string) func(*Input) {
	return func(in *Input) {
		in.Old.Conditions = append(in.Old.Conditions, metav1.Condition{
			Type: condition, Status: status, Reason: reason, Message: message,
			ObservedGeneration: in.Generation, LastTransitionTime: metav1.NewTime(now.Add(-time.Hour)),
		})
	}
}

// stored is a status as it is read back from the API server.
func stored(t *testing.T, status v1alpha1.ScheduledMachineStatus) v1alpha1.ScheduledMachineStatus {
	t.Helper()
	raw, err := json.Marshal(status)
	if err != nil {
		t.Fatal(err)
	}
	var back v1alpha1.ScheduledMachineStatus
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

// judged is a case of a test of one condition.
type judged struct {
	in      Input
	status  metav1.ConditionStatus
	reason  string
	message string // how the message must begin; empty for anything
}

func testCondition(t *testing.T, condition string, cases map[string]judged) {
	t.Helper()
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			described := Describe(test.in)
			got := meta.FindStatusCondition(described.Conditions, condition)
			if got == nil {
				t.Fatal("the condition is missing")
			}
			if got.Status != test.status || got.Reason != test.reason {
				t.Errorf("%s %s (%s), want %s %s", got.Status, got.Reason, got.Message, test.status, test.reason)
			}
			if len(got.Message) < len(test.message) || got.Message[:len(test.message)] != test.message {
				t.Errorf("message %q, want it to begin with %q", got.Message, test.message)
			}
		})
	}
}
