package rbac_test

import (
	"context"
	"os/exec"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
)

// secretReader names the bindings of the right to get Secrets.
const secretReader = "five-spot-secret-reader-rolebinding"

// With config/rbac-namespaced-secrets the manager works where it may get Secrets, and says
// what it lacks where it may not.
func TestTheRightToGetSecretsCanBeGivenInSingleNamespaces(t *testing.T) {
	needWorld(t)
	bindSecretsInSingleNamespaces(t)
	b := newBench(t, startOperator(t))
	bound := &bench{WithT: b.WithT, t: t, operator: b.operator, namespace: metav1.NamespaceDefault}
	bound.createCluster(bound.namespace)

	allowed := bound.machineWithSecret("desk-1")
	bound.running(allowed)
	bound.delete(allowed)

	secret, plain := b.machineWithSecret("desk-1"), b.machine("desk-2")
	b.create(secret, plain)
	lacks := `5-Spot lacks the right to get secrets in namespace "` + b.namespace + `"`
	b.awaitCondition(secret, v1alpha1.ReferencesValidCondition, "False/ProviderForbidden: "+lacks)
	b.awaitCondition(plain, v1alpha1.WorkloadClusterReachableCondition, "False/KubeconfigForbidden")
	b.Expect(b.messageOf(plain, v1alpha1.WorkloadClusterReachableCondition)).To(HaveSuffix(lacks))
	b.Expect(b.parts(secret)).To(BeEmpty())

	b.kubectl("-n", b.namespace, "create", "rolebinding", secretReader,
		"--clusterrole=five-spot-secret-reader-role", "--serviceaccount=5spot-system:five-spot-controller-manager")
	b.step(10 * time.Minute)
	for _, sm := range []*v1alpha1.ScheduledMachine{secret, plain} {
		b.connects(sm)
		b.delete(sm)
	}
}

// connects waits until a machine is Active whose workload cluster could not be reached.
func (b *bench) connects(sm *v1alpha1.ScheduledMachine) {
	b.t.Helper()
	b.Eventually(func() (v1alpha1.Phase, error) {
		b.step(time.Minute) // Attempts to connect come in real time, looks at the object in this one.
		now, err := b.read(sm)
		return now.Status.Phase, err
	}).WithPolling(time.Second).Should(Equal(v1alpha1.PhaseActive))
}

// The manager's own token is in such a file. Who may write the Secret does not get it, and
// whoever looks after the machine sees why there is no connection.
func TestAKubeconfigThatNamesAFileIsRefusedAndToldOf(t *testing.T) {
	needWorld(t)
	b := newBench(t, startOperator(t))
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.namespace, Name: clusterName + "-five-spot-kubeconfig"},
		StringData: map[string]string{"value": `{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}],
clusters: [{name: a, cluster: {server: "https://192.0.2.1"}}], users: [{name: a, user: {tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token}}]}`},
	}
	sm := b.machine("desk-1")
	b.create(secret, sm)
	b.awaitCondition(sm, v1alpha1.WorkloadClusterReachableCondition,
		"False/KubeconfigRefused: There is no connection to the workload cluster, since the kubeconfig in Secret "+b.namespace+"/"+secret.Name+" is refused: it has to hold a token")
	b.Expect(world.Client.Delete(t.Context(), secret)).To(Succeed())
	b.step(10 * time.Minute)
	b.connects(sm)
	b.delete(sm)
}

// bindSecretsInSingleNamespaces does what the page on installing tells to do, and undoes it
// at the end of the test.
func bindSecretsInSingleNamespaces(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(applyFolder(t.Context(), "rbac-namespaced-secrets")).To(Succeed())
	everywhere := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: secretReader}}
	g.Expect(world.Client.Delete(t.Context(), everywhere)).To(Succeed())
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		g.Expect(world.Client.Delete(ctx, &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: secretReader}})).To(Succeed())
		g.Expect(applyFolder(ctx, "default")).To(Succeed())
	})
	// The authorizer hears of it a moment later.
	reader, err := client.New(accessOf(t, account), client.Options{Scheme: world.Scheme})
	g.Expect(err).NotTo(HaveOccurred())
	g.Eventually(func() error {
		return reader.Get(t.Context(), client.ObjectKey{Namespace: systemNamespace, Name: "any"}, &corev1.Secret{})
	}).Should(MatchError(ContainSubstring("forbidden")))
}

// machineWithSecret is a ScheduledMachine with a secretRef, whose Secret it creates.
func (b *bench) machineWithSecret(name string) *v1alpha1.ScheduledMachine {
	b.t.Helper()
	b.create(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.namespace, Name: "ssh", Labels: map[string]string{v1alpha1.AllowSecretRefLabel: "true"}},
		StringData: map[string]string{"spec": "user: root"},
	})
	sm := b.machine(name)
	sm.Spec.InfrastructureSpec.SecretRef = &v1alpha1.SecretReference{Name: "ssh"}
	return sm
}

func (b *bench) kubectl(args ...string) {
	b.t.Helper()
	kubeconfig, err := world.Management.WriteKubeconfig(world.Management.Config, "admin")
	b.Expect(err).NotTo(HaveOccurred())
	out, err := exec.CommandContext(b.t.Context(), world.Management.Kubectl(), append([]string{"--kubeconfig", kubeconfig}, args...)...).CombinedOutput()
	b.Expect(err).NotTo(HaveOccurred(), string(out))
}
