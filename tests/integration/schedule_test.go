package integration_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/controllers"
	"github.com/finos/five-spot/tests/testenv"
)

var _ = Describe("The schedule", func() {
	It("brings a machine into its cluster when the window opens and takes it out when it closes", func(ctx context.Context) {
		operator := startOperator(ctx, monday)
		namespace := newNamespace(ctx)
		sm := apply(ctx, namespace, businessHours)

		By("waiting for the window")
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseInactive))
		Expect(machineOf(ctx, sm)).To(BeNil())
		now, err := read(ctx, sm)
		Expect(err).NotTo(HaveOccurred())
		Expect(now.Status.NextActivation.Time.UTC()).To(Equal(monday.Add(time.Hour)))
		Expect(now.Status.ResolvedSchedule).To(Equal("Mon-Fri 09:00-18:00 UTC"))
		Expect(*now.Status.InSchedule).To(BeFalse())

		By("acting on the boundary")
		operator.jumpTo(monday.Add(time.Hour))
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseActive))
		now, err = read(ctx, sm)
		Expect(err).NotTo(HaveOccurred())
		Expect(now.Status.NodeRef.Name).To(Equal(nodeName(sm)))
		Expect(now.Status.MachineRef.Name).To(Equal("desk-7"))
		Expect(now.Status.BootstrapRef.Kind).To(Equal("K0sWorkerConfig"))
		Expect(now.Status.InfrastructureRef.Kind).To(Equal("RemoteMachine"))
		Expect(now.Status.ProviderID).NotTo(BeEmpty())
		Expect(now.Status.ObservedGeneration).To(Equal(now.Generation))
		Expect(now.Status.LastScheduledTime).NotTo(BeNil())
		Expect(*now.Status.InSchedule).To(BeTrue())
		Expect(now.Status.NextCleanup.Time.UTC()).To(Equal(monday.Add(10 * time.Hour)))
		Expect(condition(ctx, sm, v1alpha1.ReadyCondition)()).To(Equal("True/AsScheduled"))

		By("leaving at the end")
		operator.jumpTo(monday.Add(10 * time.Hour))
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseInactive))
		Expect(machineOf(ctx, sm)).To(BeNil())
		Expect(provided(ctx, sm, testenv.RemoteMachineKind)).To(BeNil())
		Expect(provided(ctx, sm, testenv.K0sWorkerConfigKind)).To(BeNil())
		node := &corev1.Node{}
		Eventually(func() bool {
			return apierrors.IsNotFound(world.WorkloadClient.Get(ctx, client.ObjectKey{Name: nodeName(sm)}, node))
		}).Should(BeTrue())
		now, err = read(ctx, sm)
		Expect(err).NotTo(HaveOccurred())
		Expect(now.Status.MachineRef).To(BeNil())
		Expect(now.Status.NodeRef).To(BeNil())
		Expect(now.Status.Shutdown).To(BeNil())
		Eventually(eventReasons(ctx, sm)).Should(ContainElements("MachineCreated", "MachineActive", "ShutdownStarted", "MachineDeleted", "MachineGone"))
	})

	It("brings the machine before the window opens by the lead time, and says so", func(ctx context.Context) {
		operator := startOperator(ctx, monday)
		sm := apply(ctx, newNamespace(ctx), businessHours, func(sm *v1alpha1.ScheduledMachine) { sm.Spec.Schedule.LeadTime = "30m" })
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
		operator.passTo(at(0, 8, 29))
		expectNoMachine(ctx, sm)

		operator.jumpTo(at(0, 8, 30))
		machine := joined(ctx, sm)
		expectCondition(ctx, sm, v1alpha1.ScheduledCondition, "True/LeadTime")
		Expect(*statusOf(ctx, sm).InSchedule).To(BeFalse())
		Expect(statusOf(ctx, sm).NextActivation.Time.UTC()).To(Equal(at(0, 9, 0)))

		operator.jumpTo(at(0, 9, 0))
		expectCondition(ctx, sm, v1alpha1.ScheduledCondition, "True/WindowOpen")
		Expect(*statusOf(ctx, sm).InSchedule).To(BeTrue())
		Expect(joined(ctx, sm).UID).To(Equal(machine.UID))

		operator.jumpTo(at(0, 18, 0))
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
	})

	It("shuts the machine down when it is disabled, holds it there and lets it return", func(ctx context.Context) {
		operator := startOperator(ctx, at(0, 10, 0))
		sm := apply(ctx, newNamespace(ctx), businessHours)
		joined(ctx, sm)
		world.Provider.Behave(sm.Namespace, sm.Name, testenv.Behaviour{HoldRemoval: true})

		change(ctx, sm, `{"spec":{"schedule":{"enabled":false}}}`)
		expectPhase(ctx, sm, v1alpha1.PhaseShuttingDown)
		expectCondition(ctx, sm, v1alpha1.ScheduledCondition, "False/Disabled")
		Expect(statusOf(ctx, sm).Shutdown.Reason).To(Equal(v1alpha1.ShutdownDisabled))
		Expect(machineOf(ctx, sm)).NotTo(BeNil())

		world.Provider.Behave(sm.Namespace, sm.Name, testenv.Behaviour{})
		expectPhase(ctx, sm, v1alpha1.PhaseDisabled)
		expectCondition(ctx, sm, v1alpha1.ReadyCondition, "True/Disabled")
		operator.passTo(at(1, 9, 30))
		expectNoMachine(ctx, sm)
		Expect(statusOf(ctx, sm).NextActivation).To(BeNil(), "nothing is foreseen while it is disabled")

		change(ctx, sm, `{"spec":{"schedule":{"enabled":true}}}`)
		joined(ctx, sm)
	})

	It("keeps a weekend of minutes together, as manifests of the original write it", func(ctx context.Context) {
		operator := startOperator(ctx, at(4, 23, 0))
		sm := apply(ctx, newNamespace(ctx), weekend)
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
		expectNoMachine(ctx, sm)
		Expect(statusOf(ctx, sm).Window.Start.Time.UTC()).To(Equal(at(5, 0, 0)))
		Expect(statusOf(ctx, sm).Window.End.Time.UTC()).To(Equal(at(7, 0, 0)))

		operator.jumpTo(at(5, 0, 0))
		machine := joined(ctx, sm)
		Expect(statusOf(ctx, sm).NextCleanup.Time.UTC()).To(Equal(at(7, 0, 0)))
		operator.passTo(at(6, 0, 0))
		operator.passTo(at(6, 23, 59))
		Expect(joined(ctx, sm).UID).To(Equal(machine.UID))

		operator.jumpTo(at(7, 0, 0))
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
		expectNoMachine(ctx, sm)
		Expect(statusOf(ctx, sm).NextActivation.Time.UTC()).To(Equal(at(12, 0, 0)))
	})

	It("opens windows to the minute, over days and in their own zone", func(ctx context.Context) {
		// In New York, which is five hours behind, Friday 20:30 is Saturday 01:30.
		operator := startOperator(ctx, at(5, 1, 0))
		sm := apply(ctx, newNamespace(ctx), businessHours, func(sm *v1alpha1.ScheduledMachine) {
			sm.Spec.Schedule = v1alpha1.Schedule{
				Windows:  []v1alpha1.Window{{Days: []v1alpha1.DayRange{"fri"}, Start: "20:30", End: "07:45", EndDay: ptr.To(v1alpha1.Weekday("mon"))}},
				Timezone: "America/New_York",
			}
		})
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
		Expect(statusOf(ctx, sm).ResolvedSchedule).To(Equal("Fri 20:30-Mon 07:45 America/New_York"))
		operator.jumpTo(at(5, 1, 30))
		joined(ctx, sm)
		Expect(statusOf(ctx, sm).NextCleanup.Time.UTC()).To(Equal(at(7, 12, 45)))
		operator.jumpTo(at(7, 12, 45))
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
		expectNoMachine(ctx, sm)
	})

	It("is overridden for a while, and goes on by itself", func(ctx context.Context) {
		operator := startOperator(ctx, monday)
		sm := apply(ctx, newNamespace(ctx), businessHours)
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)

		By("being there outside of its windows")
		change(ctx, sm, `{"spec":{"schedule":{"override":{"state":"Active","until":"2037-11-23T08:30:00Z","reason":"month end"}}}}`)
		joined(ctx, sm)
		expectCondition(ctx, sm, v1alpha1.ScheduledCondition, "True/Override")
		Expect(statusOf(ctx, sm).Message).To(ContainSubstring("month end"))
		Expect(statusOf(ctx, sm).NextCleanup.Time.UTC()).To(Equal(at(0, 8, 30)))
		operator.jumpTo(at(0, 8, 30))
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
		expectCondition(ctx, sm, v1alpha1.ScheduledCondition, "False/WindowClosed")

		By("being away inside of its windows")
		operator.jumpTo(at(0, 9, 0))
		joined(ctx, sm)
		change(ctx, sm, `{"spec":{"schedule":{"override":{"state":"Inactive","until":"2037-11-23T12:00:00Z"}}}}`)
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
		expectNoMachine(ctx, sm)
		expectCondition(ctx, sm, v1alpha1.ScheduledCondition, "False/Override")
		Expect(statusOf(ctx, sm).NextActivation.Time.UTC()).To(Equal(at(0, 12, 0)))
		operator.jumpTo(at(0, 12, 0))
		joined(ctx, sm)
		expectCondition(ctx, sm, v1alpha1.ScheduledCondition, "True/WindowOpen")
	})

	It("is not overridden for longer than the manager allows", func(ctx context.Context) {
		operator := startOperator(ctx, at(0, 10, 0), func(opts *controllers.Options) { opts.Admission.MaxOverride = 24 * time.Hour })
		sm := apply(ctx, newNamespace(ctx), businessHours)
		joined(ctx, sm)
		change(ctx, sm, `{"spec":{"schedule":{"override":{"state":"Active","until":"2037-11-25T03:00:00Z"}}}}`)
		expectCondition(ctx, sm, v1alpha1.ScheduleValidCondition, "True/OverrideBounded")
		operator.jumpTo(at(0, 18, 0))
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)

		operator.jumpTo(at(1, 3, 0))
		joined(ctx, sm)
		expectCondition(ctx, sm, v1alpha1.ScheduledCondition, "True/Override")
		expectCondition(ctx, sm, v1alpha1.ScheduleValidCondition, "True/Valid")
		operator.jumpTo(at(2, 3, 0))
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
	})

	It("may be changed while the machine runs", func(ctx context.Context) {
		startOperator(ctx, at(0, 10, 0))
		sm := apply(ctx, newNamespace(ctx), businessHours)
		joined(ctx, sm)
		change(ctx, sm, `{"spec":{"schedule":{"hoursOfDay":["12-13"]}}}`)
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
		expectNoMachine(ctx, sm)
		Expect(statusOf(ctx, sm).NextActivation.Time.UTC()).To(Equal(at(0, 12, 0)))
		change(ctx, sm, `{"spec":{"schedule":{"hoursOfDay":null,"daysOfWeek":null,"cron":"0 8-11 * * *"}}}`)
		joined(ctx, sm)
	})
})
