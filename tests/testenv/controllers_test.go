package testenv_test

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/finos/five-spot/tests/testenv"
)

func TestControllersFillTheControlPlanesWithLife(t *testing.T) {
	if world == nil {
		t.Skip("starts control planes")
	}
	g := NewWithT(t)
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	full, err := testenv.NewWorld(ctx, testenv.Options{Log: t.Output(), WorkloadControllers: true, ManagementControllers: true})
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { g.Expect(full.Stop()).To(Succeed()) }()
	namespace, err := full.Namespace(ctx, "life")
	g.Expect(err).NotTo(HaveOccurred())
	_, err = full.CreateCluster(ctx, namespace, "prod")
	g.Expect(err).NotTo(HaveOccurred())
	b := &bench{WithT: g, ctx: ctx, world: full, namespace: namespace}
	_, node := b.join()

	t.Log("The scheduler finds the Node, from which the node lifecycle controller has taken the taint")
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "work"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "work", Image: "example.com/none"}}},
	}
	g.Eventually(func() error { return full.WorkloadClient.Create(ctx, pod) }).WithTimeout(deadline).Should(Succeed(), "the ServiceAccount comes late")
	g.Expect(testenv.WaitFor(ctx, full.WorkloadClient, pod, func() bool { return pod.Spec.NodeName == node.Name })).To(Succeed())

	t.Log("The kubelet shows that it is alive")
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: corev1.NamespaceNodeLease, Name: node.Name}}
	g.Expect(testenv.WaitFor(ctx, full.WorkloadClient, lease, func() bool { return lease.Spec.RenewTime != nil })).To(Succeed())
	first := lease.Spec.RenewTime.Time
	g.Expect(testenv.WaitFor(ctx, full.WorkloadClient, lease, func() bool { return lease.Spec.RenewTime.After(first) })).To(Succeed())

	t.Log("A namespace without Cluster API objects goes away")
	empty, err := full.Namespace(ctx, "empty")
	g.Expect(err).NotTo(HaveOccurred())
	gone := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: empty}}
	g.Expect(full.Client.Delete(ctx, gone)).To(Succeed())
	g.Expect(testenv.WaitGone(ctx, full.Client, gone)).To(Succeed())
}
