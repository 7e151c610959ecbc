package integration_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
)

// contest is what several parts of a spec say about the same instant.
type contest struct {
	name   string
	adjust func(*v1alpha1.ScheduledMachine)

	// says is what the condition Scheduled tells, and phase what becomes of it.
	says  string
	phase v1alpha1.Phase
}

func override(state v1alpha1.ScheduleState, hours int) func(*v1alpha1.ScheduledMachine) {
	return func(sm *v1alpha1.ScheduledMachine) {
		sm.Spec.Schedule.Override = &v1alpha1.ScheduleOverride{State: state, Until: metav1.NewTime(at(0, hours, 0))}
	}
}

func exceptions(list ...v1alpha1.ScheduleException) func(*v1alpha1.ScheduledMachine) {
	return func(sm *v1alpha1.ScheduledMachine) { sm.Spec.Schedule.Exceptions = list }
}

func calendarRef(name string) func(*v1alpha1.ScheduledMachine) {
	return func(sm *v1alpha1.ScheduledMachine) {
		sm.Spec.Schedule.CalendarRef = &v1alpha1.CalendarReference{Name: name}
	}
}

func all(adjust ...func(*v1alpha1.ScheduledMachine)) func(*v1alpha1.ScheduledMachine) {
	return func(sm *v1alpha1.ScheduledMachine) {
		for _, a := range adjust {
			a(sm)
		}
	}
}

// contests are played on a Monday at 10:00, when the window is open.
func contests(closing, opening string) []contest {
	active, inactive := onMonday(v1alpha1.ScheduleActive, ""), onMonday(v1alpha1.ScheduleInactive, "")
	disabled := func(sm *v1alpha1.ScheduledMachine) { sm.Spec.Schedule.Enabled = new(false) }
	killed := func(sm *v1alpha1.ScheduledMachine) { sm.Spec.KillSwitch = true }
	evening := func(sm *v1alpha1.ScheduledMachine) { sm.Spec.Schedule.HoursOfDay = []v1alpha1.HourRange{"20"} }
	return []contest{
		{"a-window-where-nothing-else-speaks", all(), "True/WindowOpen", v1alpha1.PhaseActive},
		{"a-calendar-closes-a-window", calendarRef(closing), "False/Calendar", v1alpha1.PhaseInactive},
		{"a-calendar-opens-a-day", all(evening, calendarRef(opening)), "True/Calendar", v1alpha1.PhaseActive},
		{"an-own-exception-closes-a-window", exceptions(inactive), "False/Exception", v1alpha1.PhaseInactive},
		{"an-own-exception-wins-over-the-calendar", all(calendarRef(closing), exceptions(active)), "True/Exception", v1alpha1.PhaseActive},
		{"the-first-own-exception-wins", exceptions(inactive, active), "False/Exception", v1alpha1.PhaseInactive},
		{"an-override-wins-over-exceptions", all(exceptions(inactive), override(v1alpha1.ScheduleActive, 12)), "True/Override", v1alpha1.PhaseActive},
		{"an-override-wins-over-a-window", override(v1alpha1.ScheduleInactive, 12), "False/Override", v1alpha1.PhaseInactive},
		{"an-override-that-has-expired-says-nothing", override(v1alpha1.ScheduleInactive, 9), "True/WindowOpen", v1alpha1.PhaseActive},
		{"disabled-wins-over-an-override", all(disabled, override(v1alpha1.ScheduleActive, 12)), "False/Disabled", v1alpha1.PhaseDisabled},
		{"the-kill-switch-wins-over-an-override", all(killed, override(v1alpha1.ScheduleActive, 12)), "False/KillSwitch", v1alpha1.PhaseTerminated},
	}
}

var _ = Describe("Exceptions and calendars", func() {
	It("have an order of precedence", func(ctx context.Context) {
		startOperator(ctx, at(0, 10, 0))
		namespace := newNamespace(ctx)
		closing := createCalendar(ctx, namespace+"-closing", onMonday(v1alpha1.ScheduleInactive, "holiday"))
		opening := createCalendar(ctx, namespace+"-opening", onMonday(v1alpha1.ScheduleActive, "month end"))

		objects := map[string]*v1alpha1.ScheduledMachine{}
		list := contests(closing.Name, opening.Name)
		for _, c := range list {
			objects[c.name] = apply(ctx, namespace, businessHours, c.adjust, func(sm *v1alpha1.ScheduledMachine) { sm.Name = c.name })
		}
		for _, c := range list {
			sm := objects[c.name]
			Eventually(phase(ctx, sm)).Should(Equal(c.phase), c.name)
			Expect(condition(ctx, sm, v1alpha1.ScheduledCondition)()).To(Equal(c.says), c.name)
			Expect(machineExists(ctx, sm)()).To(Equal(c.phase == v1alpha1.PhaseActive), c.name)
		}
	})

	It("hold the machine as it is while the calendar is missing, and go on when it is there", func(ctx context.Context) {
		operator := startOperator(ctx, at(0, 10, 0))
		namespace := newNamespace(ctx)
		missing := namespace + "-bank-holidays"
		present := apply(ctx, namespace, businessHours)
		machine := joined(ctx, present)
		change(ctx, present, `{"spec":{"schedule":{"calendarRef":{"name":"`+missing+`"}}}}`)
		absent := apply(ctx, namespace, businessHours, calendarRef(missing), func(sm *v1alpha1.ScheduledMachine) { sm.Name = "desk-8" })

		for _, sm := range []*v1alpha1.ScheduledMachine{present, absent} {
			expectCondition(ctx, sm, v1alpha1.ReferencesValidCondition, "False/CalendarNotFound")
			expectCondition(ctx, sm, v1alpha1.ScheduledCondition, "Unknown/Unknown")
			expectCondition(ctx, sm, v1alpha1.ReadyCondition, "False/Waiting")
			Expect(statusOf(ctx, sm).InSchedule).To(BeNil())
			Expect(statusOf(ctx, sm).Message).To(ContainSubstring(missing))
		}
		operator.jumpTo(at(0, 18, 0))
		operator.lookAgain(2)
		Expect(joined(ctx, present).UID).To(Equal(machine.UID))
		expectNoMachine(ctx, absent)
		Eventually(eventReasons(ctx, present)).Should(ContainElement("CalendarNotFound"))

		createCalendar(ctx, missing, v1alpha1.ScheduleException{From: "2037-11-24", To: "2037-11-24", State: v1alpha1.ScheduleInactive})
		for _, sm := range []*v1alpha1.ScheduledMachine{present, absent} {
			expectPhase(ctx, sm, v1alpha1.PhaseInactive)
			expectCondition(ctx, sm, v1alpha1.ReferencesValidCondition, "True/Resolved")
			Expect(statusOf(ctx, sm).NextActivation.Time.UTC()).To(Equal(at(2, 9, 0)), "the holiday is left out")
		}
		expectNoMachine(ctx, present)
	})

	It("are looked at again when the calendar is edited or removed", func(ctx context.Context) {
		operator := startOperator(ctx, at(0, 10, 0))
		namespace := newNamespace(ctx)
		calendar := createCalendar(ctx, namespace+"-holidays")
		sm := apply(ctx, namespace, businessHours, calendarRef(calendar.Name))
		joined(ctx, sm)

		edit := func(exceptions ...v1alpha1.ScheduleException) {
			GinkgoHelper()
			before := calendar.DeepCopy()
			calendar.Spec.Exceptions = exceptions
			Expect(world.Client.Patch(ctx, calendar, client.MergeFrom(before))).To(Succeed())
		}
		edit(onMonday(v1alpha1.ScheduleInactive, "strike"))
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
		expectCondition(ctx, sm, v1alpha1.ScheduledCondition, "False/Calendar")
		Expect(statusOf(ctx, sm).Message).To(ContainSubstring("strike"))

		edit()
		machine := joined(ctx, sm)
		Expect(world.Client.Delete(ctx, calendar)).To(Succeed())
		expectCondition(ctx, sm, v1alpha1.ReferencesValidCondition, "False/CalendarNotFound")
		operator.jumpTo(at(0, 18, 0))
		operator.lookAgain(1)
		Expect(joined(ctx, sm).UID).To(Equal(machine.UID))
	})
})
