package drain_test

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/pkg/drain"
	"github.com/finos/five-spot/tests/testenv"
)

const (
	startDeadline = 20 * time.Minute
	patience      = 2 * time.Minute

	// longestStep is what a step may take, with some room for a busy machine.
	longestStep = 2 * time.Second
)

// site is a Node with Pods on a real API server, which plays both clusters. There is
// no kubelet: end plays it.
type site struct {
	*WithT
	ctx       context.Context //nolint:containedctx // It lives as long as the test.
	config    *rest.Config
	client    client.Client
	drainer   *drain.Drainer
	namespace string
	node      string
	previous  drain.Progress
	longest   time.Duration
}

func TestOnARealAPIServer(t *testing.T) {
	t.Parallel()
	start := realControlPlane(t, true)
	tests := map[string]func(s *site){
		"a budget is respected, named, and freed by a replacement":   budgetIsRespected,
		"a forced drain bypasses the budget with a grace period":     forcedBypassesBudget,
		"two budgets for one Pod are told":                           twoBudgets,
		"more Pods than a page are all drained in bounded steps":     manyPods,
		"a client that may not ask any more has nothing blocked":     throttledClient,
		"a Pod of the same name on another Node is left alone":       samePodElsewhere,
		"a MachineDrainRule is honoured and a wrong one is an error": drainRules,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			test(s)
			t.Logf("longest step: %s", s.longest.Round(time.Millisecond))
			s.Expect(s.longest).To(BeNumerically("<", longestStep))
		})
	}
}

// Without a controller no budget is ever processed, and the API server asks to come
// back in ten seconds, which client-go would wait for.
func TestABudgetThatNobodyProcessesDoesNotStarveOtherPods(t *testing.T) {
	t.Parallel()
	s := realControlPlane(t, false)(t)
	for i := range 3 {
		s.pod(fmt.Sprintf("a-held-%d", i), "held", s.node)
		s.pod(fmt.Sprintf("b-free-%d", i), "free", s.node)
	}
	s.budget("held", "held")
	s.Eventually(func(g Gomega) {
		// The API server takes its time over such a budget, and a step does not wait for it.
		progress, err := s.attempt(s.client)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(progress.BlockedBy).To(BeEmpty())
		g.Expect(s.terminating("free")).To(Equal(3))
	}).WithTimeout(patience).WithPolling(100 * time.Millisecond).Should(Succeed())
	s.Expect(s.terminating("held")).To(BeZero())
	s.Expect(s.longest).To(BeNumerically("<", longestStep))
}

// realControlPlane starts a control plane, and returns what prepares a test on it.
func realControlPlane(t *testing.T, controllers bool) func(t *testing.T) *site {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a control plane")
	}
	g := NewWithT(t)
	ctx, cancel := context.WithTimeout(t.Context(), startDeadline)
	t.Cleanup(cancel)
	cp, err := testenv.Start(ctx, testenv.ControlPlaneOptions{Name: "drain", Controllers: controllers, Log: os.Stderr})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { g.Expect(cp.Stop()).To(Succeed()) })
	g.Expect(testenv.InstallClusterAPICRDs(ctx, cp.Config)).To(Succeed())

	var count atomic.Int32
	return func(t *testing.T) *site {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		t.Cleanup(cancel)
		name := fmt.Sprintf("desk-%d", count.Add(1))
		s := &site{WithT: NewWithT(t), ctx: ctx, config: cp.Config, namespace: name, node: name}
		s.client = s.newClient(1000, 1000)
		s.restart()
		s.Expect(s.client.Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}})).To(Succeed())
		s.Expect(s.client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})).To(Succeed())
		if controllers {
			account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "default"}}
			s.Expect(testenv.WaitFor(ctx, s.client, account, func() bool { return true })).To(Succeed())
		}
		return s
	}
}

func (s *site) restart() {
	s.drainer = drain.New(clock.RealClock{}, drain.Options{Management: s.client, MarkKey: markKey, FieldManager: manager})
}

func (s *site) newClient(qps float32, burst int) client.Client {
	config := rest.CopyConfig(s.config)
	config.QPS, config.Burst = qps, burst
	c, err := client.New(config, client.Options{Scheme: testenv.NewScheme()})
	s.Expect(err).NotTo(HaveOccurred())
	return c
}

// pod creates a Pod that is Ready.
func (s *site) pod(name, app, node string) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name, Labels: map[string]string{"app": app}},
		Spec: corev1.PodSpec{
			NodeName:                     node,
			AutomountServiceAccountToken: new(false),
			Containers:                   []corev1.Container{{Name: "main", Image: "example.com/app:1"}},
		},
	}
	s.Expect(s.client.Create(s.ctx, pod)).To(Succeed())
	pod.Status.Phase = corev1.PodRunning
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	s.Expect(s.client.Status().Update(s.ctx, pod)).To(Succeed())
}

func (s *site) budget(name, app string) *policyv1.PodDisruptionBudget {
	budget := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name},
		Spec: policyv1.PodDisruptionBudgetSpec{
			MinAvailable: new(intstr.FromInt32(1)),
			Selector:     &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}},
		},
	}
	s.Expect(s.client.Create(s.ctx, budget)).To(Succeed())
	return budget
}

// processed waits until the budget counts so many healthy Pods.
func (s *site) processed(budget *policyv1.PodDisruptionBudget, healthy int32) {
	s.Expect(testenv.WaitFor(s.ctx, s.client, budget, func() bool {
		return budget.Status.ObservedGeneration == budget.Generation && budget.Status.CurrentHealthy == healthy
	})).To(Succeed())
}

func (s *site) request(workload client.Client) drain.Request {
	node := &corev1.Node{}
	s.Expect(s.client.Get(s.ctx, client.ObjectKey{Name: s.node}, node)).To(Succeed())
	meta := metav1.ObjectMeta{Namespace: s.namespace, Name: s.node}
	return drain.Request{
		Workload: workload, Cluster: &clusterv1.Cluster{ObjectMeta: meta}, Machine: &clusterv1.Machine{ObjectMeta: meta},
		Node: node, Owner: owner, Previous: s.previous,
	}
}

// step takes a step that must succeed; by an administrator unless told otherwise.
func (s *site) step(workload client.Client) drain.Progress {
	if workload == nil {
		workload = s.client
	}
	progress, err := s.attempt(workload)
	s.Expect(err).NotTo(HaveOccurred())
	return progress
}

// attempt takes a step that a busy API server may not answer in time.
func (s *site) attempt(workload client.Client) (drain.Progress, error) {
	request := s.request(workload)
	start := time.Now()
	progress, err := s.drainer.Step(s.ctx, request)
	s.longest = max(s.longest, time.Since(start))
	if err == nil {
		s.previous = progress
	}
	return progress, err
}

func (s *site) pods(app string) []corev1.Pod {
	pods := &corev1.PodList{}
	s.Expect(s.client.List(s.ctx, pods, client.InNamespace(s.namespace), client.MatchingLabels{"app": app})).To(Succeed())
	return pods.Items
}

func (s *site) terminating(app string) int {
	count := 0
	for _, pod := range s.pods(app) {
		if !pod.DeletionTimestamp.IsZero() {
			count++
		}
	}
	return count
}

// end plays the kubelet: what is terminating goes.
func (s *site) end(app string) {
	for _, pod := range s.pods(app) {
		if !pod.DeletionTimestamp.IsZero() {
			s.Expect(client.IgnoreNotFound(s.client.Delete(s.ctx, &pod, client.GracePeriodSeconds(0)))).To(Succeed())
		}
	}
}
