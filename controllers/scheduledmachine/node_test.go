package scheduledmachine

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/cluster-api/controllers/clustercache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/workload"
)

var knownCAPI = clusterAPI{known: true, ready: true}

// onNode serves the Node and the objects from a workload cluster in which the given
// functions intercept.
func (h *harness) onNode(funcs interceptor.Funcs, objs ...client.Object) {
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Node"), meta.RESTScopeRoot)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Pod"), meta.RESTScopeNamespace)
	mapper.Add(appsv1.SchemeGroupVersion.WithKind("DaemonSet"), meta.RESTScopeNamespace)
	mapper.Add(admissionregistrationv1.SchemeGroupVersion.WithKind("ValidatingAdmissionPolicy"), meta.RESTScopeRoot)
	h.workload = fake.NewClientBuilder().WithRESTMapper(mapper).WithObjects(objs...).WithInterceptorFuncs(funcs).
		WithIndex(&corev1.Pod{}, "spec.nodeName", func(obj client.Object) []string {
			return []string{obj.(*corev1.Pod).Spec.NodeName}
		}).Build()
	h.clusters = workload.NewFor(clustercache.NewFakeClusterCache(h.workload, clusterKey(deskSM(nil)), "scheduledmachine-watchNodes", "scheduledmachine-fillNamespaces", "scheduledmachine-fillDaemonSets"))
}

func (h *harness) node() *corev1.Node {
	node := &corev1.Node{}
	h.g.Expect(h.workload.Get(h.t.Context(), client.ObjectKey{Name: "desk-7-node"}, node)).To(Succeed())
	return node
}

func (h *harness) condition(conditionType string) string {
	condition := meta.FindStatusCondition(h.read().Status.Conditions, conditionType)
	return string(condition.Status) + "/" + condition.Reason
}

// counted is the sum of a counter over its labels.
func (h *harness) counted(name string) float64 {
	families, err := h.registry.Gather()
	h.g.Expect(err).NotTo(HaveOccurred())
	sum := 0.0
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() == name {
				sum += metric.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func tainted(sm *v1alpha1.ScheduledMachine) {
	active(sm)
	sm.Spec.NodeTaints = []v1alpha1.NodeTaint{{Key: "spot", Value: "true", Effect: corev1.TaintEffectNoSchedule}}
}

func TestTaintsAreAppliedAndOwned(t *testing.T) {
	t.Parallel()
	sm := deskSM(tainted)
	h := newHarness(t, knownCAPI, nil, sm, tradingCluster(), runningMachine(sm))
	h.onNode(interceptor.Funcs{}, readyNode(nil))
	_, err := h.reconcile()
	h.g.Expect(err).NotTo(HaveOccurred())
	h.g.Expect(h.node().Spec.Taints).To(ConsistOf(corev1.Taint{Key: "spot", Value: "true", Effect: corev1.TaintEffectNoSchedule}))
	h.g.Expect(h.read().Status.AppliedNodeTaints).To(Equal(sm.Spec.NodeTaints))
	h.g.Expect(h.condition(v1alpha1.NodeTaintedCondition)).To(Equal("True/Applied"))
}

func TestTheStatusNamesOwnTaintsAlsoWhereNoneAreApplied(t *testing.T) {
	t.Parallel()
	sm := deskSM(tainted)
	h := newHarness(t, knownCAPI, nil, sm, tradingCluster(), runningMachine(sm))
	h.onNode(interceptor.Funcs{}, readyNode(func(n *corev1.Node) {
		n.Status.Conditions[0].Status = corev1.ConditionUnknown
		n.Annotations = map[string]string{v1alpha1.AppliedTaintsAnnotation: `[{"key":"spot","value":"true","effect":"NoSchedule"}]`}
		n.Spec.Taints = []corev1.Taint{{Key: "spot", Value: "true", Effect: corev1.TaintEffectNoSchedule}}
	}))
	_, err := h.reconcile()
	h.g.Expect(err).NotTo(HaveOccurred())
	h.g.Expect(h.read().Status.AppliedNodeTaints).To(Equal(sm.Spec.NodeTaints))
}

func TestATaintOfSomebodyElseIsAConflict(t *testing.T) {
	t.Parallel()
	sm := deskSM(tainted)
	h := newHarness(t, knownCAPI, nil, sm, tradingCluster(), runningMachine(sm))
	theirs := []corev1.Taint{{Key: "spot", Value: "theirs", Effect: corev1.TaintEffectNoSchedule}}
	h.onNode(interceptor.Funcs{}, readyNode(func(n *corev1.Node) { n.Spec.Taints = theirs }))
	for range 2 {
		_, err := h.reconcile()
		h.g.Expect(err).NotTo(HaveOccurred())
	}
	h.g.Expect(h.node().Spec.Taints).To(Equal(theirs))
	h.g.Expect(h.read().Status.AppliedNodeTaints).To(BeEmpty())
	h.g.Expect(h.condition(v1alpha1.NodeTaintedCondition)).To(Equal("False/TaintOwnershipConflict"))
	h.g.Expect(h.told()).To(ConsistOf(v1alpha1.TaintOwnershipConflictReason), "it is told once")
}

func TestAStatusAboutAnEarlierNodeProvesNoTaint(t *testing.T) {
	t.Parallel()
	sm := deskSM(func(sm *v1alpha1.ScheduledMachine) {
		active(sm)
		sm.Status.NodeRef.UID = "earlier-uid"
		sm.Status.AppliedNodeTaints = []v1alpha1.NodeTaint{{Key: "spot", Value: "true", Effect: corev1.TaintEffectNoSchedule}}
	})
	h := newHarness(t, knownCAPI, nil, sm, tradingCluster(), runningMachine(sm))
	theirs := []corev1.Taint{{Key: "spot", Value: "true", Effect: corev1.TaintEffectNoSchedule}}
	h.onNode(interceptor.Funcs{}, readyNode(func(n *corev1.Node) { n.Spec.Taints = theirs }))
	_, err := h.reconcile()
	h.g.Expect(err).NotTo(HaveOccurred())
	h.g.Expect(h.node().Spec.Taints).To(Equal(theirs))
	h.g.Expect(h.read().Status.AppliedNodeTaints).To(BeEmpty())
}

func TestATaintTakenOutOfTheSpecGoesAlsoWhenOnlyTheStatusKnowsIt(t *testing.T) {
	t.Parallel()
	sm := deskSM(func(sm *v1alpha1.ScheduledMachine) {
		active(sm)
		sm.Status.AppliedNodeTaints = []v1alpha1.NodeTaint{{Key: "spot", Value: "true", Effect: corev1.TaintEffectNoSchedule}}
	})
	h := newHarness(t, knownCAPI, nil, sm, tradingCluster(), runningMachine(sm))
	h.onNode(interceptor.Funcs{}, readyNode(func(n *corev1.Node) {
		n.Spec.Taints = []corev1.Taint{{Key: "spot", Value: "true", Effect: corev1.TaintEffectNoSchedule}}
	}))
	_, err := h.reconcile()
	h.g.Expect(err).NotTo(HaveOccurred())
	h.g.Expect(h.node().Spec.Taints).To(BeEmpty())
	h.g.Expect(h.read().Status.AppliedNodeTaints).To(BeEmpty())
}

func TestANodeThatIsResetIsTaintedInTheSamePass(t *testing.T) {
	t.Parallel()
	sm := deskSM(func(sm *v1alpha1.ScheduledMachine) {
		tainted(sm)
		sm.Status.Phase, sm.Status.NodeRef = v1alpha1.PhasePending, nil
	})
	h := newHarness(t, knownCAPI, nil, sm, tradingCluster(), runningMachine(sm))
	h.onNode(interceptor.Funcs{}, readyNode(func(n *corev1.Node) {
		n.Annotations = map[string]string{
			v1alpha1.AppliedTaintsAnnotation: `[{"key":"old","effect":"NoSchedule"}]`,
			v1alpha1.CordonedByAnnotation:    "an-earlier-life",
		}
		n.Spec.Unschedulable = true
		n.Spec.Taints = []corev1.Taint{{Key: "old", Effect: corev1.TaintEffectNoSchedule}}
	}))
	_, err := h.reconcile()
	h.g.Expect(err).NotTo(HaveOccurred())
	h.g.Expect(h.node().Spec).To(And(
		HaveField("Unschedulable", BeFalse()),
		HaveField("Taints", ConsistOf(HaveField("Key", "spot"))),
	))
	h.g.Expect(h.condition(v1alpha1.NodeTaintedCondition)).To(Equal("True/Applied"))
}

func TestACordonOfSomebodyElseOutlivesAShutdownThatIsCancelled(t *testing.T) {
	t.Parallel()
	for name, mark := range map[string]map[string]string{
		"without mark":              nil,
		"with the mark of another":  {v1alpha1.CordonedByAnnotation: "another-uid"},
		"with the mark of nobody":   {v1alpha1.CordonedByAnnotation: ""},
		"with a mark that is a lie": {v1alpha1.CordonedByAnnotation: "sm-uid "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sm := deskSM(func(sm *v1alpha1.ScheduledMachine) {
				active(sm)
				sm.Status.Phase = v1alpha1.PhaseShuttingDown
				sm.Status.Shutdown = &v1alpha1.ShutdownStatus{StartedAt: metav1.NewTime(inWindow), Reason: v1alpha1.ShutdownWindowClosed}
			})
			h := newHarness(t, knownCAPI, nil, sm, tradingCluster(), runningMachine(sm))
			h.onNode(interceptor.Funcs{}, readyNode(func(n *corev1.Node) { n.Spec.Unschedulable, n.Annotations = true, mark }))
			_, err := h.reconcile()
			h.g.Expect(err).NotTo(HaveOccurred())
			h.g.Expect(h.read().Status.Shutdown).To(BeNil())
			h.g.Expect(h.node().Spec.Unschedulable).To(BeTrue())
		})
	}
}

// drainingSM is in the middle of the drain that follows the end of its window.
func drainingSM(change func(*v1alpha1.ScheduledMachine)) *v1alpha1.ScheduledMachine {
	return deskSM(func(sm *v1alpha1.ScheduledMachine) {
		active(sm)
		sm.Spec.Schedule.Enabled = new(false)
		sm.Status.Phase = v1alpha1.PhaseShuttingDown
		started := metav1.NewTime(inWindow)
		sm.Status.Shutdown = &v1alpha1.ShutdownStatus{StartedAt: started, DrainStartedAt: &started, Reason: v1alpha1.ShutdownDisabled}
		if change != nil {
			change(sm)
		}
	})
}

func TestAnEmptyNodeIsCordonedAndItsMachineDeletedWithoutAnotherDrain(t *testing.T) {
	t.Parallel()
	sm := drainingSM(nil)
	h := newHarness(t, knownCAPI, nil, sm, tradingCluster(), runningMachine(sm))
	h.onNode(interceptor.Funcs{}, readyNode(nil))
	result, err := h.reconcile()
	h.g.Expect(err).NotTo(HaveOccurred())
	h.g.Expect(h.node()).To(And(
		HaveField("Spec.Unschedulable", BeTrue()),
		HaveField("Annotations", HaveKeyWithValue(v1alpha1.CordonedByAnnotation, "sm-uid")),
	))
	h.g.Expect(h.read().Status.Shutdown.Drained).To(BeTrue())
	h.g.Expect(h.condition(v1alpha1.DrainedCondition)).To(Equal("True/Completed"))
	h.g.Expect(result.RequeueAfter).To(BeNumerically("<=", time.Millisecond), "what is drained is deleted at once")
	h.g.Expect(h.told()).To(ConsistOf(eventNodeDrained))
}

func TestAFailedStepOfADrainHoldsUpNoTimeout(t *testing.T) {
	t.Parallel()
	sm := drainingSM(func(sm *v1alpha1.ScheduledMachine) { sm.Spec.NodeDrainTimeout = "3s" })
	h := newHarness(t, knownCAPI, nil, sm, tradingCluster(), runningMachine(sm))
	h.onNode(interceptor.Funcs{
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return apierrors.NewForbidden(corev1.Resource("nodes"), "desk-7-node", errors.New("no right"))
		},
	}, readyNode(nil))
	result, err := h.reconcile()
	h.g.Expect(err).NotTo(HaveOccurred(), "the back-off of an error could outlast the timeout")
	h.g.Expect(result.RequeueAfter).To(BeNumerically("~", 3*time.Second, time.Second))
	h.g.Expect(h.condition(v1alpha1.DrainedCondition)).To(Equal("False/DrainFailing"))
	h.g.Expect(meta.FindStatusCondition(h.read().Status.Conditions, v1alpha1.DrainedCondition).Message).To(ContainSubstring("forbidden"))
}

func TestWhatWasAnsweredBeforeAStepFailedIsCounted(t *testing.T) {
	t.Parallel()
	sm := drainingSM(nil)
	h := newHarness(t, knownCAPI, nil, sm, tradingCluster(), runningMachine(sm))
	pod := func(name string) client.Object {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name)},
			Spec:       corev1.PodSpec{NodeName: "desk-7-node"},
		}
	}
	h.onNode(interceptor.Funcs{
		SubResourceCreate: func(_ context.Context, _ client.Client, _ string, obj, _ client.Object, _ ...client.SubResourceCreateOption) error {
			if obj.GetName() == "b" {
				return errors.New("connection refused")
			}
			return nil
		},
	}, readyNode(nil), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}, pod("a"), pod("b"))
	_, err := h.reconcile()
	h.g.Expect(err).NotTo(HaveOccurred())
	h.g.Expect(h.condition(v1alpha1.DrainedCondition)).To(Equal("False/DrainFailing"))
	h.g.Expect(h.counted("fivespot_pod_evictions_total")).To(BeEquivalentTo(1))
}

func TestANodeThatCannotBeTaintedHoldsUpNoBoundary(t *testing.T) {
	t.Parallel()
	sm := deskSM(tainted)
	h := newHarness(t, knownCAPI, nil, sm, tradingCluster(), runningMachine(sm))
	h.onNode(interceptor.Funcs{
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return errors.New("the webhook says no")
		},
	}, readyNode(nil))
	for range 5 {
		result, err := h.reconcile()
		h.g.Expect(err).NotTo(HaveOccurred())
		h.g.Expect(result.RequeueAfter).To(Equal(nodeRetry))
	}
	h.g.Expect(h.condition(v1alpha1.NodeTaintedCondition)).To(Equal("False/ApplyFailed"))
}

func TestAFailureThatIsMetAgainIsNotWrittenAgain(t *testing.T) {
	t.Parallel()
	for name, sm := range map[string]*v1alpha1.ScheduledMachine{"of a drain": drainingSM(nil), "of taints": deskSM(tainted)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, knownCAPI, nil, sm, tradingCluster(), runningMachine(sm))
			port := 40000
			h.onNode(interceptor.Funcs{
				Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
					port++
					return fmt.Errorf("read tcp [fd00::1]:%d->10.0.0.2:6443: read: connection reset by peer", port)
				},
			}, readyNode(nil))
			_, err := h.reconcile()
			h.g.Expect(err).NotTo(HaveOccurred())
			before := h.read().ResourceVersion
			for range 5 {
				h.clock.Step(drainRetry)
				_, err := h.reconcile()
				h.g.Expect(err).NotTo(HaveOccurred())
			}
			h.g.Expect(port).To(Equal(40006))
			h.g.Expect(h.read().ResourceVersion).To(Equal(before))
		})
	}
}

// A workload cluster that takes requests and answers none must not keep the others waiting.
func TestNoRequestToANodeWaitsForLong(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		sm   func(*v1alpha1.ScheduledMachine)
		node func(*corev1.Node)
	}{
		"to taint it": {sm: tainted},
		"to uncordon it": {sm: active, node: func(n *corev1.Node) {
			n.Spec.Unschedulable = true
			n.Annotations = map[string]string{v1alpha1.CordonedByAnnotation: "sm-uid"}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sm := deskSM(test.sm)
			h := newHarness(t, knownCAPI, nil, sm, tradingCluster(), runningMachine(sm))
			waits := time.Hour
			h.onNode(interceptor.Funcs{
				Patch: func(ctx context.Context, _ client.WithWatch, _ client.Object, _ client.Patch, _ ...client.PatchOption) error {
					if deadline, bounded := ctx.Deadline(); bounded {
						waits = time.Until(deadline)
					}
					return context.DeadlineExceeded
				},
			}, readyNode(test.node))
			result, err := h.reconcile()
			h.g.Expect(err).NotTo(HaveOccurred())
			h.g.Expect(waits).To(BeNumerically("<=", nodeEffectTimeout))
			h.g.Expect(result.RequeueAfter).To(Equal(nodeRetry))
		})
	}
}

func TestAStepThatCountedNothingTellsNoNumbers(t *testing.T) {
	t.Parallel()
	sm := drainingSM(nil)
	h := newHarness(t, knownCAPI, nil, sm, tradingCluster(), runningMachine(sm))
	h.onNode(interceptor.Funcs{
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return apierrors.NewConflict(corev1.Resource("nodes"), "desk-7-node", errors.New("the Node has changed"))
		},
	}, readyNode(nil))
	result, err := h.reconcile()
	h.g.Expect(err).NotTo(HaveOccurred())
	h.g.Expect(result.RequeueAfter).To(Equal(time.Second))
	h.g.Expect(h.read().Status.Drain).To(BeNil())
	h.g.Expect(meta.FindStatusCondition(h.read().Status.Conditions, v1alpha1.DrainedCondition).Message).To(Equal("Pods are being evicted from the Node"))
}
