package scheduledmachine

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/lifecycle"
)

func statusWith(change func(*v1alpha1.ScheduledMachineStatus)) *v1alpha1.ScheduledMachineStatus {
	s := &v1alpha1.ScheduledMachineStatus{}
	if change != nil {
		change(s)
	}
	return s
}

func withCondition(conditionType string, status metav1.ConditionStatus, reason, message string) func(*v1alpha1.ScheduledMachineStatus) {
	return func(s *v1alpha1.ScheduledMachineStatus) {
		s.Conditions = append(s.Conditions, metav1.Condition{Type: conditionType, Status: status, Reason: reason, Message: message})
	}
}

func shuttingDown(reason v1alpha1.ShutdownReason) func(*v1alpha1.ScheduledMachineStatus) {
	return func(s *v1alpha1.ScheduledMachineStatus) {
		s.Shutdown = &v1alpha1.ShutdownStatus{StartedAt: metav1.NewTime(noon), Reason: reason}
	}
}

func inPhase(phase v1alpha1.Phase) func(*v1alpha1.ScheduledMachineStatus) {
	return func(s *v1alpha1.ScheduledMachineStatus) { s.Phase = phase }
}

func reclaimedAt(offsets ...time.Duration) func(*v1alpha1.ScheduledMachineStatus) {
	return func(s *v1alpha1.ScheduledMachineStatus) {
		for _, offset := range offsets {
			s.RecentReclaims = append(s.RecentReclaims, metav1.NewTime(noon.Add(offset)))
		}
	}
}

func TestAnnouncements(t *testing.T) {
	t.Parallel()
	outcome := func(kind lifecycle.ActionKind) lifecycle.Outcome {
		return lifecycle.Outcome{Action: lifecycle.Action{Kind: kind}, State: lifecycle.OutcomeDone, Changed: true}
	}
	tests := map[string]struct {
		before, after func(*v1alpha1.ScheduledMachineStatus)
		machine       lifecycle.Machine
		decision      lifecycle.Decision
		outcomes      []lifecycle.Outcome
		timeouts      []lifecycle.Timeout
		want          []string
		note          string
	}{
		"nothing changed and nothing is told": {
			before: inPhase(v1alpha1.PhaseActive), after: inPhase(v1alpha1.PhaseActive),
		},
		"a Machine was created": {
			decision: lifecycle.Decision{Message: "the window is open"},
			outcomes: []lifecycle.Outcome{outcome(lifecycle.ActionEnsureMachine)},
			want:     []string{eventMachineCreated}, note: "Created Machine desk-7: the window is open",
		},
		"only a part of the Machine was created": {
			outcomes: []lifecycle.Outcome{{Action: lifecycle.Action{Kind: lifecycle.ActionEnsureMachine}, State: lifecycle.OutcomeFailed, Changed: true}},
		},
		"the Machine was there already": {
			outcomes: []lifecycle.Outcome{{Action: lifecycle.Action{Kind: lifecycle.ActionEnsureMachine}, State: lifecycle.OutcomeDone}},
		},
		"the Machine has joined": {
			before: inPhase(v1alpha1.PhasePending),
			after: func(s *v1alpha1.ScheduledMachineStatus) {
				s.Phase = v1alpha1.PhaseActive
				s.NodeRef = &v1alpha1.ObjectReference{Name: "desk-7.bank"}
			},
			want: []string{eventMachineActive}, note: "The Machine is running and its Node desk-7.bank is Ready",
		},
		"a shutdown began, and why": {
			before: func(s *v1alpha1.ScheduledMachineStatus) {
				s.Window = &v1alpha1.ScheduleWindow{Start: &metav1.Time{Time: noon.Add(-time.Hour)}, End: &metav1.Time{Time: noon}}
			},
			after:    shuttingDown(v1alpha1.ShutdownWindowClosed),
			decision: lifecycle.Decision{Message: "no window is open"},
			want:     []string{eventShutdownStarted},
			note:     "no window is open (the window from 2026-03-02T11:00:00Z to 2026-03-02T12:00:00Z has closed)",
		},
		"a shutdown that goes on is not told again": {
			before: shuttingDown(v1alpha1.ShutdownWindowClosed), after: shuttingDown(v1alpha1.ShutdownDeleted),
		},
		"a shutdown was called off": {
			before: shuttingDown(v1alpha1.ShutdownWindowClosed), machine: lifecycle.Machine{Exists: true},
			want: []string{eventShutdownCancelled},
		},
		"a shutdown ended because the Machine is gone": {
			before: func(s *v1alpha1.ScheduledMachineStatus) {
				shuttingDown(v1alpha1.ShutdownWindowClosed)(s)
				s.MachineRef = &v1alpha1.ObjectReference{Name: "desk-7"}
			},
			want: []string{eventMachineGone}, note: "Machine desk-7 is gone",
		},
		"the kill switch was turned on": {
			before: inPhase(v1alpha1.PhaseActive), after: inPhase(v1alpha1.PhaseTerminated),
			decision: lifecycle.Decision{Rule: lifecycle.RuleKillSwitch},
			want:     []string{eventKillSwitchActivated}, note: `The kill switch is on, set by field manager "kubectl-patch" (reconcile 42): removing the machine without drain`,
		},
		"the kill switch was turned on while the object is being deleted": {
			before: shuttingDown(v1alpha1.ShutdownDeleted), after: shuttingDown(v1alpha1.ShutdownKillSwitch),
			decision: lifecycle.Decision{Rule: lifecycle.RuleDeleting},
			want:     []string{eventKillSwitchActivated},
		},
		"the kill switch stays on": {
			before: inPhase(v1alpha1.PhaseTerminated), after: inPhase(v1alpha1.PhaseTerminated),
			decision: lifecycle.Decision{Rule: lifecycle.RuleKillSwitch},
		},
		"the Node asked to be reclaimed": {
			after: func(s *v1alpha1.ScheduledMachineStatus) {
				reclaimedAt(0)(s)
				shuttingDown(v1alpha1.ShutdownEmergencyReclaim)(s)
			},
			decision: lifecycle.Decision{Message: "process-match: java"},
			want:     []string{eventEmergencyReclaim}, note: "process-match: java",
		},
		"the Node asked three times within ten minutes": {
			before: reclaimedAt(-9*time.Minute, -5*time.Minute),
			after:  reclaimedAt(-9*time.Minute, -5*time.Minute, 0),
			want:   []string{eventEmergencyReclaim, eventRapidReReclaim},
		},
		"the schedule was disabled": {
			outcomes: []lifecycle.Outcome{outcome(lifecycle.ActionDisableSchedule)},
			want:     []string{eventReclaimDisabledSchedule},
		},
		"the Machine was deleted": {
			machine:  lifecycle.Machine{Exists: true},
			outcomes: []lifecycle.Outcome{outcome(lifecycle.ActionDeleteMachine)},
			want:     []string{eventMachineDeleted},
		},
		"a deletion that is under way was hurried, which is not another one": {
			machine:  lifecycle.Machine{Exists: true, Deleting: true},
			outcomes: []lifecycle.Outcome{outcome(lifecycle.ActionDeleteMachine)},
		},
		"a timeout cut Pods off, and which": {
			before: func(s *v1alpha1.ScheduledMachineStatus) {
				s.Drain = &v1alpha1.DrainStatus{PodsTotal: 6, PodsRemaining: 2, BlockedBy: []string{"Pod shop/web-1: PodDisruptionBudget web"}}
			},
			timeouts: []lifecycle.Timeout{lifecycle.TimeoutDrain},
			want:     []string{eventShutdownTimedOut},
			note:     "nodeDrainTimeout has passed: removing the machine without further waiting; 2 of 6 Pods remain, still there: Pod shop/web-1: PodDisruptionBudget web",
		},
		"a timeout cut Pods off that were terminating, which nothing blocks": {
			before: func(s *v1alpha1.ScheduledMachineStatus) {
				s.Drain = &v1alpha1.DrainStatus{PodsTotal: 6, PodsRemaining: 3}
			},
			timeouts: []lifecycle.Timeout{lifecycle.TimeoutShutdown},
			want:     []string{eventShutdownTimedOut},
			note:     "gracefulShutdownTimeout has passed: removing the machine without further waiting; 3 of 6 Pods remain",
		},
		"the finalizer and the join timeouts passed": {
			timeouts: []lifecycle.Timeout{lifecycle.TimeoutFinalizer, lifecycle.TimeoutJoin},
			want:     []string{eventFinalizerCleanupTimedOut, eventJoinTimedOut},
		},
		"the spec is not valid, and why": {
			after: withCondition(v1alpha1.ScheduleValidCondition, metav1.ConditionFalse, v1alpha1.ScheduleInvalidReason, "spec.schedule.cron: bad"),
			want:  []string{eventSpecInvalid}, note: "spec.schedule.cron: bad",
		},
		"the spec is valid from the start, which is no news": {
			after: withCondition(v1alpha1.ScheduleValidCondition, metav1.ConditionTrue, v1alpha1.ScheduleValidReason, ""),
		},
		"the spec is valid again": {
			before: withCondition(v1alpha1.ScheduleValidCondition, metav1.ConditionFalse, v1alpha1.ScheduleInvalidReason, "x"),
			after:  withCondition(v1alpha1.ScheduleValidCondition, metav1.ConditionTrue, v1alpha1.ScheduleValidReason, ""),
			want:   []string{eventSpecValid},
		},
		"the Cluster is not there": {
			before: withCondition(v1alpha1.ReferencesValidCondition, metav1.ConditionTrue, v1alpha1.ReferencesResolvedReason, ""),
			after:  withCondition(v1alpha1.ReferencesValidCondition, metav1.ConditionFalse, v1alpha1.ClusterNotFoundReason, "no Cluster"),
			want:   []string{v1alpha1.ClusterNotFoundReason}, note: "no Cluster",
		},
		"a pause began": {
			after: withCondition(v1alpha1.PausedCondition, metav1.ConditionTrue, v1alpha1.PausedReason, "paused"),
			want:  []string{eventPaused},
		},
		"a pause ended": {
			before: withCondition(v1alpha1.PausedCondition, metav1.ConditionTrue, v1alpha1.PausedReason, "paused"),
			after:  withCondition(v1alpha1.PausedCondition, metav1.ConditionFalse, v1alpha1.NotPausedReason, ""),
			want:   []string{eventResumed},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			sm := &v1alpha1.ScheduledMachine{}
			sm.Name = "desk-7"
			sm.ManagedFields = []metav1.ManagedFieldsEntry{
				managedField("gitops", noon, "", `{"f:spec":{"f:killSwitch":{}}}`),
				managedField("kubectl-patch", noon.Add(time.Minute), "", `{"f:spec":{"f:killSwitch":{}}}`),
				managedField("kubectl-edit", noon.Add(time.Hour), "", `{"f:spec":{"f:priority":{}}}`),
			}
			all := announcements(change{
				before: statusWith(test.before), after: statusWith(test.after), object: sm, machine: test.machine,
				decision: test.decision, outcomes: test.outcomes, timeouts: test.timeouts, reconcileID: "42",
			})
			var reasons []string
			for _, a := range all {
				reasons = append(reasons, a.reason)
			}
			g.Expect(reasons).To(Equal(test.want))
			if test.note != "" {
				g.Expect(all[0].note).To(Equal(test.note))
			}
		})
	}
}

func managedField(manager string, at time.Time, subresource, fields string) metav1.ManagedFieldsEntry {
	return metav1.ManagedFieldsEntry{
		Manager: manager, Time: &metav1.Time{Time: at}, Subresource: subresource, FieldsV1: metav1.NewFieldsV1(fields),
	}
}

func TestATimeoutIsAnnouncedOnce(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	a := newAnnounced()
	drain := []lifecycle.Timeout{lifecycle.TimeoutDrain}
	both := []lifecycle.Timeout{lifecycle.TimeoutDrain, lifecycle.TimeoutShutdown}
	g.Expect(a.News("a", drain)).To(Equal(drain))
	g.Expect(a.News("a", drain)).To(BeEmpty())
	g.Expect(a.News("a", both)).To(Equal([]lifecycle.Timeout{lifecycle.TimeoutShutdown}))
	g.Expect(a.News("b", drain)).To(Equal(drain), "another object's timeout is its own")
	g.Expect(a.News("a", nil)).To(BeEmpty())
	g.Expect(a.News("a", drain)).To(Equal(drain), "the next shutdown is another one")
}
