package integration_test

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

// Each spec is one way in which somebody might reach through the controller for what he
// may not reach himself.
var _ = Describe("A tenant who may only create ScheduledMachines in one namespace", func() {
	var (
		mallory   tenant
		namespace string
	)

	BeforeEach(func(ctx context.Context) {
		namespace = newNamespace(ctx)
		mallory = newTenant(ctx, startOperator(ctx, insideWindow), namespace)
	}, NodeTimeout(soon))

	It("may do nothing else himself", func(ctx context.Context) {
		Expect(mallory.Get(ctx, client.ObjectKey{Namespace: namespace, Name: clusterName + "-kubeconfig"}, &corev1.Secret{})).To(MatchError(apierrors.IsForbidden, "a refusal"))
		Expect(mallory.Create(ctx, &rbacv1.ClusterRole{ObjectMeta: nameOf("wanted")})).To(MatchError(apierrors.IsForbidden, "a refusal"))
		Expect(mallory.Create(ctx, newForeignMachine(namespace))).To(MatchError(apierrors.IsForbidden, "a refusal"))
	})

	It("gets no Secret that was not meant to be named", func(ctx context.Context) {
		sm := mallory.create(ctx, fmt.Sprintf(`spec: {infrastructureSpec: {secretRef: {name: %s-kubeconfig, key: value}}}`, clusterName))
		expectCondition(ctx, sm, v1alpha1.ReferencesValidCondition, "False/SecretNotAllowed")
		expectNoMachine(ctx, sm)
		mallory.expectOnlyWritesAtHome()
	})

	It("gets no Secret of another namespace", func(ctx context.Context) {
		other := newEmptyNamespace(ctx)
		createSecret(ctx, other, map[string]string{v1alpha1.AllowSecretRefLabel: "true"}, "user: "+credential)
		for _, name := range []string{other + "/ssh", "../" + other + "/ssh", "../../" + other + "/secrets/ssh", "ssh?namespace=" + other, "%2e%2e%2f" + other + "%2fssh"} {
			_, err := mallory.try(ctx, fmt.Sprintf(`spec: {infrastructureSpec: {secretRef: {name: %q}}}`, name))
			Expect(err).To(MatchError(apierrors.IsInvalid, "a refusal"), name)
			Expect(err).To(MatchError(ContainSubstring("spec.infrastructureSpec.secretRef.name")))
		}
		sm := mallory.create(ctx, fmt.Sprintf(`spec: {infrastructureSpec: {secretRef: {name: ssh, namespace: %s}}}`, other))
		expectCondition(ctx, sm, v1alpha1.ReferencesValidCondition, "False/SecretNotFound")
		expectNoMachine(ctx, sm)
		mallory.expectNothingReadIn(other)
	})

	It("has nothing created but what a provider has for a machine", func(ctx context.Context) {
		for i, kind := range []struct{ apiVersion, kind string }{
			{"rbac.authorization.k8s.io/v1", "ClusterRole"},
			{"rbac.authorization.k8s.io/v1", "RoleBinding"},
			{"v1", "Pod"},
			{"v1", "Secret"},
			{"apps/v1", "DaemonSet"},
			{"cluster.x-k8s.io/v1beta2", "Cluster"},
			{"controlplane.cluster.x-k8s.io/v1beta2", "K0smotronControlPlane"},
			{"bootstrap.cluster.x-k8s.io.example.com/v1", "ClusterRole"},
			{"5spot.finos.org/v1alpha1", "MachineCalendar"},
		} {
			for _, field := range []string{"bootstrapSpec", "infrastructureSpec"} {
				sm, err := mallory.try(ctx, fmt.Sprintf(`{metadata: {name: "kind-%d-%s"}, spec: {%s: {apiVersion: %s, kind: %s}}}`,
					i, field[:4], field, kind.apiVersion, kind.kind))
				if apierrors.IsInvalid(err) {
					Expect(err).To(MatchError(ContainSubstring("spec."+field)), kind.kind)
					continue
				}
				Expect(err).NotTo(HaveOccurred())
				expectCondition(ctx, sm, v1alpha1.ScheduleValidCondition, "False/InvalidSpec")
				Expect(messageOf(ctx, sm, v1alpha1.ScheduleValidCondition)).To(ContainSubstring("spec." + field + ".apiVersion"))
			}
		}
		mallory.expectOnlyWritesAtHome()
	})

	It("has nothing created in another namespace, whatever he writes where", func(ctx context.Context) {
		other := newEmptyNamespace(ctx)
		createSecret(ctx, namespace, map[string]string{v1alpha1.AllowSecretRefLabel: "true"},
			fmt.Sprintf(`{"namespace": %q, "metadata": {"namespace": %q, "name": "x"}, "user": "root"}`, other, other))
		sm := mallory.create(ctx, fmt.Sprintf(`
spec:
  namespace: %[1]s
  clusterNamespace: %[1]s
  bootstrapSpec: {namespace: %[1]s, metadata: {namespace: %[1]s, name: x}, spec: {namespace: %[1]s, metadata: {namespace: %[1]s}}}
  infrastructureSpec: {namespace: %[1]s, metadata: {namespace: %[1]s}, spec: {metadata: {namespace: %[1]s}}, secretRef: {name: ssh}}
  machineTemplate: {metadata: {namespace: %[1]s}, namespace: %[1]s}
`, other))
		joined(ctx, sm)
		for _, kind := range []schema.GroupVersionKind{testenv.K0sWorkerConfigKind, testenv.RemoteMachineKind} {
			Expect(provided(ctx, sm, kind)).NotTo(BeNil())
			list := &unstructured.UnstructuredList{}
			list.SetGroupVersionKind(kind)
			Expect(world.Client.List(ctx, list, client.InNamespace(other))).To(Succeed())
			Expect(list.Items).To(BeEmpty())
		}
		mallory.expectOnlyWritesAtHome("k0sworkerconfigs", "remotemachines", "machines")
		mallory.expectNothingReadIn(other)
	})

	It("joins no Cluster of another namespace", func(ctx context.Context) {
		other := newEmptyNamespace(ctx)
		_, err := world.CreateCluster(ctx, other, "production")
		Expect(err).NotTo(HaveOccurred())
		for _, name := range []string{other + "/production", "../" + other + "/production"} {
			_, err := mallory.try(ctx, fmt.Sprintf(`spec: {clusterName: %q}`, name))
			Expect(err).To(MatchError(ContainSubstring("spec.clusterName")), name)
		}
		sm := mallory.create(ctx, `spec: {clusterName: production}`)
		expectCondition(ctx, sm, v1alpha1.ReferencesValidCondition, "False/ClusterNotFound")
		expectNoMachine(ctx, sm)
		mallory.expectNothingReadIn(other)
	})

	It("takes over no Machine by its name, and removes none by his own end", func(ctx context.Context) {
		foreign := foreignMachine(ctx, namespace)
		sm := mallory.create(ctx, `spec: {killSwitch: true}`)
		expectPhase(ctx, sm, v1alpha1.PhaseTerminated)
		change(ctx, sm, `{"spec":{"killSwitch":false}}`)
		expectPhase(ctx, sm, v1alpha1.PhaseError)
		Expect(world.Client.Delete(ctx, sm)).To(Succeed())
		Eventually(func() error { _, err := read(ctx, sm); return err }).Should(MatchError(apierrors.IsNotFound, "NotFound"))
		expectUntouched(ctx, foreign)
		Expect(sentDeletions(mallory.operator, namespace)).To(BeEmpty())
	})

	It("takes over no Machine by what he forges on his own object", func(ctx context.Context) {
		foreign := foreignMachine(ctx, namespace)
		sm := mallory.create(ctx, fmt.Sprintf(`
metadata:
  ownerReferences: [{apiVersion: cluster.x-k8s.io/v1beta2, kind: Machine, name: desk-7, uid: %[1]s}]
  labels: {5spot.finos.org/scheduled-machine: desk-7}
  annotations: {5spot.finos.org/owner-uid: %[1]s}
  uid: %[1]s
status:
  phase: Active
  machineRef: {apiVersion: cluster.x-k8s.io/v1beta2, kind: Machine, name: desk-7, uid: %[1]s}
`, foreign.UID))
		Expect(sm.UID).NotTo(Equal(foreign.UID))
		expectPhase(ctx, sm, v1alpha1.PhaseError)
		expectCondition(ctx, sm, v1alpha1.ReferencesValidCondition, "False/ForeignObject")
		expectUntouched(ctx, foreign)

		for _, template := range []string{
			`labels: {5spot.finos.org/scheduled-machine: other}`, `labels: {cluster.x-k8s.io/control-plane: ""}`,
			`annotations: {5spot.finos.org/owner-uid: other}`, `annotations: {sub.cluster.x-k8s.io/delete-machine: ""}`,
		} {
			sm, err := mallory.try(ctx, `{metadata: {name: forged}, spec: {machineTemplate: {`+template+`}}}`)
			if err == nil {
				expectCondition(ctx, sm, v1alpha1.ScheduleValidCondition, "False/InvalidSpec")
				expectNoMachine(ctx, sm)
				Expect(world.Client.Delete(ctx, sm)).To(Succeed())
				Eventually(func() error { _, err := read(ctx, sm); return err }).Should(MatchError(apierrors.IsNotFound, "NotFound"))
			}
		}
		mallory.expectOnlyWritesAtHome()
	})

	It("writes no calendar, and needs one to be there to follow it", func(ctx context.Context) {
		calendar := &v1alpha1.MachineCalendar{ObjectMeta: nameOf("holidays-of-" + namespace), Spec: v1alpha1.MachineCalendarSpec{Timezone: "UTC"}}
		Expect(mallory.Create(ctx, calendar)).To(MatchError(apierrors.IsForbidden, "a refusal"))
		sm := mallory.create(ctx, `spec: {schedule: {calendarRef: {name: `+calendar.Name+`}}}`)
		expectCondition(ctx, sm, v1alpha1.ReferencesValidCondition, "False/CalendarNotFound")
		expectNoMachine(ctx, sm)
		mallory.expectOnlyWritesAtHome()
	})
})
