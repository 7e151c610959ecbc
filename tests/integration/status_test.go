package integration_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/finos/five-spot/api/v1alpha1"
)

// expectWholeStatus is what holds for every status: all conditions, each of them of
// the present generation.
func expectWholeStatus(ctx context.Context, sm *v1alpha1.ScheduledMachine) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		now, err := read(ctx, sm)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(now.Status.ObservedGeneration).To(Equal(now.Generation))
		var present []string
		for _, c := range now.Status.Conditions {
			present = append(present, c.Type)
			g.Expect(c.ObservedGeneration).To(Equal(now.Generation), c.Type)
			g.Expect(c.Reason).NotTo(BeEmpty(), c.Type)
			g.Expect(c.Message).NotTo(BeEmpty(), c.Type)
			g.Expect(c.LastTransitionTime.IsZero()).To(BeFalse(), c.Type)
		}
		g.Expect(present).To(ConsistOf(v1alpha1.ConditionTypes()))
		ready := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ReadyCondition)
		g.Expect(ready).NotTo(BeNil())
		g.Expect(now.Status.Message).To(Equal(ready.Message))
	}).Should(Succeed())
}

// said is what a condition said of each state.
func said(conditionType string) func(*v1alpha1.ScheduledMachine) string {
	return func(sm *v1alpha1.ScheduledMachine) string {
		found := meta.FindStatusCondition(sm.Status.Conditions, conditionType)
		if found == nil {
			return ""
		}
		return fmt.Sprintf("%s/%s", found.Status, found.Reason)
	}
}

var _ = Describe("The status", func() {
	It("is whole in every phase", func(ctx context.Context) {
		operator := startOperator(ctx, monday)
		sm := apply(ctx, newNamespace(ctx), businessHours)
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
		expectWholeStatus(ctx, sm)
		operator.jumpTo(at(0, 9, 0))
		joined(ctx, sm)
		expectWholeStatus(ctx, sm)
		change(ctx, sm, `{"spec":{"nodeDrainTimeout":"4m"}}`)
		expectWholeStatus(ctx, sm)
		change(ctx, sm, `{"spec":{"schedule":{"enabled":false}}}`)
		expectPhase(ctx, sm, v1alpha1.PhaseDisabled)
		expectWholeStatus(ctx, sm)
		change(ctx, sm, `{"spec":{"killSwitch":true}}`)
		expectPhase(ctx, sm, v1alpha1.PhaseTerminated)
		expectWholeStatus(ctx, sm)
	})

	It("foresees five transitions and tells which rule causes each", func(ctx context.Context) {
		startOperator(ctx, monday)
		namespace := newNamespace(ctx)
		calendar := createCalendar(ctx, namespace+"-calendar",
			v1alpha1.ScheduleException{From: "2037-11-25", To: "2037-11-25", State: v1alpha1.ScheduleActive})
		sm := apply(ctx, namespace, businessHours, all(calendarRef(calendar.Name), override(v1alpha1.ScheduleInactive, 10), exceptions(
			v1alpha1.ScheduleException{From: "2037-11-24", To: "2037-11-24", State: v1alpha1.ScheduleInactive})))
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)

		now := statusOf(ctx, sm)
		var foreseen []string
		for _, t := range now.NextTransitions {
			foreseen = append(foreseen, fmt.Sprintf("%s %s %s", t.Time.UTC().Format("Mon 15:04"), t.State, t.Cause))
		}
		Expect(foreseen).To(Equal([]string{
			"Mon 10:00 Active Window",
			"Mon 18:00 Inactive Window",
			"Wed 00:00 Active Calendar",
			"Thu 00:00 Inactive Window",
			"Thu 09:00 Active Window",
		}))
		Expect(now.NextActivation.Time.UTC()).To(Equal(at(0, 10, 0)))
		Expect(now.NextCleanup.Time.UTC()).To(Equal(at(0, 18, 0)))
		Expect(now.Window.Start.Time.UTC()).To(Equal(at(0, 10, 0)))
		Expect(now.Window.End.Time.UTC()).To(Equal(at(0, 18, 0)))
		Expect(now.ResolvedSchedule).To(ContainSubstring("Mon-Fri 09:00-18:00 UTC"))
	})

	It("goes through each state once and never back and forth", func(ctx context.Context) {
		operator := startOperator(ctx, monday)
		namespace := newNamespace(ctx)
		seen := record(ctx, namespace)
		sm := apply(ctx, namespace, businessHours)
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
		operator.jumpTo(at(0, 9, 0))
		joined(ctx, sm)
		operator.settle()
		operator.jumpTo(at(0, 18, 0))
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
		operator.settle()

		phases := func() []string {
			return seen.sequence(func(sm *v1alpha1.ScheduledMachine) string { return string(sm.Status.Phase) })
		}
		Eventually(phases).Should(Equal([]string{"Inactive", "Pending", "Active", "ShuttingDown", "Inactive"}))
		for conditionType, want := range map[string][]string{
			v1alpha1.ReadyCondition:             {"True/Inactive", "False/Provisioning", "True/AsScheduled", "False/ShuttingDown", "True/Inactive"},
			v1alpha1.ScheduleValidCondition:     {"True/Valid"},
			v1alpha1.ScheduledCondition:         {"False/WindowClosed", "True/WindowOpen", "False/WindowClosed"},
			v1alpha1.ReferencesValidCondition:   {"True/Resolved"},
			v1alpha1.MachineReadyCondition:      {"False/NoMachine", "False/Provisioning", "True/Running", "False/Deleting", "False/NoMachine"},
			v1alpha1.NodeTaintedCondition:       {"True/NoTaints"},
			v1alpha1.DrainedCondition:           {"False/NotShuttingDown", "False/Draining", "True/Completed", "False/NotShuttingDown"},
			v1alpha1.ReclaimAgentReadyCondition: {"False/NoCommands"},
			v1alpha1.PausedCondition:            {"False/NotPaused"},
		} {
			Expect(seen.sequence(said(conditionType))).To(Equal(want), conditionType)
		}
		reachable := seen.sequence(said(v1alpha1.WorkloadClusterReachableCondition))
		// The first look after the creation may come before the connection.
		reachable = slices.DeleteFunc(reachable, func(s string) bool { return s == "False/NotConnected" })
		Expect(reachable).To(Equal([]string{"Unknown/NotNeeded", "True/Connected", "Unknown/NotNeeded"}))
		Expect(seen.sequence(func(sm *v1alpha1.ScheduledMachine) string {
			return string(sm.Status.Phase) + fmt.Sprint(sm.Status.MachineRef != nil)
		})).NotTo(ContainElement("Activefalse"))
	})

	It("keeps the time of a condition's last transition while only its message changes", func(ctx context.Context) {
		operator := startOperator(ctx, monday)
		sm := apply(ctx, newNamespace(ctx), businessHours)
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
		valid := func() metav1.Time {
			return meta.FindStatusCondition(statusOf(ctx, sm).Conditions, v1alpha1.ScheduledCondition).LastTransitionTime
		}
		before := valid()
		operator.passTo(at(0, 8, 30))
		change(ctx, sm, `{"spec":{"schedule":{"hoursOfDay":["10-17"]}}}`)
		Eventually(func() time.Time { return statusOf(ctx, sm).NextActivation.UTC() }).Should(Equal(at(0, 10, 0)))
		Expect(valid()).To(Equal(before))
	})
})
