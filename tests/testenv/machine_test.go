package testenv_test

import (
	"os/exec"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/tests/testenv"
)

// createMachine creates a Machine by hand, as 5-Spot does for a ScheduledMachine,
// with provider objects of the given version.
func (b *bench) createMachine(version string) *clusterv1.Machine {
	references := map[string]clusterv1.ContractVersionedObjectReference{}
	for kind, spec := range map[schema.GroupVersionKind]map[string]any{
		testenv.K0sWorkerConfigKind: {"version": "v1.36.3+k0s.0"},
		testenv.RemoteMachineKind:   {"address": "192.0.2.7", "port": int64(22), "user": "root"},
	} {
		obj := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
		obj.SetGroupVersionKind(kind.GroupKind().WithVersion(version))
		obj.SetNamespace(b.namespace)
		obj.SetName("workstation")
		b.Expect(b.world.Client.Create(b.ctx, obj)).To(Succeed())
		references[kind.Kind] = clusterv1.ContractVersionedObjectReference{APIGroup: kind.Group, Kind: kind.Kind, Name: obj.GetName()}
	}
	machine := &clusterv1.Machine{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.namespace, Name: "workstation"},
		Spec: clusterv1.MachineSpec{
			ClusterName:       "prod",
			Bootstrap:         clusterv1.Bootstrap{ConfigRef: references["K0sWorkerConfig"]},
			InfrastructureRef: references["RemoteMachine"],
		},
	}
	b.Expect(b.world.Client.Create(b.ctx, machine)).To(Succeed())
	return machine
}

func (b *bench) waitForPhase(machine *clusterv1.Machine, phase clusterv1.MachinePhase) {
	b.Expect(testenv.WaitFor(b.ctx, b.world.Client, machine, func() bool { return machine.Status.Phase == string(phase) })).To(Succeed())
}

// join creates a Machine and waits for its Node.
func (b *bench) join() (*clusterv1.Machine, *corev1.Node) {
	machine := b.createMachine("v1beta2")
	b.waitForPhase(machine, clusterv1.MachinePhaseRunning)
	node := b.node()
	b.Expect(b.world.WorkloadClient.Get(b.ctx, client.ObjectKeyFromObject(node), node)).To(Succeed())
	return machine, node
}

func (b *bench) remove(machine *clusterv1.Machine) {
	b.Expect(b.world.Client.Delete(b.ctx, machine)).To(Succeed())
	b.Expect(testenv.WaitGone(b.ctx, b.world.Client, machine)).To(Succeed())
}

func (b *bench) node() *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: testenv.NodeName(b.namespace, "workstation")}}
}

func TestAMachineJoinsAndLeavesTheWorkloadCluster(t *testing.T) {
	for name, version := range map[string]string{
		"with provider objects at v1beta1": "v1beta1",
		"with provider objects at v1beta2": "v1beta2",
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			machine := b.createMachine(version)
			b.waitForPhase(machine, clusterv1.MachinePhaseRunning)
			b.Expect(machine.Status.NodeRef.Name).To(Equal(b.node().Name))

			node := b.node()
			// The kubelet takes its taint off a moment after the Node is Ready.
			b.Expect(testenv.WaitFor(b.ctx, b.world.WorkloadClient, node, func() bool { return len(node.Spec.Taints) == 0 })).To(Succeed())
			b.Expect(node.Spec.ProviderID).To(Equal(machine.Spec.ProviderID))
			b.Expect(node.Annotations).To(HaveKeyWithValue(clusterv1.MachineAnnotation, machine.Name))

			b.remove(machine)
			b.Expect(testenv.WaitGone(b.ctx, b.world.WorkloadClient, node)).To(Succeed())
		})
	}
}

func TestABrokenMachineWaitsAndRecovers(t *testing.T) {
	for name, test := range map[string]struct {
		behaviour testenv.Behaviour
		stuckIn   clusterv1.MachinePhase
	}{
		"without bootstrap data":            {testenv.Behaviour{HoldBootstrap: true}, clusterv1.MachinePhasePending},
		"without infrastructure":            {testenv.Behaviour{HoldProvisioning: true}, clusterv1.MachinePhaseProvisioning},
		"when provisioning fails":           {testenv.Behaviour{ProvisioningFailure: "no route to host"}, clusterv1.MachinePhaseProvisioning},
		"when the kubelet does not show up": {testenv.Behaviour{NeverJoin: true}, clusterv1.MachinePhaseProvisioned},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.world.Provider.Behave(b.namespace, "workstation", test.behaviour)
			machine := b.createMachine("v1beta2")
			b.waitForPhase(machine, test.stuckIn)
			if message := test.behaviour.ProvisioningFailure; message != "" {
				b.Expect(testenv.WaitFor(b.ctx, b.world.Client, machine, func() bool {
					condition := meta.FindStatusCondition(machine.Status.Conditions, clusterv1.MachineInfrastructureReadyCondition)
					return condition != nil && condition.Message == message
				})).To(Succeed())
			}
			b.Consistently(func(g Gomega) {
				g.Expect(b.world.Client.Get(b.ctx, client.ObjectKeyFromObject(machine), machine)).To(Succeed())
				g.Expect(machine.Status.Phase).To(Equal(string(test.stuckIn)))
			}).WithTimeout(500 * time.Millisecond).Should(Succeed())

			b.world.Provider.Behave(b.namespace, "workstation", testenv.Behaviour{})
			b.waitForPhase(machine, clusterv1.MachinePhaseRunning)
		})
	}
}

func TestANodeIsReadyWhenItsKubeletSaysSo(t *testing.T) {
	b := newBench(t)
	b.world.Provider.Behave(b.namespace, "workstation", testenv.Behaviour{JoinNotReady: true})
	_, node := b.join()
	ready := func() corev1.ConditionStatus {
		b.Expect(b.world.WorkloadClient.Get(b.ctx, client.ObjectKeyFromObject(node), node)).To(Succeed())
		return node.Status.Conditions[0].Status
	}
	b.Eventually(ready).WithTimeout(deadline).Should(Equal(corev1.ConditionFalse))
	b.world.Provider.Behave(b.namespace, "workstation", testenv.Behaviour{})
	b.Eventually(ready).WithTimeout(deadline).Should(Equal(corev1.ConditionTrue))
	b.Expect(b.world.Provider.SetNodeReady(b.ctx, node.Name, false)).To(Succeed())
	b.Expect(ready()).To(Equal(corev1.ConditionFalse))
	b.Expect(node.Spec.Taints).To(ContainElement(HaveField("Key", corev1.TaintNodeNotReady)))
}

func TestAKubeletMayReturnWithTheMarksOfItsFormerLife(t *testing.T) {
	for name, keep := range map[string]bool{"with marks": true, "as new": false} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.world.Provider.Behave(b.namespace, "workstation", testenv.Behaviour{KeepMarks: keep})
			machine, node := b.join()
			before := node.DeepCopy()
			metav1.SetMetaDataAnnotation(&node.ObjectMeta, "5spot.finos.org/reclaim-requested", "true")
			node.Spec.Taints = []corev1.Taint{{Key: "example.com/old", Effect: corev1.TaintEffectNoSchedule}}
			node.Spec.Unschedulable = true
			b.Expect(b.world.WorkloadClient.Patch(b.ctx, node, client.MergeFrom(before))).To(Succeed())
			b.remove(machine)

			_, again := b.join()
			b.Expect(again.UID).NotTo(Equal(node.UID))
			b.Expect(again.Spec.ProviderID).To(Equal(node.Spec.ProviderID))
			b.Expect(again.Spec.Unschedulable).To(Equal(keep))
			if keep {
				b.Expect(again.Annotations).To(HaveKey("5spot.finos.org/reclaim-requested"))
				b.Expect(again.Spec.Taints).To(ContainElement(HaveField("Key", "example.com/old")))
			} else {
				b.Expect(again.Annotations).NotTo(HaveKey("5spot.finos.org/reclaim-requested"))
			}
		})
	}
}

func TestARemovalMayTakeItsTime(t *testing.T) {
	b := newBench(t)
	machine, _ := b.join()
	b.world.Provider.Behave(b.namespace, "workstation", testenv.Behaviour{HoldRemoval: true})
	b.Expect(b.world.Client.Delete(b.ctx, machine)).To(Succeed())
	b.Expect(testenv.WaitFor(b.ctx, b.world.Client, machine, func() bool {
		condition := meta.FindStatusCondition(machine.Status.Conditions, clusterv1.MachineDeletingCondition)
		return condition != nil && condition.Reason == clusterv1.MachineDeletingWaitingForInfrastructureDeletionReason
	})).To(Succeed())
	b.world.Provider.Behave(b.namespace, "workstation", testenv.Behaviour{})
	b.Expect(testenv.WaitGone(b.ctx, b.world.Client, machine)).To(Succeed())
}

func TestAClusterMayBeHeldBack(t *testing.T) {
	b := newBench(t)
	b.world.Provider.HoldCluster(b.namespace, "later", true)
	cluster, err := b.world.CreateUnreadyCluster(b.ctx, b.namespace, "later")
	b.Expect(err).NotTo(HaveOccurred())
	b.Expect(testenv.WaitFor(b.ctx, b.world.Client, cluster, func() bool { return cluster.Status.Phase != "" })).To(Succeed())
	b.Expect(cluster.Status.Initialization).To(BeZero())
	b.world.Provider.HoldCluster(b.namespace, "later", false)
	b.Expect(testenv.WaitFor(b.ctx, b.world.Client, cluster, func() bool {
		return meta.IsStatusConditionTrue(cluster.Status.Conditions, clusterv1.ClusterRemoteConnectionProbeCondition)
	})).To(Succeed())
}

func TestTheSamplesAreAccepted(t *testing.T) {
	b := newBench(t)
	kubeconfig, err := b.world.Management.WriteKubeconfig(b.world.Management.Config, "samples-test")
	b.Expect(err).NotTo(HaveOccurred())
	apply := exec.CommandContext(b.ctx, b.world.Management.Kubectl(), "--kubeconfig", kubeconfig,
		"apply", "--server-side", "--dry-run=server", "--validate=strict", "-k", "../../config/samples")
	output, err := apply.CombinedOutput()
	b.Expect(err).NotTo(HaveOccurred(), string(output))
}

func TestTheAuditLogTellsWhoDidWhat(t *testing.T) {
	b := newBench(t)
	b.Eventually(func() ([]auditv1.Event, error) {
		return b.world.Management.AuditEvents(func(event *auditv1.Event) bool {
			return event.Verb == "create" && event.ObjectRef.Resource == "clusters" && event.ObjectRef.Namespace == b.namespace
		})
	}).WithTimeout(deadline).Should(ConsistOf(HaveField("User.Username", "admin")))
}
