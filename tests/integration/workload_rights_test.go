package integration_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

// readOnly are rights to look at a workload cluster, without any to change it.
var readOnly = []rbacv1.PolicyRule{
	{APIGroups: []string{""}, Resources: []string{"nodes", "namespaces", "pods"}, Verbs: []string{"get", "list", "watch"}},
	{APIGroups: []string{"apps"}, Resources: []string{"daemonsets"}, Verbs: []string{"get", "list", "watch"}},
	{NonResourceURLs: []string{"/"}, Verbs: []string{"get"}},
}

var _ = Describe("A kubeconfig without the right to change Nodes", func() {
	It("is told, and keeps no machine from coming and going by its schedule", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		grantOnly(ctx, namespace, readOnly)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours, tainted)
		joined(ctx, sm)
		expectCondition(ctx, sm, v1alpha1.NodeTaintedCondition, "False/ApplyFailed")
		Expect(messageOf(ctx, sm, v1alpha1.NodeTaintedCondition)).To(And(
			ContainSubstring("failed to write the taints of Node "+nodeName(sm)), ContainSubstring("forbidden")))
		expectCondition(ctx, sm, v1alpha1.ReadyCondition, "True/AsScheduled")
		Expect(statusOf(ctx, sm).AppliedNodeTaints).To(BeEmpty())

		operator.jumpTo(windowCloses)
		expectCondition(ctx, sm, v1alpha1.DrainedCondition, "False/DrainFailing")
		Expect(messageOf(ctx, sm, v1alpha1.DrainedCondition)).To(And(
			ContainSubstring("failed to cordon Node "+nodeName(sm)), ContainSubstring("forbidden")))
		Expect(machineIsDeleting(ctx, sm)()).To(BeFalse())
		operator.jumpTo(windowCloses.Add(6 * time.Minute))
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
		expectNothingLeft(ctx, sm)
		Expect(operator.measured("fivespot_node_drains_total", "timed_out")).To(BeEquivalentTo(1))
	})
})

// grantOnly gives the manager a kubeconfig for the Cluster of the namespace with only
// these rights in the workload cluster.
func grantOnly(ctx context.Context, namespace string, rules []rbacv1.PolicyRule) {
	GinkgoHelper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: workloadNamespace(ctx), Name: "five-spot"}}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: account.Namespace}, Rules: rules}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: account.Namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: account.Namespace, Name: account.Name}},
	}
	for _, obj := range []client.Object{account, role, binding} {
		Expect(world.WorkloadClient.Create(ctx, obj)).To(Succeed())
	}
	DeferCleanup(func(ctx context.Context) {
		Expect(world.WorkloadClient.Delete(ctx, binding)).To(Succeed())
		Expect(world.WorkloadClient.Delete(ctx, role)).To(Succeed())
	}, NodeTimeout(soon))

	// It leads through the same proxy as the one with all rights.
	generated := &corev1.Secret{}
	Expect(world.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: clusterName + "-kubeconfig"}, generated)).To(Succeed())
	config, err := clientcmd.RESTConfigFromKubeConfig(generated.Data["value"])
	Expect(err).NotTo(HaveOccurred())
	access, err := testenv.ServiceAccountConfig(ctx, world.WorkloadClient, config, client.ObjectKeyFromObject(account))
	Expect(err).NotTo(HaveOccurred())
	content, err := testenv.Kubeconfig(access, clusterName)
	Expect(err).NotTo(HaveOccurred())
	Expect(world.Client.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: clusterName + "-five-spot-kubeconfig"},
		Data:       map[string][]byte{"value": content},
	})).To(Succeed())
}
