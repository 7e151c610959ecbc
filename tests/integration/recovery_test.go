package integration_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

const (
	// atOnce is the second within which an event has to have its effect, with room
	// for a machine that is busy. No timer fires in it: the first is 30 seconds off.
	atOnce = 3 * time.Second

	// reservedLabel is a spec that only the controller can refuse, and mended takes it
	// back.
	reservedLabel = `{"spec":{"machineTemplate":{"labels":{"kubernetes.io/hostname":"x"}}}}`
	mended        = `{"spec":{"machineTemplate":{"labels":{"kubernetes.io/hostname":null}}}}`
)

var _ = Describe("Events", func() {
	It("of a Node are acted upon without waiting for a timer", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		Expect(world.Provider.SetNodeReady(ctx, nodeName(sm), false)).To(Succeed())
		Eventually(condition(ctx, sm, v1alpha1.ReadyCondition), atOnce).Should(Equal("False/NodeNotReady"))
		Expect(phase(ctx, sm)()).To(Equal(v1alpha1.PhaseActive))
		Expect(world.Provider.SetNodeReady(ctx, nodeName(sm), true)).To(Succeed())
		Eventually(condition(ctx, sm, v1alpha1.ReadyCondition), atOnce).Should(Equal("True/AsScheduled"))
	})

	It("of a Machine are acted upon without waiting for a timer", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		machine := joined(ctx, sm)
		behave(namespace, testenv.Behaviour{HoldRemoval: true})
		Expect(world.Client.Delete(ctx, machine)).To(Succeed())
		Eventually(condition(ctx, sm, v1alpha1.MachineReadyCondition), atOnce).Should(Equal("False/Deleting"))
		Expect(phase(ctx, sm)()).To(Equal(v1alpha1.PhasePending))
	})
})

var _ = Describe("An invalid spec", func() {
	DescribeTable("is told with the path of the field, creates nothing, and recovers with an edit",
		func(ctx context.Context, bad, good, path string) {
			namespace := newNamespace(ctx)
			startOperator(ctx, monday)
			sm := apply(ctx, namespace, businessHours)
			Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseInactive))
			change(ctx, sm, bad)
			Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseError))
			now, err := read(ctx, sm)
			Expect(err).NotTo(HaveOccurred())
			valid := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ScheduleValidCondition)
			Expect(valid.Status).To(Equal(metav1.ConditionFalse))
			Expect(valid.Message).To(ContainSubstring(path))
			Expect(condition(ctx, sm, v1alpha1.ReadyCondition)()).To(Equal("False/Error"))
			Expect(machineOf(ctx, sm)).To(BeNil())
			Eventually(eventReasons(ctx, sm)).Should(ContainElement("SpecInvalid"))
			change(ctx, sm, good)
			Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseInactive))
			Expect(condition(ctx, sm, v1alpha1.ScheduleValidCondition)()).To(Equal("True/Valid"))
		},
		Entry("a reserved label", reservedLabel, mended, "spec.machineTemplate.labels"),
		Entry("a reserved taint",
			`{"spec":{"nodeTaints":[{"key":"node.kubernetes.io/x","effect":"NoSchedule"}]}}`, `{"spec":{"nodeTaints":null}}`, "spec.nodeTaints[0].key"),
		Entry("a group that is not allowed",
			`{"spec":{"infrastructureSpec":{"apiVersion":"apps/v1"}}}`,
			`{"spec":{"infrastructureSpec":{"apiVersion":"infrastructure.cluster.x-k8s.io/v1beta1"}}}`, "spec.infrastructureSpec.apiVersion"),
		Entry("a cron that never fires",
			`{"spec":{"schedule":{"daysOfWeek":null,"hoursOfDay":null,"cron":"0 9 30 2 *"}}}`,
			`{"spec":{"schedule":{"daysOfWeek":["mon-fri"],"hoursOfDay":["9-17"],"cron":null}}}`, "spec.schedule.cron"),
	)

	It("leaves a running machine as it is", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		machine := joined(ctx, sm)
		change(ctx, sm, reservedLabel)
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseError))
		operator.jumpTo(windowCloses.Add(time.Hour))
		Consistently(machineIsDeleting(ctx, sm), moment).Should(BeFalse())
		Expect(sentDeletions(operator, namespace)).To(BeEmpty())
		operator.jumpTo(monday.Add(26 * time.Hour))
		change(ctx, sm, mended)
		Expect(joined(ctx, sm).UID).To(Equal(machine.UID))
		Expect(condition(ctx, sm, v1alpha1.ReadyCondition)()).To(Equal("True/AsScheduled"))
	})

	It("does not stop a shutdown that is under way", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		pod := stubbornPod(ctx, nodeName(sm))
		operator.jumpTo(windowCloses)
		started := shutdownStarted(ctx, sm)
		expectDraining(ctx, sm, pod)
		change(ctx, sm, reservedLabel)
		Eventually(condition(ctx, sm, v1alpha1.ScheduleValidCondition)).Should(Equal("False/InvalidSpec"))
		Expect(shutdownStarted(ctx, sm)).To(Equal(started))
		operator.clock.Step(5 * time.Minute)
		Eventually(machineExists(ctx, sm)).Should(BeFalse())
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseError))
		expectNothingLeft(ctx, sm)
		change(ctx, sm, mended)
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseInactive))
	})
})

var _ = Describe("The status", func() {
	It("keeps conditions of others, and is Ready only when it is", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, monday)
		behave(namespace, testenv.Behaviour{HoldProvisioning: true})
		sm := apply(ctx, namespace, businessHours)
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseInactive))
		addForeignCondition(ctx, sm)
		operator.jumpTo(windowOpens)
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhasePending))
		Expect(condition(ctx, sm, v1alpha1.ReadyCondition)()).To(Equal("False/Provisioning"))
		behave(namespace, testenv.Behaviour{HoldRemoval: true})
		joined(ctx, sm)
		Expect(condition(ctx, sm, v1alpha1.ReadyCondition)()).To(Equal("True/AsScheduled"))
		operator.jumpTo(windowCloses)
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseShuttingDown))
		Expect(condition(ctx, sm, v1alpha1.ReadyCondition)()).To(Equal("False/ShuttingDown"))
		Expect(condition(ctx, sm, "example.com/Inspected")()).To(Equal("True/ByHand"))
		now, err := read(ctx, sm)
		Expect(err).NotTo(HaveOccurred())
		for _, owned := range v1alpha1.ConditionTypes() {
			Expect(meta.FindStatusCondition(now.Status.Conditions, owned)).NotTo(BeNil(), owned)
		}
	})
})

var _ = Describe("A shutdown", func() {
	It("keeps its clock whatever else comes in between", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		behave(namespace, testenv.Behaviour{HoldRemoval: true})
		operator.jumpTo(windowCloses)
		started := shutdownStarted(ctx, sm)
		for _, step := range []struct {
			patch string
			seen  func() (string, error)
			want  string
		}{
			{`{"spec":{"schedule":{"enabled":false}}}`, condition(ctx, sm, v1alpha1.ScheduledCondition), "False/Disabled"},
			{reservedLabel, condition(ctx, sm, v1alpha1.ScheduleValidCondition), "False/InvalidSpec"},
			{mended, condition(ctx, sm, v1alpha1.ScheduleValidCondition), "True/Valid"},
			{`{"metadata":{"annotations":{"cluster.x-k8s.io/paused":""}}}`, condition(ctx, sm, v1alpha1.PausedCondition), "True/Paused"},
			{`{"metadata":{"annotations":{"cluster.x-k8s.io/paused":null}}}`, condition(ctx, sm, v1alpha1.PausedCondition), "False/NotPaused"},
		} {
			operator.clock.Step(10 * time.Second)
			change(ctx, sm, step.patch)
			Eventually(step.seen).Should(Equal(step.want))
			Expect(shutdownStarted(ctx, sm)).To(Equal(started), step.patch)
		}
	})

	It("gives the grace of the window's end to a schedule that is disabled as well", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		pod := stubbornPod(ctx, nodeName(sm))
		change(ctx, sm, `{"spec":{"schedule":{"enabled":false}}}`)
		Eventually(isCordoned(ctx, nodeName(sm))).Should(BeTrue())
		expectDraining(ctx, sm, pod)
		operator.clock.Step(5 * time.Minute)
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseDisabled))
		expectNothingLeft(ctx, sm)
	})

	It("is called off when the window opens again before the Machine was deleted", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		machine := joined(ctx, sm)
		refuseMachines(ctx, namespace, admissionv1.Delete)
		operator.jumpTo(windowCloses)
		shutdownStarted(ctx, sm)
		change(ctx, sm, `{"spec":{"schedule":{"hoursOfDay":["9-20"]}}}`)
		Eventually(condition(ctx, sm, v1alpha1.ReadyCondition)).Should(Equal("True/AsScheduled"))
		now, err := read(ctx, sm)
		Expect(err).NotTo(HaveOccurred())
		Expect(now.Status.Phase).To(Equal(v1alpha1.PhaseActive))
		Expect(now.Status.Shutdown).To(BeNil())
		Expect(now.Status.MachineRef.UID).To(BeEquivalentTo(machine.UID))
		Expect(isCordoned(ctx, nodeName(sm))()).To(BeFalse())
		Eventually(eventReasons(ctx, sm)).Should(ContainElement("ShutdownCancelled"))
	})

	It("is waited out when the window opens again while the Machine is being deleted", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		former := joined(ctx, sm)
		behave(namespace, testenv.Behaviour{HoldRemoval: true})
		operator.jumpTo(windowCloses)
		Eventually(machineIsDeleting(ctx, sm)).Should(BeTrue())
		change(ctx, sm, `{"spec":{"schedule":{"hoursOfDay":["9-20"]}}}`)
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhasePending))
		Consistently(phase(ctx, sm), moment).Should(Equal(v1alpha1.PhasePending))
		Expect(machineIsDeleting(ctx, sm)()).To(BeTrue())
		behave(namespace, testenv.Behaviour{})
		joinedAgain(ctx, sm, former)
		now, err := read(ctx, sm)
		Expect(err).NotTo(HaveOccurred())
		Expect(now.Status.Shutdown).To(BeNil())
	})
})

// addForeignCondition writes a condition as another controller would.
func addForeignCondition(ctx context.Context, sm *v1alpha1.ScheduledMachine) {
	GinkgoHelper()
	now, err := read(ctx, sm)
	Expect(err).NotTo(HaveOccurred())
	before := now.DeepCopy()
	meta.SetStatusCondition(&now.Status.Conditions, metav1.Condition{
		Type: "example.com/Inspected", Status: metav1.ConditionTrue, Reason: "ByHand",
	})
	Expect(world.Client.Status().Patch(ctx, now, client.MergeFrom(before))).To(Succeed())
}
