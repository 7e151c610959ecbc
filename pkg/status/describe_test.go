package status

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/lifecycle"
)

func whole(instant time.Time) *metav1.Time { return new(metav1.NewTime(instant.Truncate(time.Second))) }

func TestARunningMachineIsDescribedInFull(t *testing.T) {
	t.Parallel()
	got := Describe(running())
	got.Conditions = nil
	want := v1alpha1.ScheduledMachineStatus{
		Phase:              v1alpha1.PhaseActive,
		Message:            "A window is open",
		ObservedGeneration: 3,
		InSchedule:         new(true),
		Window:             &v1alpha1.ScheduleWindow{Start: whole(now.Add(-time.Hour)), End: whole(now.Add(8 * time.Hour))},
		NextActivation:     whole(now.Add(23 * time.Hour)),
		NextCleanup:        whole(now.Add(8 * time.Hour)),
		NextTransitions: []v1alpha1.ScheduleTransition{
			{Time: *whole(now.Add(8 * time.Hour)), State: v1alpha1.ScheduleInactive, Cause: v1alpha1.CauseWindow},
			{Time: *whole(now.Add(23 * time.Hour)), State: v1alpha1.ScheduleActive, Cause: v1alpha1.CauseCalendar},
		},
		ResolvedSchedule:  "Mon-Fri 09:00-18:00 UTC",
		MachineRef:        reference("Machine", "m-1"),
		BootstrapRef:      reference("K0sWorkerConfig", "b-1"),
		InfrastructureRef: reference("RemoteMachine", "i-1"),
		NodeRef:           reference("Node", "n-1"),
		ProviderID:        "remote-machine://10.0.0.1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

func TestWhatIsGoneIsCleared(t *testing.T) {
	t.Parallel()
	in := atRest()
	in.Old = Describe(shuttingDown())
	in.Old.AppliedNodeTaints = []v1alpha1.NodeTaint{{Key: "a"}}
	in.Old.Drain = &v1alpha1.DrainStatus{PodsTotal: 3}
	got := Describe(in)
	if got.MachineRef != nil || got.BootstrapRef != nil || got.InfrastructureRef != nil || got.NodeRef != nil ||
		got.ProviderID != "" || got.AppliedNodeTaints != nil || got.Shutdown != nil || got.Drain != nil {
		t.Errorf("left over: %+v", got)
	}
}

func TestWhatCannotBeAskedForIsKept(t *testing.T) {
	t.Parallel()
	in := running()
	in.Old = Describe(in)
	in.Old.AppliedNodeTaints = []v1alpha1.NodeTaint{{Key: "a"}}
	in.Observation.Node, in.Facts.NodeRef = lifecycle.Node{}, nil
	if got := Describe(in); got.NodeRef == nil || len(got.AppliedNodeTaints) != 1 {
		t.Errorf("an unreachable cluster: nodeRef %v, appliedNodeTaints %v", got.NodeRef, got.AppliedNodeTaints)
	}
	in.Observation.Machine, in.Facts = lifecycle.Machine{}, Facts{}
	got := Describe(in)
	if got.MachineRef == nil || got.NodeRef == nil || got.InfrastructureRef == nil || got.ProviderID == "" {
		t.Errorf("a Machine that is not in the cache, but not confirmed absent: %+v", got)
	}
	in.Observation.Machine.ConfirmedAbsent = true
	if got := Describe(in); got.MachineRef != nil || got.NodeRef != nil {
		t.Errorf("a Machine that is confirmed absent: %+v", got)
	}
}

// The rules take a reclaim request on a Node that the status names as fresh.
func TestANodeIsNamedOnlyAfterItsOldMarksWereCleared(t *testing.T) {
	t.Parallel()
	appeared := func(in *Input) { in.Old.NodeRef = nil }
	for name, test := range map[string]struct {
		in   Input
		want bool
	}{
		"not while nobody looked":         {with(running(), appeared), false},
		"not when the clearing failed":    {with(running(), appeared, outcome(lifecycle.ActionResetNode, lifecycle.Outcome{State: lifecycle.OutcomeFailed})), false},
		"once they are cleared":           {with(running(), appeared, outcome(lifecycle.ActionResetNode, lifecycle.Outcome{State: lifecycle.OutcomeDone})), true},
		"from then on":                    {running(), true},
		"not the Node of another Machine": {with(running(), func(in *Input) { in.Facts.MachineRef = reference("Machine", "m-2") }), false},
		"not any more when it is gone":    {with(running(), func(in *Input) { in.Observation.Node.Exists, in.Facts.NodeRef = false, nil }), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Describe(test.in).NodeRef; (got != nil) != test.want {
				t.Errorf("nodeRef = %v, want one: %v", got, test.want)
			}
		})
	}
}

func TestLastScheduledTime(t *testing.T) {
	t.Parallel()
	created := func(in *Input) { in.Facts.MachineRef = reference("Machine", "m-2") }
	before := func(in *Input) { in.Old.LastScheduledTime = whole(now.Add(-24 * time.Hour)) }
	for name, test := range map[string]struct {
		in   Input
		want *metav1.Time
	}{
		"never created": {atRest(), nil},
		"created now": {
			with(atRest(), created, before, outcome(lifecycle.ActionEnsureMachine, lifecycle.Outcome{State: lifecycle.OutcomeDone, Changed: true})), whole(now),
		},
		"only its parts were created now": {
			with(atRest(), before, outcome(lifecycle.ActionEnsureMachine, lifecycle.Outcome{State: lifecycle.OutcomePending, Changed: true})), whole(now.Add(-24 * time.Hour)),
		},
		"created before a crash that the status did not survive": {
			with(running(), before, func(in *Input) { in.Old.MachineRef = nil }), whole(now.Add(-time.Hour)),
		},
		"it stays while the Machine stays": {with(running(), before), whole(now.Add(-24 * time.Hour))},
		"it stays when the Machine goes":   {with(atRest(), before), whole(now.Add(-24 * time.Hour))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, Describe(test.in).LastScheduledTime); diff != "" {
				t.Errorf("lastScheduledTime (-want +got):\n%s", diff)
			}
		})
	}
}

func TestScheduleFields(t *testing.T) {
	t.Parallel()
	blank := func(s v1alpha1.ScheduledMachineStatus) bool {
		return s.Window == nil && s.NextActivation == nil && s.NextCleanup == nil && s.NextTransitions == nil
	}
	for name, test := range map[string]struct {
		in         Input
		inSchedule *bool
		blank      bool
	}{
		"inside a window":                           {running(), new(true), false},
		"lead time is not yet inside":               {with(running(), func(in *Input) { in.Observation.Schedule.Active = false }), new(false), false},
		"a disabled schedule foresees nothing":      {with(running(), func(in *Input) { in.Observation.Object.Enabled = false }), new(false), true},
		"the kill switch does not change it":        {with(running(), func(in *Input) { in.Observation.Object.KillSwitch = true }), new(true), false},
		"an invalid spec says nothing":              {with(running(), func(in *Input) { in.Observation.Object.Invalid = &lifecycle.Problem{} }), nil, true},
		"a missing calendar says nothing":           {with(running(), func(in *Input) { in.Observation.ScheduleUnknown = &lifecycle.Problem{} }), nil, true},
		"a pause does not keep it from being shown": {with(running(), func(in *Input) { in.Decision.Rule = lifecycle.RulePaused }), new(true), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.in.Old.InSchedule, test.in.Old.NextCleanup = new(true), whole(now)
			got := Describe(test.in)
			if diff := cmp.Diff(test.inSchedule, got.InSchedule); diff != "" || blank(got) != test.blank {
				t.Errorf("inSchedule (-want +got):\n%s\nstatus %+v, want blank: %v", diff, got, test.blank)
			}
		})
	}
}

func TestAPauseFreezesEverythingButThePauseAndTheSchedule(t *testing.T) {
	t.Parallel()
	in := shuttingDown()
	old := Describe(in)
	in.Old, in.Generation = stored(t, old), 4
	in.Observation.Pause.Cluster = true
	in.Observation.Now = now.Add(time.Hour)
	in.Observation.Machine, in.Observation.Node = lifecycle.Machine{ConfirmedAbsent: true}, lifecycle.Node{}
	in.Observation.Schedule.Active, in.Observation.Schedule.Cause = false, v1alpha1.CauseOverride
	in.Facts = Facts{ResolvedSchedule: "new"}
	in.Decision = lifecycle.Decision{Rule: lifecycle.RulePaused, Reason: v1alpha1.ClusterPausedReason, Message: "Paused"}
	got := Describe(in)

	changed := map[string]bool{v1alpha1.PausedCondition: true, v1alpha1.ScheduledCondition: true, v1alpha1.ScheduleValidCondition: true}
	for i := range got.Conditions {
		before := meta.FindStatusCondition(old.Conditions, got.Conditions[i].Type)
		if diff := cmp.Diff(*before, got.Conditions[i]); (diff != "") != changed[got.Conditions[i].Type] {
			t.Errorf("%s (-before +paused):\n%s", before.Type, diff)
		}
	}
	want := old
	want.Conditions, want.InSchedule, want.ResolvedSchedule = got.Conditions, new(false), "new"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status (-before +paused):\n%s", diff)
	}
}

func TestTransitionTimesChangeOnlyWithTheStatus(t *testing.T) {
	t.Parallel()
	in := running()
	in.Old = Describe(in)
	in.Observation.Now = now.Add(time.Hour)
	in.Decision.Reason, in.Decision.Message = v1alpha1.ReadySpecChangePendingReason, "edited"
	got := Describe(in)
	for i := range got.Conditions {
		if !got.Conditions[i].LastTransitionTime.Equal(whole(now)) {
			t.Errorf("%s changed at %s although its status did not", got.Conditions[i].Type, got.Conditions[i].LastTransitionTime)
		}
	}
	in.Old, in.Observation.Node.Ready = got, false
	got = Describe(in)
	if at := meta.FindStatusCondition(got.Conditions, v1alpha1.MachineReadyCondition).LastTransitionTime; !at.Equal(whole(in.Observation.Now)) {
		t.Errorf("MachineReady changed at %s, want %s", at, in.Observation.Now)
	}
}

func TestClocksAndProgressOfAShutdown(t *testing.T) {
	t.Parallel()
	in := shuttingDown()
	in.Decision.Shutdown.DrainStartedAt = new(metav1.NewTime(now))
	in.Decision.RecentReclaims = make([]time.Time, 0, 12)
	for i := range 12 {
		in.Decision.RecentReclaims = append(in.Decision.RecentReclaims, now.Add(time.Duration(i)*time.Hour))
	}
	var pods []string
	for i := range 12 {
		pods = append(pods, string(rune('l'-i))+"/"+strings.Repeat("ä\n", 300))
	}
	outcome(lifecycle.ActionDrainNode, lifecycle.Outcome{
		State: lifecycle.OutcomePending, Drain: &v1alpha1.DrainStatus{PodsTotal: 14, PodsRemaining: 12, BlockedBy: pods},
	})(&in)
	got := Describe(in)
	if !got.Shutdown.StartedAt.Equal(whole(now.Add(-time.Minute))) || !got.Shutdown.DrainStartedAt.Equal(whole(now)) || got.Shutdown.Drained {
		t.Errorf("shutdown = %+v", got.Shutdown)
	}
	if len(got.Drain.BlockedBy) != 10 || !strings.HasPrefix(got.Drain.BlockedBy[0], `a/ä\nä`) || utf8.RuneCountInString(got.Drain.BlockedBy[0]) != 512 {
		t.Errorf("blockedBy = %d of %q…", len(got.Drain.BlockedBy), got.Drain.BlockedBy[0])
	}
	if len(got.RecentReclaims) != 10 || !got.RecentReclaims[0].Equal(whole(now.Add(2*time.Hour))) {
		t.Errorf("recentReclaims = %v", got.RecentReclaims)
	}
	in.Old, in.Outcomes[0] = got, lifecycle.Outcome{Action: in.Outcomes[0].Action, State: lifecycle.OutcomeDone, Drained: true}
	if got := Describe(in); !got.Shutdown.Drained || got.Drain == nil {
		t.Errorf("after the last step: shutdown %+v, drain %+v", got.Shutdown, got.Drain)
	}
	if in.Decision.Shutdown.Drained {
		t.Error("the decision itself was changed")
	}
}

func TestMessagesAreBoundedAndCannotForgeATerminal(t *testing.T) {
	t.Parallel()
	in := running()
	in.Decision.Message = "a\x1b[2Jb\u202ec\r\nd\xff" + strings.Repeat("é", 2000)
	got := Describe(in).Message
	if !strings.HasPrefix(got, `a\x1b[2Jb\u202ec\r\nd`+"\ufffdé") || utf8.RuneCountInString(got) != 1024 || !strings.HasSuffix(got, "é…") {
		t.Errorf("message = %q with %d characters", got[:40], utf8.RuneCountInString(got))
	}
}
