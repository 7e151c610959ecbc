package drain_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/pkg/drain"
)

func budgetIsRespected(s *site) {
	s.pod("web-0", "web", s.node)
	s.pod("web-1", "web", s.node)
	budget := s.budget("web-budget", "web")
	s.processed(budget, 2)

	s.Expect(s.step(nil)).To(Equal(drain.Progress{
		PodsTotal: 2, PodsRemaining: 2, RetryAfter: time.Second, Cordoned: true,
		BlockedBy: []string{"Pod " + s.namespace + "/web-1: The disruption budget web-budget needs 1 healthy pods and has 1 currently"},
		Evictions: drain.Evictions{Accepted: 1, Refused: 1},
	}))
	node := s.request(s.client).Node
	s.Expect(node.Spec.Unschedulable).To(BeTrue())
	s.Expect(node.Annotations).To(HaveKeyWithValue(markKey, string(owner)))

	s.end("web")
	s.pod("web-2", "web", "elsewhere")
	s.processed(budget, 2)
	s.Eventually(func() []string { return s.step(nil).BlockedBy }).
		WithTimeout(patience).WithPolling(100 * time.Millisecond).Should(BeEmpty())
	s.end("web")
	s.Expect(s.step(nil)).To(Equal(drain.Progress{PodsTotal: 2, Drained: true}))
}

func forcedBypassesBudget(s *site) {
	s.pod("web-0", "web", s.node)
	s.processed(s.budget("never", "web"), 1)
	s.Expect(s.step(nil).BlockedBy).To(HaveLen(1))

	// The refused eviction must not hold back the deletion.
	progress, err := s.drainer.ForceStep(s.ctx, s.request(s.client), 0)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(progress.BlockedBy).To(BeEmpty())
	s.Expect(progress.Evictions).To(Equal(drain.Evictions{Accepted: 1}))
	pods := s.pods("web")
	s.Expect(pods).To(HaveLen(1), "without a grace period the Pod would be gone from the API at once")
	s.Expect(pods[0].DeletionGracePeriodSeconds).To(HaveValue(BeEquivalentTo(1)))
}

func twoBudgets(s *site) {
	s.pod("web-0", "web", s.node)
	// Each would hold the Pod, too: the API server may know one of them a moment before the
	// other.
	s.processed(s.budget("one", "web"), 1)
	s.processed(s.budget("two", "web"), 1)
	s.Eventually(func() []string { return s.step(nil).BlockedBy }).WithTimeout(patience).WithPolling(100 * time.Millisecond).
		Should(ConsistOf(ContainSubstring("more than one PodDisruptionBudget")))
}

func manyPods(s *site) {
	const count = 105
	for i := range count {
		s.pod(fmt.Sprintf("web-%03d", i), "web", s.node)
	}
	s.Eventually(func() int {
		progress := s.step(nil)
		s.Expect(progress.BlockedBy).To(BeEmpty())
		s.Expect(progress.PodsTotal).To(BeEquivalentTo(count))
		return s.terminating("web")
	}).WithTimeout(patience).WithPolling(100 * time.Millisecond).Should(Equal(count))
}

func throttledClient(s *site) {
	const count = 20
	for i := range count {
		s.pod(fmt.Sprintf("web-%02d", i), "web", s.node)
	}
	slow := s.newClient(4, 8)
	first := s.step(slow)
	s.Expect(first.BlockedBy).To(BeEmpty())
	s.Expect(first.Evictions.Accepted).To(And(BeNumerically(">", 0), BeNumerically("<", count)))
	s.Expect(first.Evictions.Failed).To(BeZero())
	s.Expect(first.RetryAfter).To(BeNumerically("<", time.Second))
}

func samePodElsewhere(s *site) {
	s.pod("web-0", "web", s.node)
	progress := s.step(movingClient{Client: s.client, move: func() {
		s.Expect(s.client.Delete(s.ctx, &s.pods("web")[0], client.GracePeriodSeconds(0))).To(Succeed())
		s.pod("web-0", "web", "elsewhere")
	}})
	s.Expect(progress.BlockedBy).To(BeEmpty())
	s.Expect(progress.Drained).To(BeFalse(), "the next look tells")
	s.Expect(s.terminating("web")).To(BeZero())
	s.Expect(s.step(nil).Drained).To(BeTrue())
}

// movingClient moves Pods after they were listed.
type movingClient struct {
	client.Client
	move func()
}

func (c movingClient) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	err := c.Client.List(ctx, list, opts...)
	if _, isPods := list.(*corev1.PodList); isPods {
		c.move()
	}
	return err
}

func drainRules(s *site) {
	s.pod("csi", "csi", s.node)
	rule := &clusterv1.MachineDrainRule{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "csi"},
		Spec: clusterv1.MachineDrainRuleSpec{
			Drain: clusterv1.MachineDrainRuleDrainConfig{Behavior: clusterv1.MachineDrainRuleDrainBehaviorSkip},
			Pods:  []clusterv1.MachineDrainRulePodSelector{{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "csi"}}}},
		},
	}
	s.Expect(s.client.Create(s.ctx, rule)).To(Succeed())
	s.Expect(s.step(nil).Drained).To(BeTrue())
	s.Expect(s.terminating("csi")).To(BeZero())

	rule.Spec.Pods[0].Selector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: "Nonsense"}}}
	s.Expect(s.client.Update(s.ctx, rule)).To(Succeed())
	_, err := s.drainer.Step(s.ctx, s.request(s.client))
	s.Expect(err).To(MatchError(ContainSubstring("invalid selectors in MachineDrainRule csi")))
}
