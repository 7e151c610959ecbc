package rbac_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

const (
	clusterName = "trading"
	mergePatch  = "application/merge-patch+json"

	// far is later than any test steps.
	far = "2100-01-01T00:00:00Z"
)

// bench is a namespace with a Cluster, and the manager that looks after it.
type bench struct {
	*WithT

	t         *testing.T
	operator  *operator
	namespace string
}

func newBench(t *testing.T, o *operator) *bench {
	t.Helper()
	b := &bench{WithT: NewWithT(t), t: t, operator: o}
	var err error
	b.namespace, err = world.Namespace(t.Context(), "rbac")
	b.Expect(err).NotTo(HaveOccurred())
	b.createCluster(b.namespace)
	return b
}

func (b *bench) createCluster(namespace string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	_, err := world.CreateCluster(ctx, namespace, clusterName)
	b.Expect(err).NotTo(HaveOccurred())
}

// machine is a ScheduledMachine whose window is always open.
func (b *bench) machine(name string) *v1alpha1.ScheduledMachine {
	return testenv.ScheduledMachine(b.namespace, name, clusterName, "192.0.2.7")
}

func (b *bench) create(objects ...client.Object) {
	b.t.Helper()
	for _, obj := range objects {
		b.Expect(world.Client.Create(b.t.Context(), obj)).To(Succeed())
	}
}

// running creates the object and waits until its machine is Active.
func (b *bench) running(sm *v1alpha1.ScheduledMachine) {
	b.t.Helper()
	b.create(sm)
	b.await(sm, v1alpha1.PhaseActive)
}

func (b *bench) patch(obj client.Object, patch string) {
	b.t.Helper()
	target, _ := obj.DeepCopyObject().(client.Object)
	b.Expect(world.Client.Patch(b.t.Context(), target, client.RawPatch(mergePatch, []byte(patch)), client.FieldOwner("kubectl-patch"))).To(Succeed())
}

// override has the schedule overruled, for longer than any test steps.
func (b *bench) override(sm *v1alpha1.ScheduledMachine, state v1alpha1.ScheduleState) {
	b.t.Helper()
	b.patch(sm, fmt.Sprintf(`{"spec":{"schedule":{"override":{"state":%q,"until":%q}}}}`, state, far))
}

func (b *bench) read(sm *v1alpha1.ScheduledMachine) (*v1alpha1.ScheduledMachine, error) {
	now := &v1alpha1.ScheduledMachine{}
	err := world.Client.Get(b.t.Context(), client.ObjectKeyFromObject(sm), now)
	return now, err
}

func (b *bench) await(sm *v1alpha1.ScheduledMachine, phase v1alpha1.Phase) {
	b.t.Helper()
	b.Eventually(func() (string, error) {
		now, err := b.read(sm)
		if now.Status.Phase == phase {
			return string(phase), err
		}
		return fmt.Sprintf("%s: %s", now.Status.Phase, now.Status.Message), err
	}).Should(Equal(string(phase)))
}

// awaitCondition waits until the condition begins to read as "Status/Reason: Message".
func (b *bench) awaitCondition(sm *v1alpha1.ScheduledMachine, conditionType, want string) {
	b.t.Helper()
	b.Eventually(func() (string, error) {
		now, err := b.read(sm)
		found := meta.FindStatusCondition(now.Status.Conditions, conditionType)
		if found == nil {
			return "absent", err
		}
		return fmt.Sprintf("%s/%s: %s", found.Status, found.Reason, found.Message), err
	}).Should(HavePrefix(want))
}

func (b *bench) messageOf(sm *v1alpha1.ScheduledMachine, conditionType string) string {
	b.t.Helper()
	now, err := b.read(sm)
	b.Expect(err).NotTo(HaveOccurred())
	return meta.FindStatusCondition(now.Status.Conditions, conditionType).Message
}

// delete deletes the object and waits until it is gone.
func (b *bench) delete(obj client.Object) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	b.Expect(world.Client.Delete(ctx, obj)).To(Succeed())
	b.Expect(testenv.WaitGone(ctx, world.Client, obj)).To(Succeed())
}

// cluster is the Cluster, by its key.
func (b *bench) cluster() *clusterv1.Cluster {
	return &clusterv1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: b.namespace, Name: clusterName}}
}

// node is the Node of the object's machine, by its name.
func node(sm *v1alpha1.ScheduledMachine) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: testenv.NodeName(sm.Namespace, sm.Name)}}
}

// refuseMachines lets nobody create a Machine in the namespace any more.
func (b *bench) refuseMachines() {
	b.t.Helper()
	policy, binding := testenv.RefusedMachines(b.namespace, admissionv1.Create)
	b.create(policy, binding)
	probe := &clusterv1.Machine{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.namespace, Name: "probe"},
		Spec: clusterv1.MachineSpec{
			ClusterName:       clusterName,
			Bootstrap:         clusterv1.Bootstrap{DataSecretName: new("probe")},
			InfrastructureRef: clusterv1.ContractVersionedObjectReference{APIGroup: infrastructureGroup, Kind: "RemoteMachine", Name: "probe"},
		},
	}
	b.Eventually(func() bool {
		return apierrors.IsInvalid(world.Client.Create(b.t.Context(), probe.DeepCopy(), client.DryRunAll))
	}).Should(BeTrue())
}

// step lets time pass.
func (b *bench) step(d time.Duration) { b.operator.clock.Step(d) }
