package integration_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

const (
	kill   = `{"spec":{"killSwitch":true}}`
	unkill = `{"spec":{"killSwitch":false}}`
)

var _ = Describe("The kill switch", func() {
	// Each entry brings desk-7 into a phase, from which it is killed and, in the end,
	// led back to the phase of the second argument.
	DescribeTable("removes the machine at once, whatever the phase, and is reversible",
		func(ctx context.Context, at time.Time, before, after v1alpha1.Phase, prepare func(context.Context, *operator, *v1alpha1.ScheduledMachine)) {
			namespace := newNamespace(ctx)
			operator := startOperator(ctx, at)
			sm := apply(ctx, namespace, businessHours)
			prepare(ctx, operator, sm)
			Eventually(phase(ctx, sm)).Should(Equal(before))
			former, err := machineOf(ctx, sm)
			Expect(err).NotTo(HaveOccurred())

			change(ctx, sm, kill)
			behave(namespace, testenv.Behaviour{})
			Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseTerminated))
			expectNothingLeft(ctx, sm)
			Eventually(condition(ctx, sm, v1alpha1.ReadyCondition)).Should(Equal("False/KillSwitch"))
			Eventually(eventNotes(ctx, sm, "KillSwitchActivated")).Should(ConsistOf(
				MatchRegexp(`set by field manager "kubectl-patch" \(reconcile [0-9a-f-]{36}\)`)))
			Consistently(phase(ctx, sm), moment).Should(Equal(v1alpha1.PhaseTerminated))
			Expect(counted(operator, "fivespot_kill_switch_activations_total")).To(BeEquivalentTo(1))
			Expect(machineOf(ctx, sm)).To(BeNil())

			change(ctx, sm, unkill)
			Eventually(phase(ctx, sm)).Should(Equal(after))
			expectEventOnce(ctx, sm, "KillSwitchActivated")
			Expect(counted(operator, "fivespot_kill_switch_activations_total")).To(BeEquivalentTo(1))
			if after == v1alpha1.PhaseActive {
				machine := joined(ctx, sm)
				Expect(former == nil || former.UID != machine.UID).To(BeTrue())
				Eventually(isCordoned(ctx, nodeName(sm))).Should(BeFalse())
			}
		},
		Entry("Inactive", monday, v1alpha1.PhaseInactive, v1alpha1.PhaseInactive,
			func(context.Context, *operator, *v1alpha1.ScheduledMachine) {}),
		Entry("Pending", insideWindow, v1alpha1.PhasePending, v1alpha1.PhaseActive,
			func(ctx context.Context, _ *operator, sm *v1alpha1.ScheduledMachine) {
				behave(sm.Namespace, testenv.Behaviour{HoldProvisioning: true})
				Eventually(machineExists(ctx, sm)).Should(BeTrue())
			}),
		Entry("Active, with a Pod that cannot be evicted", insideWindow, v1alpha1.PhaseActive, v1alpha1.PhaseActive,
			func(ctx context.Context, _ *operator, sm *v1alpha1.ScheduledMachine) {
				joined(ctx, sm)
				stubbornPod(ctx, nodeName(sm))
			}),
		Entry("ShuttingDown, in the middle of a drain that is blocked", insideWindow, v1alpha1.PhaseShuttingDown, v1alpha1.PhaseInactive,
			func(ctx context.Context, operator *operator, sm *v1alpha1.ScheduledMachine) {
				joined(ctx, sm)
				pods, _ := blocked(ctx, sm)
				operator.jumpTo(windowCloses)
				expectBlocked(ctx, sm, pods)
			}),
		Entry("EmergencyRemove", insideWindow, v1alpha1.PhaseEmergencyRemove, v1alpha1.PhaseDisabled,
			func(ctx context.Context, _ *operator, sm *v1alpha1.ScheduledMachine) {
				joined(ctx, sm)
				behave(sm.Namespace, testenv.Behaviour{HoldRemoval: true})
				requestReclaim(ctx, nodeName(sm))
				Eventually(machineIsDeleting(ctx, sm)).Should(BeTrue())
			}),
		Entry("Disabled", insideWindow, v1alpha1.PhaseDisabled, v1alpha1.PhaseDisabled,
			func(ctx context.Context, _ *operator, sm *v1alpha1.ScheduledMachine) {
				change(ctx, sm, `{"spec":{"schedule":{"enabled":false}}}`)
			}),
		Entry("Error, with a machine that runs", insideWindow, v1alpha1.PhaseError, v1alpha1.PhaseError,
			func(ctx context.Context, _ *operator, sm *v1alpha1.ScheduledMachine) {
				joined(ctx, sm)
				change(ctx, sm, reservedLabel)
			}),
	)

	It("counts each activation once, however often it is set and whoever has to carry it out", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		first := joined(ctx, sm)
		behave(namespace, testenv.Behaviour{HoldRemoval: true})
		change(ctx, sm, kill)
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseTerminated))
		Eventually(machineIsDeleting(ctx, sm)).Should(BeTrue())
		Expect(counted(operator, "fivespot_kill_switch_activations_total")).To(BeEquivalentTo(1))

		By("going on in another process")
		operator.stop()
		operator = resumeOperator(ctx, operator.clock)
		behave(namespace, testenv.Behaviour{})
		expectNothingLeft(ctx, sm)

		By("setting it again while it is set")
		patch := client.RawPatch("application/merge-patch+json", []byte(kill))
		Expect(world.Client.Patch(ctx, sm.DeepCopy(), patch, client.FieldOwner("somebody-else"))).To(Succeed())
		change(ctx, sm, `{"metadata":{"annotations":{"example.com/looked-at":"now"}}}`)
		operator.lookAgain(1)
		Expect(phase(ctx, sm)()).To(Equal(v1alpha1.PhaseTerminated))
		expectEventOnce(ctx, sm, "KillSwitchActivated")
		Expect(counted(operator, "fivespot_kill_switch_activations_total")).To(BeZero())

		By("activating it once more")
		change(ctx, sm, unkill)
		second := joinedAgain(ctx, sm, first)
		change(ctx, sm, kill)
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseTerminated))
		Eventually(eventNotes(ctx, sm, "KillSwitchActivated")).Should(HaveLen(2))
		Expect(counted(operator, "fivespot_kill_switch_activations_total")).To(BeEquivalentTo(1))
		expectNothingLeft(ctx, sm)
		change(ctx, sm, unkill)
		joinedAgain(ctx, sm, second)
	})

	It("is waited for while there is no Cluster", func(ctx context.Context) {
		namespace := newEmptyNamespace(ctx)
		startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		Eventually(condition(ctx, sm, v1alpha1.ReferencesValidCondition)).Should(Equal("False/ClusterNotFound"))
		Expect(phase(ctx, sm)()).To(Equal(v1alpha1.PhasePending))
		change(ctx, sm, kill)
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseTerminated))
		change(ctx, sm, unkill)
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhasePending))
	})

	It("says that a paused Cluster blocks it, and goes on as soon as that is resumed", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		setClusterPaused(ctx, namespace, true)
		Eventually(condition(ctx, sm, v1alpha1.PausedCondition)).Should(Equal("True/ClusterPaused"))
		change(ctx, sm, kill)
		Eventually(condition(ctx, sm, v1alpha1.PausedCondition)).Should(Equal("True/KillSwitchBlocked"))
		Eventually(machineIsDeleting(ctx, sm)).Should(BeTrue())
		Consistently(machineExists(ctx, sm), moment).Should(BeTrue())
		machine, err := machineOf(ctx, sm)
		Expect(err).NotTo(HaveOccurred())
		Expect(machine.Annotations).To(haveSkipped(true))

		// Cluster API by itself hears of the end of a pause when it next looks at the
		// Machine, which is after ten minutes.
		setClusterPaused(ctx, namespace, false)
		expectNothingLeft(ctx, sm)
		Eventually(condition(ctx, sm, v1alpha1.PausedCondition)).Should(Equal("False/NotPaused"))
		Expect(phase(ctx, sm)()).To(Equal(v1alpha1.PhaseTerminated))
		expectEventOnce(ctx, sm, "KillSwitchActivated")
	})

	It("acts on an object that is paused by its annotation", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		change(ctx, sm, `{"metadata":{"annotations":{"cluster.x-k8s.io/paused":""}}}`)
		Eventually(condition(ctx, sm, v1alpha1.PausedCondition)).Should(Equal("True/Paused"))
		change(ctx, sm, kill)
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseTerminated))
		expectNothingLeft(ctx, sm)
	})
})

// expectEventOnce looks for exactly one event of the reason, told once.
func expectEventOnce(ctx context.Context, sm *v1alpha1.ScheduledMachine, reason string) {
	GinkgoHelper()
	events, err := eventsOf(ctx, sm)
	Expect(err).NotTo(HaveOccurred())
	found := 0
	for i := range events {
		if events[i].Reason == reason {
			found++
			Expect(events[i].Series).To(BeNil())
		}
	}
	Expect(found).To(Equal(1), reason)
}

// setClusterPaused sets spec.paused of the Cluster.
func setClusterPaused(ctx context.Context, namespace string, paused bool) {
	GinkgoHelper()
	cluster := &clusterv1.Cluster{}
	cluster.Namespace, cluster.Name = namespace, clusterName
	patch := fmt.Sprintf(`{"spec":{"paused":%t}}`, paused)
	Expect(world.Client.Patch(ctx, cluster, client.RawPatch("application/merge-patch+json", []byte(patch)))).To(Succeed())
}

// counted is the sum of all samples of a counter that the manager would serve.
func counted(o *operator, name string) float64 {
	GinkgoHelper()
	families, err := o.registry.Gather()
	Expect(err).NotTo(HaveOccurred())
	sum := 0.0
	for _, family := range families {
		if family.GetName() == name {
			for _, sample := range family.GetMetric() {
				sum += sample.GetCounter().GetValue() + sample.GetGauge().GetValue()
			}
		}
	}
	return sum
}
