package olm_test

import (
	"fmt"
	"os/exec"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

const (
	clusterName = "trading"
	mergePatch  = "application/merge-patch+json"

	// closed closes the window.
	closed = `{"spec":{"schedule":{"override":{"state":"Inactive","until":"2100-01-01T00:00:00Z"}}}}`
)

// machines are those of a namespace in the cluster of the world.
type machines struct {
	*cluster
	world     *testenv.World
	namespace string
}

// newMachines makes a namespace with a Cluster.
func newMachines(c *cluster, world *testenv.World) *machines {
	c.Helper()
	ctx, cancel := c.patiently()
	defer cancel()
	namespace, err := world.Namespace(ctx, "tenant")
	c.Expect(err).NotTo(HaveOccurred())
	_, err = world.CreateCluster(ctx, namespace, clusterName)
	c.Expect(err).NotTo(HaveOccurred())
	return &machines{c, world, namespace}
}

// joined creates a machine in a window that does not end, and waits until it is Active and
// its agent looks at it. No timeout of it runs out while a busy machine runs the tests.
func (m *machines) joined(name, address string) *v1alpha1.ScheduledMachine {
	m.Helper()
	sm := testenv.ScheduledMachine(m.namespace, name, clusterName, address)
	sm.Spec.GracefulShutdownTimeout, sm.Spec.NodeDrainTimeout = "30m", "30m"
	sm.Spec.KillIfCommands = []string{"idea"}
	m.Expect(m.admin.Create(m.Context(), sm)).To(Succeed())
	m.reaches(sm, v1alpha1.PhaseActive)
	m.Eventually(func() (string, error) {
		now, err := m.read(sm)
		condition := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ReclaimAgentReadyCondition)
		if condition == nil {
			return "absent", err
		}
		return fmt.Sprintf("%s: %s", condition.Reason, condition.Message), err
	}).Should(HavePrefix("Armed"))
	return sm
}

func (m *machines) read(sm *v1alpha1.ScheduledMachine) (*v1alpha1.ScheduledMachine, error) {
	now := &v1alpha1.ScheduledMachine{}
	return now, m.admin.Get(m.Context(), client.ObjectKeyFromObject(sm), now)
}

func (m *machines) now(sm *v1alpha1.ScheduledMachine) *v1alpha1.ScheduledMachine {
	m.Helper()
	now, err := m.read(sm)
	m.Expect(err).NotTo(HaveOccurred())
	return now
}

// reaches waits for a phase.
func (m *machines) reaches(sm *v1alpha1.ScheduledMachine, phase v1alpha1.Phase) {
	m.Helper()
	m.Eventually(func() (string, error) {
		now, err := m.read(sm)
		if now.Status.Phase == phase {
			return string(phase), err
		}
		return fmt.Sprintf("%s: %s", now.Status.Phase, now.Status.Message), err
	}).Should(Equal(string(phase)))
}

func (m *machines) patch(sm *v1alpha1.ScheduledMachine, patch string) {
	m.Helper()
	m.Expect(m.admin.Patch(m.Context(), sm.DeepCopy(), client.RawPatch(mergePatch, []byte(patch)))).To(Succeed())
}

// isLookedAt changes what does not matter, and waits until a manager has written the
// status for it.
func (m *machines) isLookedAt(sm *v1alpha1.ScheduledMachine, priority int) {
	m.Helper()
	m.patch(sm, fmt.Sprintf(`{"spec":{"priority":%d}}`, priority))
	m.Eventually(func() (bool, error) {
		now, err := m.read(sm)
		return now.Status.ObservedGeneration == now.Generation, err
	}).Should(BeTrue())
}

// uids are those of the Machine, which runs, and of its Node.
func (m *machines) uids(sm *v1alpha1.ScheduledMachine) map[string]types.UID {
	m.Helper()
	machine, node := &clusterv1.Machine{}, &corev1.Node{}
	m.Expect(m.admin.Get(m.Context(), client.ObjectKeyFromObject(sm), machine)).To(Succeed())
	m.Expect(machine.DeletionTimestamp).To(BeNil())
	m.Expect(machine.Status.GetTypedPhase()).To(Equal(clusterv1.MachinePhaseRunning))
	m.Expect(m.world.WorkloadClient.Get(m.Context(), client.ObjectKey{Name: testenv.NodeName(sm.Namespace, sm.Name)}, node)).To(Succeed())
	return map[string]types.UID{"Machine": machine.UID, "Node": node.UID}
}

// held puts a Pod on the Node of a machine that no budget lets go, and returns the budget.
func (m *machines) held(sm *v1alpha1.ScheduledMachine) *policyv1.PodDisruptionBudget {
	m.Helper()
	ctx, cancel := m.patiently()
	defer cancel()
	namespace, err := m.world.WorkloadNamespace(ctx, "olm")
	m.Expect(err).NotTo(HaveOccurred())
	pods := &testenv.Pods{Namespace: namespace, Name: "held", Replicas: 1, Nodes: []string{testenv.NodeName(sm.Namespace, sm.Name)}, Grace: time.Second}
	_, err = m.world.CreateDeployment(ctx, pods)
	m.Expect(err).NotTo(HaveOccurred())
	_, err = m.world.WaitForReadyPods(ctx, pods, 1)
	m.Expect(err).NotTo(HaveOccurred())
	budget, err := m.world.CreateBudget(ctx, pods, testenv.NoneEver)
	m.Expect(err).NotTo(HaveOccurred())
	return budget
}

// isDraining closes the window of a machine, and waits until a budget holds up the drain.
func (m *machines) isDraining(sm *v1alpha1.ScheduledMachine) {
	m.Helper()
	m.patch(sm, closed)
	m.Eventually(func() ([]string, error) {
		now, err := m.read(sm)
		if now.Status.Drain == nil {
			return nil, err
		}
		return now.Status.Drain.BlockedBy, err
	}).Should(ContainElement(ContainSubstring("held")))
}

// listed is what kubectl shows of all machines, with all columns.
func (m *machines) listed() string {
	m.Helper()
	kubeconfig, err := m.server.WriteKubeconfig(m.server.Config, "reader")
	m.Expect(err).NotTo(HaveOccurred())
	out, err := exec.CommandContext(m.Context(), m.server.Kubectl(), "--kubeconfig", kubeconfig, "get", "scheduledmachines", "-A", "-o", "wide").CombinedOutput()
	m.Expect(err).NotTo(HaveOccurred(), string(out))
	return string(out)
}
