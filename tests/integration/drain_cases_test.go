package integration_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

const (
	// unreachableNode is how long it may take until a silent kubelet is noticed: 20 s
	// and what a busy machine adds.
	unreachableNode = 2 * time.Minute

	// withoutWaiting is more than a drain takes in which no pod waits for another.
	withoutWaiting = 30 * time.Second
)

var _ = Describe("A drain", func() {
	It("leaves alone what belongs to the Node, and waits by name for what is to complete", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		node, where := []string{nodeName(sm)}, workloadNamespace(ctx)
		daemon := &testenv.Pods{Namespace: where, Name: "daemon", Nodes: node}
		_, err := world.CreateDaemonSet(ctx, daemon)
		Expect(err).NotTo(HaveOccurred())
		waitReady(ctx, daemon, 1)
		labelled := deployed(ctx, &testenv.Pods{Namespace: where, Name: "labelled", Replicas: 2, Nodes: node, Labels: drainLabel("skip")})
		ruled := deployed(ctx, &testenv.Pods{Namespace: where, Name: "ruled", Replicas: 1, Nodes: node})
		skipByRule(ctx, namespace, ruled)
		batch := deployed(ctx, &testenv.Pods{Namespace: where, Name: "batch", Replicas: 1, Nodes: node, Labels: drainLabel("wait-completed")})
		free := deployed(ctx, &testenv.Pods{Namespace: where, Name: "free", Replicas: 1, Nodes: node})
		behave(namespace, testenv.Behaviour{HoldRemoval: true})

		operator.jumpTo(windowCloses)
		Eventually(blockedBy(ctx, sm)).Should(ConsistOf(And(
			ContainSubstring("Pod %s/batch-", where), ContainSubstring("waited for until it completes"))))
		waitReady(ctx, free, 0)
		expectDrainedBut(ctx, sm, 1)
		expectStaying(ctx, batch)
		Expect(statusOf(ctx, sm).Drain.PodsTotal).To(BeEquivalentTo(2))
		Expect(machineIsDeleting(ctx, sm)()).To(BeFalse())

		By("completing")
		complete(ctx, &podsOf(ctx, batch)[0])
		// Nothing tells that it has; the drain looks every ten seconds.
		expectCondition(ctx, sm, v1alpha1.DrainedCondition, "True/Completed")
		Eventually(machineIsDeleting(ctx, sm)).Should(BeTrue())
		expectStaying(ctx, daemon)
		expectStaying(ctx, labelled)
		expectStaying(ctx, ruled)
		behave(namespace, testenv.Behaviour{})
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
	})

	It("does not wait for the Pods of a Node whose kubelet is silent", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		pods := deployed(ctx, &testenv.Pods{
			Namespace: workloadNamespace(ctx), Name: "lost", Replicas: 3, Nodes: []string{nodeName(sm)}, Grace: time.Hour,
		})
		Expect(world.Provider.StopKubelet(ctx, nodeName(sm))).To(Succeed())
		Eventually(readiness(ctx, nodeName(sm)), unreachableNode).Should(Equal(corev1.ConditionUnknown))
		expectCondition(ctx, sm, v1alpha1.ReadyCondition, "False/NodeNotReady")
		behave(namespace, testenv.Behaviour{HoldRemoval: true})

		operator.jumpTo(windowCloses)
		expectCondition(ctx, sm, v1alpha1.DrainedCondition, "True/Completed")
		Eventually(machineIsDeleting(ctx, sm)).Should(BeTrue())
		now := podsOf(ctx, pods)
		Expect(len(now)).To(BeNumerically(">=", 3), "nobody ended them")
		behave(namespace, testenv.Behaviour{})
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
		Expect(operator.measured("fivespot_node_drains_total", "completed")).To(BeEquivalentTo(1))
	}, SpecTimeout(unreachableNode+4*soon))

	It("goes on where it was when the manager is started anew", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		first := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		former := joined(ctx, sm)
		held, budget := blocked(ctx, sm)
		deployed(ctx, &testenv.Pods{Namespace: held.Namespace, Name: "free", Replicas: 5, Nodes: held.Nodes})
		first.jumpTo(windowCloses)
		before := expectBlocked(ctx, sm, held)
		expectDrainedBut(ctx, sm, 1)

		first.stop()
		first.clock.Step(time.Minute)
		states := record(ctx, namespace)
		second := resumeOperator(ctx, first.clock)
		Eventually(second.looks).Should(BeNumerically(">=", 2))
		expectBlocked(ctx, sm, held)
		Expect(theMachine(ctx, sm).UID).To(Equal(former.UID))
		Expect(world.WorkloadClient.Delete(ctx, budget)).To(Succeed())
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
		states.sequence(func(sm *v1alpha1.ScheduledMachine) string {
			if now := sm.Status; now.Shutdown != nil {
				Expect(now.Shutdown.StartedAt.Time).To(Equal(before.Shutdown.StartedAt.Time))
				Expect(now.Shutdown.DrainStartedAt.Time).To(Equal(before.Shutdown.DrainStartedAt.Time))
				Expect(now.Drain.PodsTotal).To(BeEquivalentTo(6))
			}
			return ""
		})
		Expect(second.measured("fivespot_node_drains_total", "completed")).To(BeEquivalentTo(1))
		_, took := second.observed("fivespot_node_drain_duration_seconds", "completed")
		Expect(took).To(BeNumerically(">", 60), "it is measured from its beginning")
	})

	It("that is blocked does not slow that of another machine of the Cluster", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		stuck := apply(ctx, namespace, businessHours)
		swift := apply(ctx, namespace, businessHours, func(sm *v1alpha1.ScheduledMachine) { sm.Name = "desk-8" })
		joined(ctx, stuck)
		joined(ctx, swift)
		held, _ := blocked(ctx, stuck)
		deployed(ctx, &testenv.Pods{Namespace: held.Namespace, Name: "free", Replicas: 20, Nodes: []string{nodeName(swift)}})
		operator.jumpTo(windowCloses)
		expectPhase(ctx, swift, v1alpha1.PhaseInactive)
		count, took := operator.observed("fivespot_node_drain_duration_seconds", "completed")
		Expect(count).To(BeEquivalentTo(1))
		Expect(took).To(BeNumerically("<", withoutWaiting.Seconds()))

		expectBlocked(ctx, stuck, held)
		expectStaying(ctx, held)
		Expect(machineIsDeleting(ctx, stuck)()).To(BeFalse())
		Expect(phase(ctx, stuck)()).To(Equal(v1alpha1.PhaseShuttingDown))
	})

	It("goes on for the other Pods when one eviction is refused with an error", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		where, node := workloadNamespace(ctx), []string{nodeName(sm)}
		// Two budgets for one Pod are a mistake, to which the API server answers 500.
		twice := deployed(ctx, &testenv.Pods{Namespace: where, Name: "a-twice", Replicas: 1, Nodes: node})
		first := guard(ctx, twice, testenv.OneAtATime)
		second := first.DeepCopy()
		second.ObjectMeta = metav1.ObjectMeta{Namespace: where, Name: "again"}
		Expect(world.WorkloadClient.Create(ctx, second)).To(Succeed())
		free := deployed(ctx, &testenv.Pods{Namespace: where, Name: "b-free", Replicas: 5, Nodes: node})
		operator.jumpTo(windowCloses)
		Eventually(blockedBy(ctx, sm)).Should(ConsistOf(And(
			ContainSubstring("Pod %s/a-twice-", where), ContainSubstring("more than one PodDisruptionBudget"))))
		waitReady(ctx, free, 0)
		expectDrainedBut(ctx, sm, 1)
		expectStaying(ctx, twice)
		Expect(world.WorkloadClient.Delete(ctx, second)).To(Succeed())
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
	})
})

func drainLabel(value string) map[string]string {
	return map[string]string{clusterv1.PodDrainLabel: value}
}

// skipByRule creates a MachineDrainRule by which the pods stay.
func skipByRule(ctx context.Context, namespace string, pods *testenv.Pods) {
	GinkgoHelper()
	rule := &clusterv1.MachineDrainRule{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: pods.Name},
		Spec: clusterv1.MachineDrainRuleSpec{
			Drain: clusterv1.MachineDrainRuleDrainConfig{Behavior: clusterv1.MachineDrainRuleDrainBehaviorSkip},
			Pods:  []clusterv1.MachineDrainRulePodSelector{{Selector: &metav1.LabelSelector{MatchLabels: pods.Selector()}}},
		},
	}
	Expect(world.Client.Create(ctx, rule)).To(Succeed())
}

// complete ends a pod as one does that has done its work.
func complete(ctx context.Context, pod *corev1.Pod) {
	GinkgoHelper()
	before := pod.DeepCopy()
	pod.Status.Phase = corev1.PodSucceeded
	Expect(world.WorkloadClient.Status().Patch(ctx, pod, client.MergeFrom(before))).To(Succeed())
}

// readiness reads whether a Node is Ready, for Eventually.
func readiness(ctx context.Context, node string) func() (corev1.ConditionStatus, error) {
	return func() (corev1.ConditionStatus, error) {
		now := &corev1.Node{}
		err := world.WorkloadClient.Get(ctx, client.ObjectKey{Name: node}, now)
		for _, condition := range now.Status.Conditions {
			if condition.Type == corev1.NodeReady {
				return condition.Status, err
			}
		}
		return "", err
	}
}
