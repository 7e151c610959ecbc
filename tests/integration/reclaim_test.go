package integration_test

import (
	"context"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

const (
	enable = `{"spec":{"schedule":{"enabled":true}}}`

	// holdNode is a finalizer that keeps a Node beyond its Machine.
	holdNode = "example.com/hold"
)

var _ = Describe("An emergency reclaim", func() {
	It("persists its reason, disables the schedule and removes the machine, in this order", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		stubbornPod(ctx, nodeName(sm))
		behave(namespace, testenv.Behaviour{HoldRemoval: true})
		operator.requests.Reset()
		requestReclaim(ctx, nodeName(sm))
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseEmergencyRemove))
		Eventually(machineIsDeleting(ctx, sm)).Should(BeTrue())
		now, err := read(ctx, sm)
		Expect(err).NotTo(HaveOccurred())
		Expect(now.Status.Shutdown.Reason).To(Equal(v1alpha1.ShutdownEmergencyReclaim))
		Expect(now.Status.RecentReclaims).To(HaveLen(1))
		Expect(*now.Spec.Schedule.Enabled).To(BeFalse())
		Expect(slices.Compact(writesIn(operator.requests, namespace))[:5]).To(HaveExactElements(
			"PATCH scheduledmachines/desk-7/status", "PATCH scheduledmachines/desk-7",
			"PATCH scheduledmachines/desk-7/status", // how far the drain is
			"PATCH machines/desk-7", "DELETE machines/desk-7",
		))

		behave(namespace, testenv.Behaviour{})
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseDisabled))
		expectNothingLeft(ctx, sm)
		Eventually(eventNotes(ctx, sm, "EmergencyReclaim")).Should(ConsistOf(ContainSubstring("process-match: java")))
		Eventually(eventNotes(ctx, sm, "EmergencyReclaimDisabledSchedule")).Should(ConsistOf(ContainSubstring("set it to true")))
		change(ctx, sm, enable)
		joined(ctx, sm)
	})

	It("clears the request from a Node that outlives its Machine", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		keepNode(ctx, nodeName(sm))
		requestReclaim(ctx, nodeName(sm))
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseDisabled))
		Expect(machineOf(ctx, sm)).To(BeNil())
		Eventually(annotationsOf(ctx, nodeName(sm))).ShouldNot(Or(
			HaveKey(v1alpha1.ReclaimRequestedAnnotation), HaveKey(v1alpha1.ReclaimReasonAnnotation), HaveKey(v1alpha1.ReclaimRequestedAtAnnotation)))
	})

	It("is asked for by exactly one value", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		annotateNode(ctx, nodeName(sm), map[string]string{v1alpha1.ReclaimRequestedAnnotation: "True"})
		Consistently(phase(ctx, sm), moment).Should(Equal(v1alpha1.PhaseActive))
	})

	It("holds activation the third time within ten minutes, whoever enables the schedule again", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		for range 3 {
			joined(ctx, sm)
			operator.clock.Step(time.Minute)
			requestReclaim(ctx, nodeName(sm))
			Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseDisabled))
			change(ctx, sm, enable)
		}
		Eventually(condition(ctx, sm, v1alpha1.ScheduledCondition)).Should(Equal("False/LoopProtection"))
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseInactive))
		Expect(condition(ctx, sm, v1alpha1.ReadyCondition)()).To(Equal("False/LoopProtection"))
		Consistently(machineExists(ctx, sm), moment).Should(BeFalse())
		expectEventOnce(ctx, sm, "RapidReReclaim")
		Expect(counted(operator, "fivespot_emergency_reclaims_total")).To(BeEquivalentTo(3))
		Expect(counted(operator, "fivespot_rapid_re_reclaims_total")).To(BeEquivalentTo(1))
		now, err := read(ctx, sm)
		Expect(err).NotTo(HaveOccurred())
		Expect(now.Status.RecentReclaims).To(HaveLen(3))

		By("starting anew, which forgets nothing")
		operator.stop()
		operator = resumeOperator(ctx, operator.clock)
		Consistently(machineExists(ctx, sm), moment).Should(BeFalse())
		operator.clock.Step(30 * time.Minute)
		joined(ctx, sm)
	})
})

// requestReclaim does what the reclaim agent does.
func requestReclaim(ctx context.Context, node string) {
	GinkgoHelper()
	annotateNode(ctx, node, map[string]string{
		v1alpha1.ReclaimRequestedAnnotation:   v1alpha1.ReclaimRequestedValue,
		v1alpha1.ReclaimReasonAnnotation:      "process-match: java",
		v1alpha1.ReclaimRequestedAtAnnotation: "2037-11-23T09:30:00Z",
	})
}

func annotateNode(ctx context.Context, node string, annotations map[string]string) {
	GinkgoHelper()
	changeNode(ctx, node, func(n *corev1.Node) {
		for key, value := range annotations {
			if n.Annotations == nil {
				n.Annotations = map[string]string{}
			}
			n.Annotations[key] = value
		}
	})
}

// changeNode changes a Node in the workload cluster, in one write.
func changeNode(ctx context.Context, name string, adjust func(*corev1.Node)) {
	GinkgoHelper()
	Eventually(func() error {
		node := &corev1.Node{}
		if err := world.WorkloadClient.Get(ctx, client.ObjectKey{Name: name}, node); err != nil {
			return err
		}
		before := node.DeepCopy()
		adjust(node)
		return world.WorkloadClient.Patch(ctx, node, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	}).Should(Succeed())
}

// keepNode holds the Node until the end of the spec.
func keepNode(ctx context.Context, name string) {
	GinkgoHelper()
	changeNode(ctx, name, func(n *corev1.Node) { n.Finalizers = append(n.Finalizers, holdNode) })
	DeferCleanup(func(ctx context.Context) {
		release := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
		node := &corev1.Node{}
		node.Name = name
		Expect(client.IgnoreNotFound(world.WorkloadClient.Patch(ctx, node, release))).To(Succeed())
		Expect(client.IgnoreNotFound(world.WorkloadClient.Delete(ctx, node))).To(Succeed())
	}, NodeTimeout(soon))
}

// annotationsOf are those of a Node, for Eventually.
func annotationsOf(ctx context.Context, node string) func() (map[string]string, error) {
	return func() (map[string]string, error) {
		now := &corev1.Node{}
		err := world.WorkloadClient.Get(ctx, client.ObjectKey{Name: node}, now)
		return now.Annotations, err
	}
}
