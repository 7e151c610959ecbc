package integration_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

// reclaimPatience is how long a reclaimed Node is drained.
const reclaimPatience = time.Minute

var _ = Describe("The drain of a Node that is reclaimed", func() {
	It("asks no PodDisruptionBudget, lets no Pod end without its grace, and removes the machine as soon as it is empty", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		held, _ := blocked(ctx, sm)
		graceless := stubbornPod(ctx, nodeName(sm))
		Expect(graceless.Spec.TerminationGracePeriodSeconds).To(HaveValue(BeZero()))
		seen := watchPods(ctx, operator, held.Namespace)
		seenGraceless := watchPods(ctx, operator, graceless.Namespace)
		machine := watchMachine(ctx, operator, sm)

		requestReclaim(ctx, nodeName(sm))
		expectPhase(ctx, sm, v1alpha1.PhaseDisabled)
		expectNothingLeft(ctx, sm)
		Expect(gracesOf(seen)).To(ConsistOf(BeEquivalentTo(1)))
		Expect(gracesOf(seenGraceless)).To(ConsistOf(BeEquivalentTo(1)), "none would take a Pod out of the API while its processes run")
		Expect(machine.deletion().object.Annotations).To(haveSkipped(true))
		now, err := read(ctx, sm)
		Expect(err).NotTo(HaveOccurred())
		Expect(now.Spec.Schedule.Enabled).To(HaveValue(BeFalse()))
		Eventually(eventReasons(ctx, sm)).Should(ContainElements("EmergencyReclaim", "NodeDrained", "EmergencyReclaimDisabledSchedule"))
		Expect(operator.measured("fivespot_node_drains_total", "completed")).To(BeEquivalentTo(1))
		Expect(operator.measured("fivespot_pod_evictions_total", "accepted")).To(BeEquivalentTo(2))
	})

	It("is given up after a minute, and gives no Pod longer than that", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		where, node := workloadNamespace(ctx), []string{nodeName(sm)}
		slow := deployed(ctx, &testenv.Pods{Namespace: where, Name: "slow", Replicas: 1, Nodes: node, Grace: time.Hour})
		stuck := deployed(ctx, &testenv.Pods{Namespace: where, Name: "stuck", Replicas: 1, Nodes: node, Finalizers: []string{"example.com/never"}})
		seen := watchPods(ctx, operator, where, slow.Selector())
		machine := watchMachine(ctx, operator, sm)
		behave(namespace, testenv.Behaviour{HoldRemoval: true})

		requestReclaim(ctx, nodeName(sm))
		expectPhase(ctx, sm, v1alpha1.PhaseEmergencyRemove)
		waitReady(ctx, stuck, 0)
		expectDrainedBut(ctx, sm, 2)
		Expect(blockedBy(ctx, sm)()).To(BeEmpty(), "what is terminating is not blocked")
		Expect(gracesOf(seen)).To(ConsistOf(And(BeNumerically(">", 30), BeNumerically("<=", 60))))
		due := shutdownStarted(ctx, sm).Add(reclaimPatience)
		operator.jumpTo(due.Add(-justBefore))
		gone := machine.deletion()
		Expect(gone.at).To(BeTemporally(">=", due), "not before the minute has passed")
		Expect(gone.object.Annotations).To(haveSkipped(true))
		Expect(podsOf(ctx, stuck)).To(ContainElement(HaveField("Finalizers", ConsistOf("example.com/never"))))
		behave(namespace, testenv.Behaviour{})
		expectPhase(ctx, sm, v1alpha1.PhaseDisabled)
		Expect(operator.measured("fivespot_node_drains_total", "completed")).To(BeZero())
		Expect(operator.measured("fivespot_node_drains_total", "abandoned")).To(BeEquivalentTo(1))
	})
})

// gracesOf are the seconds that the Pods of one Node had to end, each Pod once, as it
// was first asked to.
func gracesOf(seen *sightings[*corev1.Pod]) []int64 {
	var graces []int64
	told := map[string]bool{}
	for _, state := range seen.list() {
		pod := state.object
		if pod.DeletionGracePeriodSeconds != nil && !told[pod.Name] {
			told[pod.Name] = true
			graces = append(graces, *pod.DeletionGracePeriodSeconds)
		}
	}
	return graces
}
