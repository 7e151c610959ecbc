package integration_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

var _ = Describe("A Machine that is deleted by hand in the middle of its window", func() {
	It("is drained by Cluster API, and created again", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		first := joined(ctx, sm)
		pods, budget := blocked(ctx, sm)
		Expect(world.Client.Delete(ctx, first.DeepCopy())).To(Succeed())
		Eventually(isCordoned(ctx, nodeName(sm))).Should(BeTrue())
		expectPhase(ctx, sm, v1alpha1.PhasePending)
		expectCondition(ctx, sm, v1alpha1.MachineReadyCondition, "False/Deleting")
		expectCondition(ctx, sm, v1alpha1.DrainedCondition, "False/DelegatedToClusterAPI")
		expectStaying(ctx, pods)
		expectProvidedStay(ctx, NewWithT(GinkgoT()), sm)
		Expect(annotationsOf(ctx, nodeName(sm))()).NotTo(HaveKey(v1alpha1.CordonedByAnnotation))

		By("having its window closed meanwhile, and opened again")
		change(ctx, sm, `{"spec":{"schedule":{"enabled":false}}}`)
		expectCondition(ctx, sm, v1alpha1.DrainedCondition, "False/DelegatedToClusterAPI")
		change(ctx, sm, enable)
		Expect(world.WorkloadClient.Delete(ctx, budget)).To(Succeed())
		joinedAgain(ctx, sm, first)
		Expect(isCordoned(ctx, nodeName(sm))()).To(BeFalse())
		Expect(sentDeletions(operator, namespace)).To(BeEmpty())
	})
})

var _ = Describe("A provider that refuses to create one object", func() {
	It("is asked at growing intervals, and holds up no other object", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, monday)
		allow := refuseToProvide(ctx, namespace, "desk-7")
		sm := apply(ctx, namespace, businessHours)
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
		refusals := func() int {
			return len(operator.requests.List(func(r testenv.Request) bool {
				return r.Method == http.MethodPost && strings.HasSuffix(r.Path, "/namespaces/"+namespace+"/remotemachines")
			}))
		}

		operator.jumpTo(windowOpens)
		for attempt, wait := range []time.Duration{
			5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second,
		} {
			Eventually(refusals).Should(Equal(attempt + 1))
			asked := operator.clock.Now()
			operator.jumpTo(later(operator.clock.Now(), asked.Add(wait-4*time.Second)))
			operator.settle()
			Expect(refusals()).To(Equal(attempt+1), "asked before %s have passed", wait)
			operator.jumpTo(later(operator.clock.Now(), asked.Add(wait)))
		}
		Expect(machineExists(ctx, sm)()).To(BeFalse())
		expectPhase(ctx, sm, v1alpha1.PhasePending)
		expectCondition(ctx, sm, v1alpha1.ReferencesValidCondition, "False/ProviderRefused")
		other := apply(ctx, namespace, businessHours, func(sm *v1alpha1.ScheduledMachine) { sm.Name = "desk-8" })
		joined(ctx, other)

		By("being allowed")
		allow()
		operator.clock.Step(5 * time.Minute)
		joined(ctx, sm)
	})
})

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// refuseToProvide has the API server refuse to create one RemoteMachine, until the
// returned function is called or the spec ends.
func refuseToProvide(ctx context.Context, namespace, name string) (allow func()) {
	GinkgoHelper()
	metadata := metav1.ObjectMeta{Name: "refuse-to-provide-" + namespace}
	rule := admissionv1.Rule{APIGroups: []string{testenv.RemoteMachineKind.Group}, APIVersions: []string{"*"}, Resources: []string{"remotemachines"}}
	policy := &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: metadata, Spec: admissionv1.ValidatingAdmissionPolicySpec{
		FailurePolicy: new(admissionv1.Fail),
		MatchConstraints: &admissionv1.MatchResources{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
			ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
				Operations: []admissionv1.OperationType{admissionv1.Create}, Rule: rule,
			}}},
		},
		Validations: []admissionv1.Validation{{Expression: fmt.Sprintf("object.metadata.name != %q", name), Message: "no such host"}},
	}}
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metadata, Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
		PolicyName: metadata.Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
	}}
	Expect(world.Client.Create(ctx, policy)).To(Succeed())
	Expect(world.Client.Create(ctx, binding)).To(Succeed())
	refused := func() bool {
		probe := &unstructured.Unstructured{}
		probe.SetGroupVersionKind(testenv.RemoteMachineKind)
		probe.SetNamespace(namespace)
		probe.SetName(name)
		err := world.Client.Create(ctx, probe, client.DryRunAll)
		return err != nil && strings.Contains(err.Error(), "no such host")
	}
	lift := func(ctx context.Context) {
		Expect(client.IgnoreNotFound(world.Client.Delete(ctx, binding))).To(Succeed())
		Expect(client.IgnoreNotFound(world.Client.Delete(ctx, policy))).To(Succeed())
	}
	DeferCleanup(lift, NodeTimeout(soon))
	Eventually(refused).Should(BeTrue())
	return func() {
		lift(ctx)
		Eventually(refused).Should(BeFalse())
	}
}
