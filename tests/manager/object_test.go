package manager_test

import (
	"fmt"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

const clusterName = "trading"

// tenant is a namespace with a Cluster.
type tenant struct {
	*manager
	namespace string
}

// newTenant makes a namespace with a Cluster, from which the manager takes all machines
// at the end of the test.
func (m *manager) newTenant() *tenant {
	m.Helper()
	name, err := world.Namespace(m.Context(), "tenant")
	m.Expect(err).NotTo(HaveOccurred())
	_, err = world.CreateCluster(m.Context(), name, clusterName)
	m.Expect(err).NotTo(HaveOccurred())
	return &tenant{m, name}
}

// secret creates or replaces a Secret that may be named by a secretRef.
func (t *tenant) secret(name, value string) {
	t.Helper()
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: t.namespace, Name: name, Labels: map[string]string{v1alpha1.AllowSecretRefLabel: "true"}},
		Data:       map[string][]byte{"spec": []byte(value)},
	}
	err := world.Client.Create(t.Context(), secret)
	if apierrors.IsAlreadyExists(err) {
		err = world.Client.Update(t.Context(), secret)
	}
	t.Expect(err).NotTo(HaveOccurred())
}

// machine creates a ScheduledMachine in a window that never ends, with a secretRef to the
// Secret of its own name.
func (t *tenant) machine(name string, adjust ...func(*v1alpha1.ScheduledMachine)) *v1alpha1.ScheduledMachine {
	t.Helper()
	sm := testenv.ScheduledMachine(t.namespace, name, clusterName, "192.0.2.7")
	sm.Spec.InfrastructureSpec.SecretRef = &v1alpha1.SecretReference{Name: name}
	for _, a := range adjust {
		a(sm)
	}
	t.Expect(world.Client.Create(t.Context(), sm)).To(Succeed())
	return sm
}

// remove deletes ScheduledMachines and waits until they are gone.
func (t *tenant) remove(machines ...*v1alpha1.ScheduledMachine) {
	t.Helper()
	for _, sm := range machines {
		t.Expect(world.Client.Delete(t.Context(), sm)).To(Succeed())
	}
	for _, sm := range machines {
		t.Expect(testenv.WaitGone(t.Context(), world.Client, sm)).To(Succeed())
	}
}

// patch changes a ScheduledMachine by a merge patch.
func (t *tenant) patch(sm *v1alpha1.ScheduledMachine, patch string) {
	t.Helper()
	t.Expect(world.Client.Patch(t.Context(), sm.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(patch)))).To(Succeed())
}

// read is a ScheduledMachine as it is now.
func (t *tenant) read(sm *v1alpha1.ScheduledMachine) *v1alpha1.ScheduledMachine {
	t.Helper()
	now := &v1alpha1.ScheduledMachine{}
	t.Expect(world.Client.Get(t.Context(), client.ObjectKeyFromObject(sm), now)).To(Succeed())
	return now
}

// reaches waits for a phase.
func (t *tenant) reaches(sm *v1alpha1.ScheduledMachine, phase v1alpha1.Phase) {
	t.Helper()
	t.Eventually(func() v1alpha1.Phase { return t.read(sm).Status.Phase }).Should(Equal(phase))
}

// conditionOf is a condition as "Status/Reason: message".
func (t *tenant) conditionOf(sm *v1alpha1.ScheduledMachine, conditionType string) func() string {
	return func() string {
		condition := meta.FindStatusCondition(t.read(sm).Status.Conditions, conditionType)
		if condition == nil {
			return "absent"
		}
		return fmt.Sprintf("%s/%s: %s", condition.Status, condition.Reason, condition.Message)
	}
}

// hasUser is the user that the RemoteMachine was created with.
func (t *tenant) hasUser(sm *v1alpha1.ScheduledMachine) string {
	t.Helper()
	remote := &unstructured.Unstructured{}
	remote.SetGroupVersionKind(testenv.RemoteMachineKind)
	t.Expect(world.Client.Get(t.Context(), client.ObjectKeyFromObject(sm), remote)).To(Succeed())
	user, _, err := unstructured.NestedString(remote.Object, "spec", "user")
	t.Expect(err).NotTo(HaveOccurred())
	return user
}

// machineUID is the UID of the Machine; empty when there is none.
func (t *tenant) machineUID(sm *v1alpha1.ScheduledMachine) string {
	t.Helper()
	machine := &clusterv1.Machine{}
	t.Expect(client.IgnoreNotFound(world.Client.Get(t.Context(), client.ObjectKeyFromObject(sm), machine))).To(Succeed())
	return string(machine.UID)
}
