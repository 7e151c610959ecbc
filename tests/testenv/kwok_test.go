package testenv_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/tests/testenv"
)

// calm is how long something has to stay as it is.
const calm = 500 * time.Millisecond

func TestKubeletsRunPods(t *testing.T) {
	if world == nil {
		t.Skip("starts control planes")
	}
	ctx, cancel := context.WithTimeout(t.Context(), startDeadline)
	defer cancel()
	full, err := testenv.NewWorld(ctx, testenv.Options{Log: t.Output(), Kubelets: true})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	folder := full.Workload.Folder()
	for _, test := range []struct {
		name string
		run  func(*podBench)
	}{
		{"and a budget of one makes evictions wait for replacements elsewhere", (*podBench).budgetOfOne},
		{"and a budget of none refuses every eviction", (*podBench).budgetOfNone},
		{"and a DaemonSet follows the label of a Node", (*podBench).daemonSet},
		{"and they are not Ready before their readiness probe", (*podBench).slowStart},
		{"until their grace is over and their finalizer is gone", (*podBench).graceAndFinalizer},
		{"and leave the Ready condition of Nodes alone", (*podBench).notReadyNode},
		{"but not on a Node that is lost", (*podBench).lostNode},
		{"and on a Node that is no machine's", (*podBench).ownNode},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(newPodBench(t, full)) })
	}
	g := NewWithT(t)
	g.Expect(full.Stop()).To(Succeed())
	g.Expect(folder).NotTo(BeADirectory())
	g.Expect(processesWith(t, folder)).To(BeEmpty())
}

// podBench is a bench whose machine has joined a cluster with kubelets.
type podBench struct {
	*bench
	node *corev1.Node
	pods *testenv.Pods
}

func newPodBench(t *testing.T, full *testenv.World) *podBench {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	t.Cleanup(cancel)
	b := &podBench{bench: &bench{WithT: NewWithT(t), ctx: ctx, world: full}}
	var err error
	b.namespace, err = full.Namespace(ctx, "pods")
	b.Expect(err).NotTo(HaveOccurred())
	_, err = full.CreateCluster(ctx, b.namespace, "prod")
	b.Expect(err).NotTo(HaveOccurred())
	_, b.node = b.join()
	workload, err := full.WorkloadNamespace(ctx, "pods")
	b.Expect(err).NotTo(HaveOccurred())
	b.pods = &testenv.Pods{Namespace: workload, Name: "work", Replicas: 1, Nodes: []string{b.node.Name}}
	t.Cleanup(func() {
		// The context of the test has ended.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline)
		defer cancel()
		NewWithT(t).Expect(full.DeleteWorkloadNamespace(ctx, workload)).To(Succeed())
	})
	return b
}

// deploy creates the Deployment and waits until its pods are Ready.
func (b *podBench) deploy() []corev1.Pod {
	_, err := b.world.CreateDeployment(b.ctx, b.pods)
	b.Expect(err).NotTo(HaveOccurred())
	ready, err := b.world.WaitForReadyPods(b.ctx, b.pods, int(b.pods.Replicas))
	b.Expect(err).NotTo(HaveOccurred())
	return ready
}

func (b *podBench) evict(pod *corev1.Pod) error {
	return b.world.WorkloadClient.SubResource("eviction").Create(b.ctx, pod, &policyv1.Eviction{})
}

func (b *podBench) cordon(node *corev1.Node, cordoned bool) {
	b.patch(node, fmt.Sprintf(`{"spec":{"unschedulable":%t}}`, cordoned))
}

func (b *podBench) patch(obj client.Object, patch string) {
	b.Expect(b.world.WorkloadClient.Patch(b.ctx, obj, client.RawPatch("application/merge-patch+json", []byte(patch)))).To(Succeed())
}

func (b *podBench) get(obj client.Object) {
	b.Expect(b.world.WorkloadClient.Get(b.ctx, client.ObjectKeyFromObject(obj), obj)).To(Succeed())
}

// nodeReady is the Ready condition of the Node.
func (b *podBench) nodeReady() corev1.ConditionStatus {
	b.get(b.node)
	for _, condition := range b.node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status
		}
	}
	return ""
}

func (b *podBench) budgetOfOne() {
	spare, err := b.world.Provider.AddSpareNode(b.ctx, "spare-"+b.namespace)
	b.Expect(err).NotTo(HaveOccurred())
	b.pods.Replicas, b.pods.Nodes = 10, []string{b.node.Name, spare.Name}
	crowd := &testenv.Pods{Namespace: b.pods.Namespace, Name: "crowd", Replicas: 90, Nodes: b.pods.Nodes}
	_, err = b.world.CreateDeployment(b.ctx, crowd)
	b.Expect(err).NotTo(HaveOccurred())
	ready := b.deploy()
	b.Expect(ready).To(HaveEach(HaveField("Spec.NodeName", b.node.Name)), "the spare Node is for when there is no other")
	others, err := b.world.WaitForReadyPods(b.ctx, crowd, 90)
	b.Expect(err).NotTo(HaveOccurred())
	b.Expect(others).To(HaveEach(HaveField("Spec.NodeName", b.node.Name)))
	_, err = b.world.CreateBudget(b.ctx, b.pods, testenv.OneAtATime)
	b.Expect(err).NotTo(HaveOccurred())

	b.cordon(b.node, true)
	b.cordon(spare, true)
	b.Expect(b.evict(&ready[0])).To(Succeed())
	b.Consistently(func() error { return b.evict(&ready[1]) }).WithTimeout(calm).Should(Satisfy(apierrors.IsTooManyRequests))
	b.cordon(spare, false)
	b.Eventually(func() error { return b.evict(&ready[1]) }).WithTimeout(deadline).Should(Succeed())
	again, err := b.world.WaitForReadyPods(b.ctx, b.pods, 10)
	b.Expect(err).NotTo(HaveOccurred())
	b.Expect(again).To(ContainElement(HaveField("Spec.NodeName", spare.Name)))

	b.Expect(b.world.Provider.RemoveSpareNode(b.ctx, spare)).To(Succeed())
	b.Expect(testenv.WaitGone(b.ctx, b.world.WorkloadClient, spare)).To(Succeed())
}

func (b *podBench) budgetOfNone() {
	b.pods.Replicas = 2
	ready := b.deploy()
	_, err := b.world.CreateBudget(b.ctx, b.pods, testenv.NoneEver)
	b.Expect(err).NotTo(HaveOccurred())
	b.Consistently(func() error { return b.evict(&ready[0]) }).WithTimeout(calm).Should(Satisfy(apierrors.IsTooManyRequests))
}

func (b *podBench) daemonSet() {
	b.pods.Nodes, b.pods.NodeSelector = nil, map[string]string{"example.com/agent": b.namespace}
	_, err := b.world.CreateDaemonSet(b.ctx, b.pods)
	b.Expect(err).NotTo(HaveOccurred())
	b.patch(b.node, `{"metadata":{"labels":{"example.com/agent":"`+b.namespace+`"}}}`)
	ready, err := b.world.WaitForReadyPods(b.ctx, b.pods, 1)
	b.Expect(err).NotTo(HaveOccurred())
	b.Expect(ready[0].Spec.NodeName).To(Equal(b.node.Name))
	b.patch(b.node, `{"metadata":{"labels":{"example.com/agent":null}}}`)
	b.Expect(b.world.WaitForNoPods(b.ctx, b.pods)).To(Succeed())
}

func (b *podBench) slowStart() {
	b.pods.Start = 2 * time.Second
	pod := b.deploy()[0]
	b.Expect(readySince(&pod)).To(BeTemporally(">=", pod.CreationTimestamp.Add(b.pods.Start)))
}

// readySince is when a pod became Ready.
func readySince(pod *corev1.Pod) time.Time {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.LastTransitionTime.Time
		}
	}
	return time.Time{}
}

func (b *podBench) graceAndFinalizer() {
	b.pods.Grace, b.pods.Finalizers = 3*time.Second, []string{"example.com/held"}
	pod := b.deploy()[0]
	b.Expect(b.evict(&pod)).To(Succeed())
	b.get(&pod)
	due := pod.DeletionTimestamp.Time
	b.Expect(testenv.WaitFor(b.ctx, b.world.WorkloadClient, &pod, func() bool { return pod.Status.Phase == corev1.PodFailed })).To(Succeed())
	b.Expect(time.Now()).To(BeTemporally(">=", due), "it stopped before its grace was over")
	b.Consistently(func() error {
		return b.world.WorkloadClient.Get(b.ctx, client.ObjectKeyFromObject(&pod), &pod)
	}).WithTimeout(calm).Should(Succeed(), "a finalizer keeps it")
	b.patch(&pod, `{"metadata":{"finalizers":null}}`)
	b.Expect(testenv.WaitGone(b.ctx, b.world.WorkloadClient, &pod)).To(Succeed())
}

func (b *podBench) notReadyNode() {
	pod := b.deploy()[0]
	b.Expect(b.world.Provider.SetNodeReady(b.ctx, b.node.Name, false)).To(Succeed())
	b.Consistently(b.nodeReady).WithTimeout(calm).Should(Equal(corev1.ConditionFalse))
	b.get(&pod)
	b.Expect(testenv.PodReady(&pod)).To(BeTrue())
	b.Expect(b.world.Provider.SetNodeReady(b.ctx, b.node.Name, true)).To(Succeed())
	b.Consistently(b.nodeReady).WithTimeout(calm).Should(Equal(corev1.ConditionTrue))
}

func (b *podBench) lostNode() {
	b.pods.Replicas = 2
	ready := b.deploy()
	b.Expect(b.world.Provider.StopKubelet(b.ctx, b.node.Name)).To(Succeed())
	b.Eventually(b.nodeReady).WithTimeout(deadline).Should(Equal(corev1.ConditionUnknown))
	b.Expect(testenv.WaitFor(b.ctx, b.world.WorkloadClient, &ready[1], func() bool { return !testenv.PodReady(&ready[1]) })).To(Succeed())
	b.Expect(b.world.WorkloadClient.Delete(b.ctx, &ready[0])).To(Succeed())
	b.Consistently(func() error {
		return b.world.WorkloadClient.Get(b.ctx, client.ObjectKeyFromObject(&ready[0]), &ready[0])
	}).WithTimeout(3*time.Second).Should(Succeed(), "its kubelet does not know")

	b.Expect(b.world.Provider.StartKubelet(b.ctx, b.node.Name)).To(Succeed())
	b.Expect(testenv.WaitGone(b.ctx, b.world.WorkloadClient, &ready[0])).To(Succeed())
	again, err := b.world.WaitForReadyPods(b.ctx, b.pods, 2)
	b.Expect(err).NotTo(HaveOccurred())
	b.Expect(again).To(ContainElement(HaveField("UID", ready[1].UID)), "what ran on the lost Node still runs")
	b.Expect(b.nodeReady()).To(Equal(corev1.ConditionTrue))
}

// processesWith are the command lines that hold the word.
func processesWith(t *testing.T, word string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		// A process that has ended meanwhile is none.
		if cmdline, err := os.ReadFile(file); err == nil && bytes.Contains(cmdline, []byte(word)) {
			found = append(found, string(cmdline))
		}
	}
	return found
}

func (b *podBench) ownNode() {
	b.pods.Nodes = []string{"own-" + b.namespace}
	b.Expect(b.world.Workload.AddNode(b.ctx, b.pods.Nodes[0])).To(Succeed())
	b.deploy()
}
