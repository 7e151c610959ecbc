package rbac_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/finos/five-spot/api/v1alpha1"
)

// The audit log does not show what an admission plugin asks the authorizer, so that the
// right is shown to be needed by taking it away.
func TestWithoutTheRightToFinalizersNoMachineIsCreatedWherePluginsAskForIt(t *testing.T) {
	needWorld(t)
	const lacking = "five-spot-without-finalizers"
	began := time.Now()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: lacking}, Rules: rulesOfTheManager(t)}
	all := slices.Clone(role.Rules)
	role.Rules = slices.DeleteFunc(role.Rules, func(rule rbacv1.PolicyRule) bool {
		return slices.Contains(rule.Resources, blockOwnerDeletion.Resource)
	})
	g := NewWithT(t)
	g.Expect(all).To(HaveLen(len(role.Rules) + 1))
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: systemNamespace, Name: lacking}}
	bind := func(role string) *rbacv1.RoleBinding {
		return &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: lacking + "-" + role}, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role},
		}
	}
	for _, obj := range []client.Object{
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: lacking}},
		role,
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: lacking}, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: lacking},
		},
		bind("five-spot-leader-election-role"),
		bind("five-spot-monitoring-role"),
		bind("five-spot-network-policy-role"),
	} {
		g.Expect(world.Client.Create(t.Context(), obj)).To(Succeed())
		t.Cleanup(func() { _ = world.Client.Delete(context.WithoutCancel(t.Context()), obj) })
	}

	b := newBench(t, startOperatorAs(t, lacking))
	sm := b.machine("desk-1")
	b.create(sm)
	b.awaitCondition(sm, v1alpha1.ReferencesValidCondition, "False/ProviderForbidden")
	b.Expect(b.messageOf(sm, v1alpha1.ReferencesValidCondition)).To(Equal(
		`5-Spot lacks the right to update scheduledmachines.5spot.finos.org/finalizers in namespace "` + b.namespace + `"`))
	forbidden, err := world.Management.Forbidden(strings.TrimSuffix(user, account)+lacking, began)
	b.Expect(err).NotTo(HaveOccurred())
	b.Expect(forbidden).NotTo(BeEmpty())
	for i := range forbidden {
		b.Expect(forbidden[i].Verb+" "+forbidden[i].ObjectRef.Resource).To(Equal("create machines"), forbidden[i].ResponseStatus.Message)
	}

	role.Rules = all
	b.Expect(world.Client.Update(t.Context(), role)).To(Succeed())
	b.step(10 * time.Minute)
	b.await(sm, v1alpha1.PhaseActive)
	b.delete(sm)
}

// rulesOfTheManager are those that hold in the whole cluster.
func rulesOfTheManager(t *testing.T) []rbacv1.PolicyRule {
	t.Helper()
	bindings := &rbacv1.ClusterRoleBindingList{}
	NewWithT(t).Expect(world.Client.List(t.Context(), bindings)).To(Succeed())
	var rules []rbacv1.PolicyRule
	for i := range bindings.Items {
		if binding := &bindings.Items[i]; concernsTheManager(binding.Subjects) {
			rules = append(rules, rulesOf(t, binding.RoleRef, "")...)
		}
	}
	return rules
}

// Another provider takes the one role that the samples show, and until it is there a
// condition says which right is missing.
func TestAnotherProviderTakesOneMoreRole(t *testing.T) {
	needWorld(t)
	example := foreignKind{group: infrastructureGroup, version: "v1beta2", kind: "ExampleMachine", plural: "examplemachines"}
	_, err := envtest.InstallCRDs(world.Config(), envtest.CRDInstallOptions{CRDs: []*apiextensionsv1.CustomResourceDefinition{example.crd()}})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	b := newBench(t, startOperator(t))
	b.refuseMachines()
	sm := b.machine("desk-1")
	sm.Spec.InfrastructureSpec = example.providerObject()
	b.create(sm)
	b.awaitCondition(sm, v1alpha1.ReferencesValidCondition, "False/ProviderForbidden")
	b.Expect(b.messageOf(sm, v1alpha1.ReferencesValidCondition)).To(Equal(
		`5-Spot lacks the right to get examplemachines.infrastructure.cluster.x-k8s.io in namespace "` + b.namespace +
			`"; of a provider's kind it needs create, delete and get`))
	b.Expect(b.parts(sm)).To(BeEmpty(), "nothing is created before all can be")

	b.Expect(applyFolder(t.Context(), "samples/provider")).To(Succeed())
	t.Cleanup(func() {
		for _, obj := range []client.Object{&rbacv1.ClusterRole{}, &rbacv1.ClusterRoleBinding{}} {
			obj.SetName("five-spot-provider-example")
			_ = world.Client.Delete(context.WithoutCancel(t.Context()), obj)
		}
	})
	b.step(10 * time.Minute)
	b.awaitCondition(sm, v1alpha1.ReferencesValidCondition, "False/ProviderRefused")
	b.Expect(b.parts(sm)).To(HaveLen(2))

	b.grantForExamples("create", "get")
	b.override(sm, v1alpha1.ScheduleInactive)
	b.awaitCondition(sm, v1alpha1.ReferencesValidCondition, "False/ProviderForbidden")
	b.Expect(b.messageOf(sm, v1alpha1.ReferencesValidCondition)).To(HavePrefix("5-Spot lacks the right to delete examplemachines."))
	b.grantForExamples("create", "delete", "get")
	b.Eventually(func() []string { b.step(time.Minute); return b.parts(sm) }).Should(BeEmpty())
	b.await(sm, v1alpha1.PhaseInactive)
}

// grantForExamples has the sample's role grant these verbs, and no others.
func (b *bench) grantForExamples(verbs ...string) {
	b.t.Helper()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "five-spot-provider-example"}}
	b.Expect(world.Client.Get(b.t.Context(), client.ObjectKeyFromObject(role), role)).To(Succeed())
	role.Rules[0].Verbs = verbs
	b.Expect(world.Client.Update(b.t.Context(), role)).To(Succeed())
}
