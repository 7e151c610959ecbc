package integration_test

import (
	"context"
	"encoding/json"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

var _ = Describe("Ownership", func() {
	It("neither adopts nor changes a foreign Machine, and goes on when it is gone", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		foreign := foreignMachine(ctx, namespace)
		sm := apply(ctx, namespace, businessHours)
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseError))
		Expect(condition(ctx, sm, v1alpha1.ReferencesValidCondition)()).To(Equal("False/ForeignObject"))
		Expect(condition(ctx, sm, v1alpha1.ReadyCondition)()).To(Equal("False/Error"))
		expectUntouched(ctx, foreign)
		Expect(provided(ctx, sm, testenv.RemoteMachineKind)).To(BeNil())
		Expect(provided(ctx, sm, testenv.K0sWorkerConfigKind)).To(BeNil())

		deleteByHand(ctx, sm)
		operator.clock.Step(time.Minute)
		joinedAgain(ctx, sm, foreign)
	})

	It("neither adopts nor changes a foreign RemoteMachine, and goes on when it is gone", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		foreign := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"address": "192.0.2.1", "user": "somebody"}}}
		foreign.SetGroupVersionKind(testenv.RemoteMachineKind)
		foreign.SetNamespace(namespace)
		foreign.SetName("desk-7")
		Expect(world.Client.Create(ctx, foreign)).To(Succeed())
		sm := apply(ctx, namespace, businessHours)
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseError))
		Expect(condition(ctx, sm, v1alpha1.ReferencesValidCondition)()).To(Equal("False/ForeignObject"))
		Expect(machineOf(ctx, sm)).To(BeNil())
		Expect(provided(ctx, sm, testenv.K0sWorkerConfigKind)).To(BeNil())
		now, err := provided(ctx, sm, testenv.RemoteMachineKind)
		Expect(err).NotTo(HaveOccurred())
		Expect(now.Object["spec"]).To(HaveKeyWithValue("user", "somebody"))
		Expect(now.GetLabels()).To(BeEmpty())
		Expect(now.GetOwnerReferences()).To(BeEmpty())

		Expect(world.Client.Delete(ctx, foreign)).To(Succeed())
		Eventually(func() (bool, error) {
			now, err := provided(ctx, sm, testenv.RemoteMachineKind)
			return now == nil || now.GetUID() != foreign.GetUID(), err
		}).Should(BeTrue())
		operator.clock.Step(10 * time.Minute)
		joined(ctx, sm)
		Expect(sentDeletions(operator, namespace)).To(BeEmpty())
	})

	It("creates a Machine again that was deleted by hand, each time a little later", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		first := joined(ctx, sm)
		operator.clock.Step(time.Minute)
		deleteByHand(ctx, sm)
		second := joinedAgain(ctx, sm, first)

		// The second creation is followed by a wait of ten seconds, the third by twenty.
		deleteByHand(ctx, sm)
		Eventually(condition(ctx, sm, v1alpha1.MachineReadyCondition)).Should(Equal("False/CreateBackOff"))
		Consistently(machineExists(ctx, sm), moment).Should(BeFalse())
		Expect(phase(ctx, sm)()).To(Equal(v1alpha1.PhasePending))
		operator.clock.Step(10 * time.Second)
		third := joinedAgain(ctx, sm, second)
		deleteByHand(ctx, sm)
		Eventually(condition(ctx, sm, v1alpha1.MachineReadyCondition)).Should(Equal("False/CreateBackOff"))
		operator.clock.Step(20 * time.Second)
		joinedAgain(ctx, sm, third)
	})

	It("deletes what it created for a Machine that never came to be, when the window closes", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		refuseMachines(ctx, namespace, admissionv1.Create)
		sm := apply(ctx, namespace, businessHours)
		Eventually(provides(ctx, sm)).Should(BeTrue())
		Eventually(condition(ctx, sm, v1alpha1.ReferencesValidCondition)).Should(Equal("False/ProviderRefused"))
		Expect(phase(ctx, sm)()).To(Equal(v1alpha1.PhasePending))
		operator.jumpTo(windowCloses)
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseInactive))
		expectNothingLeft(ctx, sm)
		Expect(sentDeletions(operator, namespace)).To(ConsistOf("k0sworkerconfigs/desk-7", "remotemachines/desk-7"))
	})

	It("creates a kind whose plural nobody would guess", func(ctx context.Context) {
		_, err := envtest.InstallCRDs(world.Config(), envtest.CRDInstallOptions{CRDs: []*apiextensionsv1.CustomResourceDefinition{irregularKind()}})
		Expect(err).NotTo(HaveOccurred())
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours, func(sm *v1alpha1.ScheduledMachine) {
			sm.Spec.InfrastructureSpec = v1alpha1.ProviderObject{
				APIVersion: "infrastructure.cluster.x-k8s.io/v1beta2", Kind: "HostProxy", Spec: &runtime.RawExtension{Raw: []byte(`{"host":"desk-7"}`)},
			}
		})
		Eventually(machineExists(ctx, sm)).Should(BeTrue())
		Expect(provided(ctx, sm, testenv.RemoteMachineKind.GroupVersion().WithKind("HostProxy"))).NotTo(BeNil())
		Expect(operator.requests.List(testenv.Request.Write)).To(ContainElement(testenv.Request{
			Method: "POST", Path: "/apis/infrastructure.cluster.x-k8s.io/v1beta2/namespaces/" + namespace + "/hostproxen",
		}))
	})

	It("speaks the present version of Cluster API only", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		Expect(operator.requests.List(nil)).NotTo(ContainElement(HaveField("Path", HavePrefix("/apis/cluster.x-k8s.io/v1beta1/"))))
		now, err := read(ctx, sm)
		Expect(err).NotTo(HaveOccurred())
		Expect(now.Status.MachineRef.APIVersion).To(Equal(clusterv1.GroupVersion.String()))
	})
})

const credential = "correct-horse-battery-staple"

var _ = Describe("A secretRef", func() {
	withSecret := func(sm *v1alpha1.ScheduledMachine) {
		sm.Spec.InfrastructureSpec.SecretRef = &v1alpha1.SecretReference{Name: "ssh"}
	}

	It("is merged over the spec at creation, and shown nowhere", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		startOperator(ctx, insideWindow)
		createSecret(ctx, namespace, map[string]string{v1alpha1.AllowSecretRefLabel: "true"}, "user: "+credential)
		sm := apply(ctx, namespace, businessHours, withSecret)
		joined(ctx, sm)
		infrastructure, err := provided(ctx, sm, testenv.RemoteMachineKind)
		Expect(err).NotTo(HaveOccurred())
		Expect(infrastructure.Object["spec"]).To(And(HaveKeyWithValue("user", credential), HaveKeyWithValue("address", "192.168.1.100")))
		expectNotShown(ctx, sm)
	})

	It("is refused while the Secret lacks the label that allows it", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		secret := createSecret(ctx, namespace, nil, "user: "+credential)
		sm := apply(ctx, namespace, businessHours, withSecret)
		Eventually(condition(ctx, sm, v1alpha1.ReferencesValidCondition)).Should(Equal("False/SecretNotAllowed"))
		Expect(phase(ctx, sm)()).To(Equal(v1alpha1.PhasePending))
		Expect(provided(ctx, sm, testenv.K0sWorkerConfigKind)).To(BeNil())
		secret.Labels = map[string]string{v1alpha1.AllowSecretRefLabel: "true"}
		Expect(world.Client.Update(ctx, secret)).To(Succeed())
		operator.clock.Step(5 * time.Minute)
		joined(ctx, sm)
		expectNotShown(ctx, sm)
	})

	It("is not repeated when a provider refuses what it holds", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		startOperator(ctx, insideWindow)
		createSecret(ctx, namespace, map[string]string{v1alpha1.AllowSecretRefLabel: "true"}, "port: "+credential)
		sm := apply(ctx, namespace, businessHours, withSecret)
		Eventually(condition(ctx, sm, v1alpha1.ReferencesValidCondition)).Should(Equal("False/ProviderRefused"))
		Eventually(eventReasons(ctx, sm)).Should(ContainElement("ProviderRefused"))
		expectNotShown(ctx, sm)
	})
})

func createSecret(ctx context.Context, namespace string, labels map[string]string, value string) *corev1.Secret {
	GinkgoHelper()
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "ssh", Labels: labels},
		StringData: map[string]string{"spec": value},
	}
	Expect(world.Client.Create(ctx, secret)).To(Succeed())
	return secret
}

// expectNotShown looks for the credential wherever somebody could read it who may not
// read Secrets.
func expectNotShown(ctx context.Context, sm *v1alpha1.ScheduledMachine) {
	GinkgoHelper()
	now, err := read(ctx, sm)
	Expect(err).NotTo(HaveOccurred())
	events, err := eventsOf(ctx, sm)
	Expect(err).NotTo(HaveOccurred())
	machine, err := machineOf(ctx, sm)
	Expect(err).NotTo(HaveOccurred())
	for _, shown := range []any{now, events, machine} {
		text, err := json.Marshal(shown)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(text)).NotTo(ContainSubstring(credential))
	}
}

// newForeignMachine is a Machine desk-7 of somebody else.
func newForeignMachine(namespace string) *clusterv1.Machine {
	return &clusterv1.Machine{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "desk-7", Labels: map[string]string{"made-by": "hand"}},
		Spec: clusterv1.MachineSpec{
			ClusterName:       clusterName,
			Bootstrap:         clusterv1.Bootstrap{DataSecretName: new("by-hand")},
			InfrastructureRef: clusterv1.ContractVersionedObjectReference{APIGroup: "infrastructure.cluster.x-k8s.io", Kind: "RemoteMachine", Name: "by-hand"},
		},
	}
}

func foreignMachine(ctx context.Context, namespace string) *clusterv1.Machine {
	GinkgoHelper()
	foreign := newForeignMachine(namespace)
	Expect(world.Client.Create(ctx, foreign)).To(Succeed())
	return foreign
}

// expectUntouched looks for anything of ours on a foreign Machine.
func expectUntouched(ctx context.Context, foreign *clusterv1.Machine) {
	GinkgoHelper()
	now := &clusterv1.Machine{}
	Expect(world.Client.Get(ctx, client.ObjectKeyFromObject(foreign), now)).To(Succeed())
	Expect(now.UID).To(Equal(foreign.UID))
	Expect(now.DeletionTimestamp).To(BeNil())
	Expect(now.Labels).NotTo(HaveKey(v1alpha1.ScheduledMachineLabel))
	Expect(now.Annotations).NotTo(HaveKey(v1alpha1.SpecHashAnnotation))
	Expect(now.OwnerReferences).NotTo(ContainElement(HaveField("Kind", "ScheduledMachine")))
	for _, field := range now.ManagedFields {
		Expect(field.Manager).NotTo(Equal(v1alpha1.FieldManager))
	}
}

// deleteByHand deletes the Machine, not the object that it is for.
func deleteByHand(ctx context.Context, sm *v1alpha1.ScheduledMachine) {
	GinkgoHelper()
	machine, err := machineOf(ctx, sm)
	Expect(err).NotTo(HaveOccurred())
	Expect(world.Client.Delete(ctx, machine)).To(Succeed())
	Eventually(func() (bool, error) {
		now, err := machineOf(ctx, sm)
		return now == nil || now.UID != machine.UID, err
	}).Should(BeTrue())
}

// joinedAgain waits until the object is Active with another Machine.
func joinedAgain(ctx context.Context, sm *v1alpha1.ScheduledMachine, former *clusterv1.Machine) *clusterv1.Machine {
	GinkgoHelper()
	Eventually(func() (bool, error) {
		now, err := machineOf(ctx, sm)
		return now != nil && now.UID != former.UID, err
	}).Should(BeTrue())
	machine := joined(ctx, sm)
	Expect(machine.UID).NotTo(Equal(former.UID))
	return machine
}

// eventsOf lists the events of the object.
func eventsOf(ctx context.Context, sm *v1alpha1.ScheduledMachine) ([]eventsv1.Event, error) {
	list := &eventsv1.EventList{}
	if err := world.Client.List(ctx, list, client.InNamespace(sm.Namespace)); err != nil {
		return nil, err
	}
	var events []eventsv1.Event
	for i := range list.Items {
		if list.Items[i].Regarding.UID == sm.UID {
			events = append(events, list.Items[i])
		}
	}
	return events, nil
}

// refuseMachines has the API server refuse an operation on Machines of the namespace
// until the returned function is called, at the latest at the end of the spec. For
// admissionv1.Delete there has to be a Machine desk-7.
func refuseMachines(ctx context.Context, namespace string, operation admissionv1.OperationType) (allow func()) {
	GinkgoHelper()
	policy, binding := testenv.RefusedMachines(namespace, operation)
	Expect(world.Client.Create(ctx, policy)).To(Succeed())
	Expect(world.Client.Create(ctx, binding)).To(Succeed())
	refused := func() bool { return apierrors.IsInvalid(tryOnMachine(ctx, namespace, operation)) }
	lift := func(ctx context.Context) {
		Expect(client.IgnoreNotFound(world.Client.Delete(ctx, binding))).To(Succeed())
		Expect(client.IgnoreNotFound(world.Client.Delete(ctx, policy))).To(Succeed())
		Eventually(func() bool { return apierrors.IsInvalid(tryOnMachine(ctx, namespace, operation)) }).Should(BeFalse())
	}
	DeferCleanup(lift, NodeTimeout(soon))
	Eventually(refused).Should(BeTrue())
	return func() { lift(ctx) }
}

// tryOnMachine does the operation without effect.
func tryOnMachine(ctx context.Context, namespace string, operation admissionv1.OperationType) error {
	if operation == admissionv1.Delete {
		return world.Client.Delete(ctx, newForeignMachine(namespace), client.DryRunAll)
	}
	probe := newForeignMachine(namespace)
	probe.Name = "probe"
	return world.Client.Create(ctx, probe, client.DryRunAll)
}
