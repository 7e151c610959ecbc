package manager_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/admission"
	"github.com/finos/five-spot/pkg/reclaim"
	"github.com/finos/five-spot/pkg/reclaim/provision"
	"github.com/finos/five-spot/tests/testenv"
)

// leaving is a cluster that 5-Spot leaves.
type leaving struct {
	*manager
	kubeconfig string
}

func TestUninstallOperandsRemovesThemAllAndSaysWhatIsLeft(t *testing.T) {
	needWorld(t)
	t.Cleanup(func() { withoutOperandKinds(t) })
	NewWithT(t).Expect(testenv.InstallOperandKinds(t.Context(), world.Config())).To(Succeed())
	l := &leaving{manager: startManager(t, "--manage-network-policy", "--enable-leader-election")}
	var err error
	l.kubeconfig, err = world.Management.WriteKubeconfig(world.Config(), "admin")
	l.Expect(err).NotTo(HaveOccurred())
	for i := range installed {
		l.Eventually(l.operand).WithArguments(i).ShouldNot(BeNil())
	}
	l.Eventually(l.networkPolicy).ShouldNot(BeNil())
	l.Eventually(l.policies).Should(HaveLen(2 * len(admission.Names())))

	out, err := l.uninstall()
	l.Expect(err).To(HaveOccurred())
	l.Expect(out).To(And(ContainSubstring("a manager is running"), ContainSubstring("holds the Lease 5spot-system/5spot-leader")))
	l.Expect(l.policies()).To(HaveLen(2*len(admission.Names())), "nothing is removed while a manager runs")
	l.stop()

	cluster, out := l.withAnAgent(), ""
	l.change(0, func(object *unstructured.Unstructured) { object.SetLabels(nil) }) // The ServiceMonitor becomes somebody's.

	theirs := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "5spot-leader"},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: new("somebody"), RenewTime: new(metav1.NowMicro()), LeaseDurationSeconds: new(int32(600))},
	}
	l.Expect(world.WorkloadClient.Create(t.Context(), theirs)).To(Succeed())
	out, err = l.uninstall("--dry-run")
	l.Expect(err).NotTo(HaveOccurred(), out)
	l.Expect(out).To(And(Not(ContainSubstring("Would remove the reclaim agent in Cluster "+cluster)),
		ContainSubstring("Left: the reclaim agent in Cluster "+cluster+", where a manager of its own is running; somebody holds the Lease default/5spot-leader")))
	l.Expect(world.WorkloadClient.Delete(t.Context(), theirs)).To(Succeed())

	out, err = l.uninstall("--dry-run")
	l.Expect(err).NotTo(HaveOccurred(), out)
	l.Expect(out).To(And(
		ContainSubstring("Would remove the reclaim agent in Cluster "+cluster+", Namespace 5spot-system"),
		ContainSubstring("Would delete PrometheusRule 5spot-system/five-spot-controller-manager"), Not(ContainSubstring("Deleted"))))
	l.Expect(l.policies()).To(HaveLen(2 * len(admission.Names())))
	l.Expect(l.agent()).To(Succeed())

	out, err = l.uninstall()
	l.Expect(err).NotTo(HaveOccurred(), out)
	l.Expect(strings.Split(out, "\n")).To(ContainElements(
		"Removed the reclaim agent in Cluster "+cluster+", Namespace 5spot-system",
		"Deleted ConsoleYAMLSample five-spot-business-hours", "Deleted ConsoleYAMLSample five-spot-weekend",
		"Deleted ConsoleYAMLSample five-spot-workstation", "Deleted ConsoleQuickStart five-spot-scheduled-machine",
		"Deleted PrometheusRule 5spot-system/five-spot-controller-manager", "Deleted NetworkPolicy 5spot-system/five-spot-controller-manager",
		"Deleted ValidatingAdmissionPolicyBinding five-spot-crd-guard", "Deleted ValidatingAdmissionPolicy five-spot-crd-guard",
		"Left: ServiceMonitor 5spot-system/five-spot-controller-manager, which is not labelled app.kubernetes.io/managed-by=five-spot",
		HavePrefix("Left: CustomResourceDefinition scheduledmachines.5spot.finos.org with "),
		HavePrefix("Left: CustomResourceDefinition machinecalendars.5spot.finos.org with "),
	))
	l.Expect(l.policies()).To(BeEmpty())
	l.Expect(l.networkPolicy()).To(BeNil())
	for i := range installed[1:] {
		l.Expect(l.operand(i + 1)).To(BeNil())
	}
	l.Expect(l.agent()).NotTo(Succeed())
	armed := &corev1.NodeList{}
	l.Expect(world.WorkloadClient.List(t.Context(), armed, client.MatchingLabels{v1alpha1.ReclaimAgentLabel: v1alpha1.ReclaimAgentEnabled})).To(Succeed())
	l.Expect(armed.Items).To(BeEmpty(), "no Node keeps our label")
	l.Expect(world.Client.Get(t.Context(), client.ObjectKey{Name: namespace}, &corev1.Namespace{})).To(Succeed())

	unreached := l.cluster()
	l.Expect(world.Client.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: unreached.Namespace, Name: unreached.Name + "-kubeconfig"}})).To(Succeed())
	again, err := l.uninstall()
	l.Expect(err).NotTo(HaveOccurred(), again)
	l.Expect(again).NotTo(Or(ContainSubstring("Deleted"), ContainSubstring("Removed")))
	l.Expect(again).To(ContainSubstring("Left: the reclaim agent in Cluster " + unreached.String() + ", if there is one: the Cluster has no kubeconfig"))
	l.remove(0)
}

func TestUninstallOperandsFailsWhereAClusterIsOutOfReachAndRemovesTheRest(t *testing.T) {
	needWorld(t)
	l := &leaving{manager: startManager(t)}
	var err error
	l.kubeconfig, err = world.Management.WriteKubeconfig(world.Config(), "admin")
	l.Expect(err).NotTo(HaveOccurred())
	l.Eventually(l.policies).Should(HaveLen(2 * len(admission.Names())))
	l.stop()
	unreachable, err := testenv.Kubeconfig(&rest.Config{Host: "https://127.0.0.1:1"}, "gone")
	l.Expect(err).NotTo(HaveOccurred())
	key := l.cluster()
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name + "-five-spot-kubeconfig"}, Data: map[string][]byte{"value": unreachable},
	}
	l.Expect(world.Client.Create(t.Context(), secret)).To(Succeed())

	out, err := l.uninstall()
	l.Expect(err).To(HaveOccurred())
	l.Expect(out).To(And(
		ContainSubstring("Failed: the reclaim agent in Cluster "+key.String()+": "), ContainSubstring("connection refused"),
		ContainSubstring("Deleted ValidatingAdmissionPolicy five-spot-crd-guard"), ContainSubstring("something is left that could not be removed")))
	l.Expect(l.policies()).To(BeEmpty())
}

// uninstall runs the command as an administrator does.
func (l *leaving) uninstall(args ...string) (string, error) {
	l.Helper()
	cmd := exec.CommandContext(l.Context(), binary, append([]string{"uninstall-operands", "--kubeconfig", l.kubeconfig, "--timeout", time.Minute.String()}, args...)...)
	cmd.Env = os.Environ()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// cluster is a Cluster of Cluster API, whose workload cluster is that of the world.
func (l *leaving) cluster() client.ObjectKey {
	l.Helper()
	in, err := world.Namespace(l.Context(), "leaving")
	l.Expect(err).NotTo(HaveOccurred())
	cluster, err := world.CreateCluster(l.Context(), in, "trading")
	l.Expect(err).NotTo(HaveOccurred())
	return client.ObjectKeyFromObject(cluster)
}

// withAnAgent installs the agent in a workload cluster, as the manager does, and returns the
// name of its Cluster.
func (l *leaving) withAnAgent() string {
	l.Helper()
	key := l.cluster()
	agent := provision.New(provision.Options{Image: "five-spot-reclaim-agent:test", Version: testenv.ManagerVersion})
	_, err := agent.Install(l.Context(), world.WorkloadClient, provision.DefaultNamespace)
	l.Expect(err).NotTo(HaveOccurred())
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{GenerateName: "armed-"}}
	l.Expect(world.WorkloadClient.Create(l.Context(), node)).To(Succeed())
	_, err = agent.Arm(l.Context(), world.WorkloadClient, node, provision.DefaultNamespace, reclaim.ConfigFor([]string{"idea"}))
	l.Expect(err).NotTo(HaveOccurred())
	return key.String()
}

func (l *leaving) agent() error {
	l.Helper()
	daemonSet := &unstructured.Unstructured{}
	daemonSet.SetAPIVersion("apps/v1")
	daemonSet.SetKind("DaemonSet")
	return world.WorkloadClient.Get(l.Context(), provision.DaemonSetKey(provision.DefaultNamespace), daemonSet)
}

// policies are the names of the admission policies, and of their bindings.
func (l *leaving) policies() []string {
	l.Helper()
	ours := client.MatchingLabels{v1alpha1.ManagedByLabel: v1alpha1.ManagedByFiveSpot}
	policies, bindings := &admissionregistrationv1.ValidatingAdmissionPolicyList{}, &admissionregistrationv1.ValidatingAdmissionPolicyBindingList{}
	l.Expect(world.Client.List(l.Context(), policies, ours)).To(Succeed())
	l.Expect(world.Client.List(l.Context(), bindings, ours)).To(Succeed())
	var names []string
	for i := range policies.Items {
		names = append(names, policies.Items[i].Name)
	}
	for i := range bindings.Items {
		names = append(names, bindings.Items[i].Name)
	}
	return names
}
