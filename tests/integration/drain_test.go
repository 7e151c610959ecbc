package integration_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

const (
	// manyPods run on the Node in all; guardedPods of them are behind a budget.
	manyPods    = 100
	guardedPods = 10

	// longestReconcile is the promise: no reconcile takes longer.
	longestReconcile = 2 * time.Second

	// drainPatience is for a drain in which pods wait for each other.
	drainPatience = 3 * time.Minute
)

var _ = Describe("A drain", func() {
	It("of a hundred Pods never violates a PodDisruptionBudget, and keeps no reconcile busy", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		nodes := []string{nodeName(sm), spareNode(ctx, "spare."+namespace)}
		where := workloadNamespace(ctx)
		deployed(ctx, &testenv.Pods{Namespace: where, Name: "free", Replicas: manyPods - guardedPods, Nodes: nodes})
		guarded := deployed(ctx, &testenv.Pods{Namespace: where, Name: "guarded", Replicas: guardedPods, Nodes: nodes})
		guard(ctx, guarded, testenv.OneAtATime)
		expectAllOn(ctx, nodeName(sm), guarded)
		seenPods := watchPods(ctx, operator, where, guarded.Selector())
		seenBudget := watch[*policyv1.PodDisruptionBudget](ctx, world.WorkloadClient, operator, &policyv1.PodDisruptionBudgetList{}, client.InNamespace(where))
		machine := watchMachine(ctx, operator, sm)
		states := record(ctx, namespace)
		Eventually(func() int { return len(seenPods.list()) }).Should(BeNumerically(">=", guardedPods))
		operator.settle()
		operator.requests.Reset()
		before := reconcilesSoFar()

		operator.jumpTo(windowCloses)
		Eventually(phase(ctx, sm), drainPatience).Should(Equal(v1alpha1.PhaseInactive))
		expectNothingLeft(ctx, sm)

		By("respecting the budget at every moment")
		Expect(fewestHealthy(seenPods)).To(Equal(guardedPods - 1))
		for _, state := range seenBudget.list() {
			Expect(state.object.Status.CurrentHealthy).To(BeNumerically(">=", state.object.Status.DesiredHealthy))
		}
		By("saying how far it was")
		expectProgress(states, manyPods)
		Expect(firstDrained(states)).To(Satisfy(func(first *v1alpha1.ScheduledMachine) bool {
			return isOlder(first, machine.deletion().object)
		}), "the end of the drain is on record before the Machine is deleted without another one")
		Expect(machine.deletion().object.Annotations).To(haveSkipped(false))
		Eventually(eventNotes(ctx, sm, "NodeDrained")).Should(ConsistOf(ContainSubstring("%d in all", manyPods)))
		Expect(operator.measured("fivespot_node_drains_total", "completed")).To(BeEquivalentTo(1))
		// The answer to the last request of a step may come after the step's second.
		Expect(operator.measured("fivespot_pod_evictions_total", "accepted")).To(And(
			BeNumerically(">=", manyPods-guardedPods), BeNumerically("<=", manyPods)))
		Expect(operator.measured("fivespot_pod_evictions_total", "refused")).To(BeNumerically(">", 0))

		By("asking the workload cluster and not the management cluster")
		Expect(operator.requests.List(func(r testenv.Request) bool {
			return strings.Contains(r.Path, "/pods") || strings.Contains(r.Path, "/nodes")
		})).To(BeEmpty())

		By("taking one short step in each reconcile")
		during := reconcilesSoFar().since(before)
		_, took := operator.observed("fivespot_node_drain_duration_seconds", "completed")
		AddReportEntry("drain of a hundred Pods", fmt.Sprintf("%.1f s, %d reconciles, mean %.0f ms, %d of them over %s",
			took, during.count, during.mean()*1000, during.count-during.short, longestReconcile))
		Expect(during.short).To(Equal(during.count))
	}, SpecTimeout(drainPatience+3*soon))
})

// expectAllOn looks that the pods all run on the Node.
func expectAllOn(ctx context.Context, node string, pods *testenv.Pods) {
	GinkgoHelper()
	for _, pod := range podsOf(ctx, pods) {
		Expect(pod.Spec.NodeName).To(Equal(node), pod.Name)
	}
}

// fewestHealthy is the lowest number of pods that were Ready and not terminating at
// the same time, from the first time that all were.
func fewestHealthy(seen *sightings[*corev1.Pod]) int {
	healthy, fewest, begun := map[types.UID]bool{}, guardedPods, false
	for _, state := range seen.list() {
		healthy[state.object.UID] = !state.deleted && testenv.PodReady(state.object)
		count := 0
		for _, is := range healthy {
			if is {
				count++
			}
		}
		begun = begun || count >= guardedPods
		if begun {
			fewest = min(fewest, count)
		}
	}
	return fewest
}

// expectProgress looks that the number of remaining Pods only ever went down, to
// none, while the total stayed.
func expectProgress(states *history, total int32) {
	GinkgoHelper()
	var remaining []int32
	states.sequence(func(sm *v1alpha1.ScheduledMachine) string {
		if drain := sm.Status.Drain; drain != nil {
			remaining = append(remaining, drain.PodsRemaining)
			Expect(drain.PodsTotal).To(Equal(total))
			Expect(len(drain.BlockedBy)).To(BeNumerically("<=", 10))
		}
		return ""
	})
	Expect(remaining).NotTo(BeEmpty())
	Expect(remaining[0]).To(Equal(total))
	Expect(remaining[len(remaining)-1]).To(BeZero())
	slices.Reverse(remaining)
	Expect(slices.IsSorted(remaining)).To(BeTrue(), "backwards: %v", remaining)
}

// firstDrained is the first state of the object that says that the drain is complete.
func firstDrained(states *history) *v1alpha1.ScheduledMachine {
	GinkgoHelper()
	var first *v1alpha1.ScheduledMachine
	states.sequence(func(sm *v1alpha1.ScheduledMachine) string {
		if first == nil && said(v1alpha1.DrainedCondition)(sm) == "True/"+v1alpha1.DrainCompletedReason {
			first = sm.DeepCopy()
		}
		return ""
	})
	Expect(first).NotTo(BeNil())
	return first
}

// reconciles are those of ScheduledMachines since the process began, by real time and
// whatever a spec's clock shows.
type reconciles struct {
	count, short uint64
	seconds      float64
}

func (r reconciles) since(before reconciles) reconciles {
	return reconciles{r.count - before.count, r.short - before.short, r.seconds - before.seconds}
}

func (r reconciles) mean() float64 { return r.seconds / float64(max(1, r.count)) }

// reconcilesSoFar reads what controller-runtime measures around each reconcile.
func reconcilesSoFar() reconciles {
	GinkgoHelper()
	families, err := ctrlmetrics.Registry.Gather()
	Expect(err).NotTo(HaveOccurred())
	var sum reconciles
	for _, family := range families {
		if family.GetName() != "controller_runtime_reconcile_time_seconds" {
			continue
		}
		for _, metric := range family.GetMetric() {
			if metric.GetLabel()[0].GetValue() != "scheduledmachine" {
				continue
			}
			histogram := metric.GetHistogram()
			sum.count += histogram.GetSampleCount()
			sum.seconds += histogram.GetSampleSum()
			for _, bucket := range histogram.GetBucket() {
				if bucket.GetUpperBound() == longestReconcile.Seconds() {
					sum.short += bucket.GetCumulativeCount()
				}
			}
		}
	}
	Expect(sum.count).NotTo(BeZero())
	return sum
}
