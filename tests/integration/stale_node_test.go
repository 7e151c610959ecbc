package integration_test

import (
	"context"
	"maps"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

var (
	ownTaint     = corev1.Taint{Key: "example.com/spot", Value: "true", Effect: corev1.TaintEffectNoSchedule}
	foreignTaint = corev1.Taint{Key: "example.com/gpu", Effect: corev1.TaintEffectNoSchedule}
)

var _ = Describe("A Node that comes back as it was", func() {
	It("is freed of the marks of its earlier life when it appears, and not reclaimed again", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		startOperator(ctx, insideWindow)
		behave(namespace, testenv.Behaviour{KeepMarks: true})
		sm := apply(ctx, namespace, businessHours)
		former := joined(ctx, sm)
		changeNode(ctx, nodeName(sm), func(n *corev1.Node) {
			n.Spec.Taints = append(n.Spec.Taints, ownTaint, foreignTaint)
			n.Spec.Unschedulable = true
			n.Annotations = map[string]string{
				v1alpha1.CordonedByAnnotation:         string(sm.UID),
				v1alpha1.AppliedTaintsAnnotation:      `[{"key":"example.com/spot","value":"true","effect":"NoSchedule"}]`,
				v1alpha1.ReclaimRequestedAnnotation:   v1alpha1.ReclaimRequestedValue,
				v1alpha1.ReclaimReasonAnnotation:      "process-match: java",
				v1alpha1.ReclaimRequestedAtAnnotation: "2037-11-23T09:30:00Z",
				"example.com/owner":                   "desk",
			}
		})
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseDisabled))
		change(ctx, sm, enable)
		machine := joinedAgain(ctx, sm, former)

		node := &corev1.Node{}
		Expect(world.WorkloadClient.Get(ctx, client.ObjectKey{Name: nodeName(sm)}, node)).To(Succeed())
		Expect(node.Annotations).To(HaveKeyWithValue("example.com/owner", "desk"))
		Expect(maps.Keys(node.Annotations)).NotTo(ContainElement(HavePrefix(v1alpha1.GroupVersion.Group)))
		Expect(node.Spec.Unschedulable).To(BeFalse())
		platform := HaveField("Key", HavePrefix("node.kubernetes.io/"))
		Expect(node.Spec.Taints).To(And(ContainElement(foreignTaint), HaveEach(Or(Equal(foreignTaint), platform))))
		Consistently(phase(ctx, sm), moment).Should(Equal(v1alpha1.PhaseActive))
		now, err := read(ctx, sm)
		Expect(err).NotTo(HaveOccurred())
		Expect(now.Status.RecentReclaims).To(HaveLen(1))
		Expect(now.Status.MachineRef.UID).To(BeEquivalentTo(machine.UID))
	})

	It("keeps a cordon of somebody else", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		startOperator(ctx, insideWindow)
		behave(namespace, testenv.Behaviour{KeepMarks: true})
		sm := apply(ctx, namespace, businessHours)
		former := joined(ctx, sm)
		changeNode(ctx, nodeName(sm), func(n *corev1.Node) { n.Spec.Unschedulable = true })
		requestReclaim(ctx, nodeName(sm))
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseDisabled))
		change(ctx, sm, enable)
		joinedAgain(ctx, sm, former)
		Expect(annotationsOf(ctx, nodeName(sm))()).NotTo(HaveKey(v1alpha1.ReclaimRequestedAnnotation))
		Consistently(isCordoned(ctx, nodeName(sm)), moment).Should(BeTrue())
	})

	It("is cleaned before it is Ready", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		startOperator(ctx, insideWindow)
		behave(namespace, testenv.Behaviour{KeepMarks: true})
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		requestReclaim(ctx, nodeName(sm))
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseDisabled))
		behave(namespace, testenv.Behaviour{KeepMarks: true, JoinNotReady: true})
		change(ctx, sm, enable)
		Eventually(func() (*v1alpha1.ObjectReference, error) {
			now, err := read(ctx, sm)
			return now.Status.NodeRef, err
		}).ShouldNot(BeNil())
		Expect(phase(ctx, sm)()).To(Equal(v1alpha1.PhasePending))
		Expect(annotationsOf(ctx, nodeName(sm))()).NotTo(HaveKey(v1alpha1.ReclaimRequestedAnnotation))
	})
})
