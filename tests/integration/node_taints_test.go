package integration_test

import (
	"context"
	"encoding/json"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

// The taints of these specs. batchTaint comes first in the order of the status.
var (
	batchTaint = corev1.Taint{Key: "example.com/batch", Effect: corev1.TaintEffectPreferNoSchedule}
	twoTaints  = []v1alpha1.NodeTaint{asNodeTaint(batchTaint), asNodeTaint(ownTaint)}
)

const (
	// onlySpot and noTaints are edits of the two.
	onlySpot = `{"spec":{"nodeTaints":[{"key":"example.com/spot","value":"true","effect":"NoSchedule"}]}}`
	noTaints = `{"spec":{"nodeTaints":null}}`
)

var _ = Describe("The taints of the spec", func() {
	It("are put on the Node once it is Ready, and not before", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		startOperator(ctx, insideWindow)
		behave(namespace, testenv.Behaviour{JoinNotReady: true})
		sm := apply(ctx, namespace, businessHours, tainted)
		Eventually(func() (*v1alpha1.ObjectReference, error) {
			now, err := read(ctx, sm)
			return now.Status.NodeRef, err
		}).ShouldNot(BeNil())
		expectCondition(ctx, sm, v1alpha1.NodeTaintedCondition, "False/NodeNotReady")
		Consistently(taintsOn(ctx, nodeName(sm)), moment).Should(BeEmpty())

		Expect(world.Provider.SetNodeReady(ctx, nodeName(sm), true)).To(Succeed())
		joined(ctx, sm)
		expectTaints(ctx, sm, twoTaints...)
	})

	It("are repaired when somebody changes them, and nobody else's are touched", func(ctx context.Context) {
		startOperator(ctx, insideWindow)
		sm := apply(ctx, newNamespace(ctx), businessHours, tainted)
		joined(ctx, sm)
		expectTaints(ctx, sm, twoTaints...)
		for what, drift := range map[string]func(*corev1.Node){
			"another value": func(n *corev1.Node) {
				setTaint(n, corev1.Taint{Key: ownTaint.Key, Value: "no", Effect: ownTaint.Effect})
			},
			"removed by hand":         func(n *corev1.Node) { removeTaint(n, batchTaint) },
			"all removed":             func(n *corev1.Node) { n.Spec.Taints = nil },
			"the list of ours erased": func(n *corev1.Node) { delete(n.Annotations, v1alpha1.AppliedTaintsAnnotation) },
		} {
			By(what)
			changeNode(ctx, nodeName(sm), func(n *corev1.Node) {
				drift(n)
				setTaint(n, foreignTaint)
			})
			Eventually(taintsOn(ctx, nodeName(sm)), atOnce).Should(ConsistOf(batchTaint, ownTaint, foreignTaint))
			expectTaints(ctx, sm, twoTaints...)
		}
	})

	It("are written one by one: what somebody else has claimed is told, left alone, and taken over when it is given up", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		theirs := corev1.Taint{Key: ownTaint.Key, Value: "theirs", Effect: ownTaint.Effect}
		changeNode(ctx, nodeName(sm), func(n *corev1.Node) { setTaint(n, theirs) })

		change(ctx, sm, patchOf(twoTaints))
		expectCondition(ctx, sm, v1alpha1.NodeTaintedCondition, "False/TaintOwnershipConflict")
		Expect(messageOf(ctx, sm, v1alpha1.NodeTaintedCondition)).To(ContainSubstring("example.com/spot:NoSchedule"))
		Eventually(eventNotes(ctx, sm, "TaintOwnershipConflict")).Should(ConsistOf(ContainSubstring("example.com/spot:NoSchedule")))
		Expect(eventTypes(ctx, sm, "TaintOwnershipConflict")).To(ConsistOf("Warning"))
		Consistently(taintsOn(ctx, nodeName(sm)), moment).Should(ConsistOf(batchTaint, theirs))
		expectOwned(ctx, sm, asNodeTaint(batchTaint))
		Expect(phase(ctx, sm)()).To(Equal(v1alpha1.PhaseActive))

		changeNode(ctx, nodeName(sm), func(n *corev1.Node) { removeTaint(n, theirs) })
		expectTaints(ctx, sm, twoTaints...)
		Expect(taintsOn(ctx, nodeName(sm))()).To(ConsistOf(batchTaint, ownTaint))
		expectEventOnce(ctx, sm, "TaintOwnershipConflict")
	})

	It("follow the spec of a running machine, and leave no trace", func(ctx context.Context) {
		startOperator(ctx, insideWindow)
		sm := apply(ctx, newNamespace(ctx), businessHours)
		machine := joined(ctx, sm)
		expectCondition(ctx, sm, v1alpha1.NodeTaintedCondition, "True/NoTaints")
		changeNode(ctx, nodeName(sm), func(n *corev1.Node) { setTaint(n, foreignTaint) })
		change(ctx, sm, patchOf(twoTaints))
		expectTaints(ctx, sm, twoTaints...)
		Expect(condition(ctx, sm, v1alpha1.ReadyCondition)()).To(Equal("True/AsScheduled"), "it applies at once, and not at the next activation")

		change(ctx, sm, onlySpot)
		expectTaints(ctx, sm, asNodeTaint(ownTaint))
		change(ctx, sm, noTaints)
		expectCondition(ctx, sm, v1alpha1.NodeTaintedCondition, "True/NoTaints")
		Eventually(taintsOn(ctx, nodeName(sm))).Should(ConsistOf(foreignTaint))
		expectOwned(ctx, sm)
		Expect(theMachine(ctx, sm).UID).To(Equal(machine.UID))
	})

	It("replace those of an earlier life when the Node comes back as it was", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		behave(namespace, testenv.Behaviour{KeepMarks: true})
		sm := apply(ctx, namespace, businessHours, tainted)
		former := joined(ctx, sm)
		expectTaints(ctx, sm, twoTaints...)
		changeNode(ctx, nodeName(sm), func(n *corev1.Node) { setTaint(n, foreignTaint) })
		operator.jumpTo(windowCloses)
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
		expectOwned(ctx, sm)

		// Without an annotation these would look like somebody else's.
		change(ctx, sm, onlySpot)
		operator.jumpTo(at(1, 10, 0))
		joinedAgain(ctx, sm, former)
		expectTaints(ctx, sm, asNodeTaint(ownTaint))
		Eventually(taintsOn(ctx, nodeName(sm))).Should(ConsistOf(ownTaint, foreignTaint))
	})

	It("are still known to be ours when the manager stops between writing the Node and the status", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		first := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours, tainted)
		joined(ctx, sm)
		expectTaints(ctx, sm, twoTaints...)
		first.stop()
		forget := client.RawPatch("application/merge-patch+json", []byte(`{"status":{"appliedNodeTaints":null}}`))
		Expect(world.Client.Status().Patch(ctx, sm.DeepCopy(), forget)).To(Succeed())
		change(ctx, sm, onlySpot)

		resumeOperator(ctx, first.clock)
		expectTaints(ctx, sm, asNodeTaint(ownTaint))
		Expect(taintsOn(ctx, nodeName(sm))()).To(ConsistOf(ownTaint))
	})
})

// tainted gives the object its taints.
func tainted(sm *v1alpha1.ScheduledMachine) { sm.Spec.NodeTaints = twoTaints }

func asNodeTaint(taint corev1.Taint) v1alpha1.NodeTaint {
	return v1alpha1.NodeTaint{Key: taint.Key, Value: taint.Value, Effect: taint.Effect}
}

// patchOf is an edit of the spec to have these taints.
func patchOf(taints []v1alpha1.NodeTaint) string {
	GinkgoHelper()
	list, err := json.Marshal(taints)
	Expect(err).NotTo(HaveOccurred())
	return fmt.Sprintf(`{"spec":{"nodeTaints":%s}}`, list)
}

// taintsOn reads the taints of a Node but for those of Kubernetes, for Eventually.
func taintsOn(ctx context.Context, node string) func() ([]corev1.Taint, error) {
	return func() ([]corev1.Taint, error) {
		now := &corev1.Node{}
		err := world.WorkloadClient.Get(ctx, client.ObjectKey{Name: node}, now)
		removeTaint(now, corev1.Taint{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule})
		removeTaint(now, corev1.Taint{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoExecute})
		return now.Spec.Taints, err
	}
}

// expectTaints waits until the taints are on the Node, and are said to be ours by the
// condition, the status and the Node alike.
func expectTaints(ctx context.Context, sm *v1alpha1.ScheduledMachine, want ...v1alpha1.NodeTaint) {
	GinkgoHelper()
	expectOwned(ctx, sm, want...)
	expectCondition(ctx, sm, v1alpha1.NodeTaintedCondition, "True/Applied")
	on, err := taintsOn(ctx, nodeName(sm))()
	Expect(err).NotTo(HaveOccurred())
	for _, taint := range want {
		Expect(on).To(ContainElement(corev1.Taint{Key: taint.Key, Value: taint.Value, Effect: taint.Effect}))
	}
}

// expectOwned waits until status and Node agree on which taints are ours.
func expectOwned(ctx context.Context, sm *v1alpha1.ScheduledMachine, want ...v1alpha1.NodeTaint) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		g.Expect(statusOf(ctx, sm).AppliedNodeTaints).To(HaveExactElements(want))
		node := &corev1.Node{}
		err := world.WorkloadClient.Get(ctx, client.ObjectKey{Name: nodeName(sm)}, node)
		g.Expect(client.IgnoreNotFound(err)).NotTo(HaveOccurred())
		var recorded []v1alpha1.NodeTaint
		if record := node.Annotations[v1alpha1.AppliedTaintsAnnotation]; record != "" {
			g.Expect(json.Unmarshal([]byte(record), &recorded)).To(Succeed())
		}
		g.Expect(recorded).To(HaveExactElements(want))
	}).Should(Succeed())
}

// setTaint adds a taint, in the place of one with its key and effect.
func setTaint(node *corev1.Node, taint corev1.Taint) {
	removeTaint(node, taint)
	node.Spec.Taints = append(node.Spec.Taints, taint)
}

// removeTaint removes the taint with the key and effect of the given one.
func removeTaint(node *corev1.Node, taint corev1.Taint) {
	kept := node.Spec.Taints[:0]
	for _, t := range node.Spec.Taints {
		if !t.MatchTaint(&taint) {
			kept = append(kept, t)
		}
	}
	node.Spec.Taints = kept
}
