package manager_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

// moment is how long to look whether something happens that must not. Where it would
// happen it takes a tenth of that.
const moment = 2 * time.Second

var networkPolicyKey = client.ObjectKey{Namespace: namespace, Name: "five-spot-controller-manager"}

// The policy is one for the namespace, so its tests come one after the other.

func TestTheManagerKeepsItsNetworkPolicy(t *testing.T) {
	needWorld(t)
	t.Cleanup(func() { removeNetworkPolicy(t) })
	m := startManager(t, "--manage-network-policy",
		"--network-policy-api-server-ports=6443,30443", "--network-policy-metrics-namespaces=team in (observability)")
	m.Eventually(m.networkPolicy).ShouldNot(BeNil())
	first := m.networkPolicy()
	m.Expect(first.Annotations).To(HaveKeyWithValue(v1alpha1.VersionAnnotation, testenv.ManagerVersion))
	m.Expect(first.Spec.PodSelector.MatchLabels).To(Equal(map[string]string{
		"app.kubernetes.io/component": "controller-manager", "app.kubernetes.io/name": "five-spot",
	}))
	m.Expect(first.Spec.Ingress).To(ConsistOf(And(
		HaveField("From", ConsistOf(HaveField("NamespaceSelector.MatchExpressions", ConsistOf(HaveField("Key", "team"))))),
		HaveField("Ports", ConsistOf(HaveField("Port.IntVal", BeEquivalentTo(m.metricsPort))))),
	))
	m.Expect(first.Spec.Egress[1].Ports).To(ConsistOf(HaveField("Port.IntVal", BeEquivalentTo(6443)), HaveField("Port.IntVal", BeEquivalentTo(30443))))
	isAsItWas := func() bool {
		now := m.networkPolicy()
		return now != nil && equality.Semantic.DeepEqual(first.Spec, now.Spec)
	}

	for what, change := range map[string]func(*networkingv1.NetworkPolicy){
		"a rule that lets everybody in": func(p *networkingv1.NetworkPolicy) {
			p.Spec.Ingress = append(p.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{})
		},
		"a rule that lets everything out": func(p *networkingv1.NetworkPolicy) {
			p.Spec.Egress = append(p.Spec.Egress, networkingv1.NetworkPolicyEgressRule{})
		},
		"no rule for DNS":        func(p *networkingv1.NetworkPolicy) { p.Spec.Egress = p.Spec.Egress[1:] },
		"nothing about egress":   func(p *networkingv1.NetworkPolicy) { p.Spec.PolicyTypes = p.Spec.PolicyTypes[:1] },
		"every Pod around it":    func(p *networkingv1.NetworkPolicy) { p.Spec.PodSelector = metav1.LabelSelector{} },
		"the Pods of the others": func(p *networkingv1.NetworkPolicy) { p.Spec.PodSelector.MatchLabels["app"] = "other" },
	} {
		m.changeNetworkPolicy(change)
		m.Eventually(isAsItWas).Should(BeTrue(), what)
	}
	m.Expect(world.Client.Delete(t.Context(), m.networkPolicy())).To(Succeed())
	m.Eventually(func() types.UID {
		if now := m.networkPolicy(); now != nil {
			return now.UID
		}
		return first.UID
	}).ShouldNot(Equal(first.UID))

	open := func(p *networkingv1.NetworkPolicy) { p.Spec.Egress = []networkingv1.NetworkPolicyEgressRule{{}} }
	for what, mine := range map[string]func(*networkingv1.NetworkPolicy){
		"of a newer manager": func(p *networkingv1.NetworkPolicy) { p.Annotations[v1alpha1.VersionAnnotation] = "v99.0.0" },
		"of somebody else":   func(p *networkingv1.NetworkPolicy) { p.Labels[v1alpha1.ManagedByLabel] = "somebody" },
	} {
		m.changeNetworkPolicy(func(p *networkingv1.NetworkPolicy) {
			open(p)
			mine(p)
		})
		m.Consistently(isAsItWas).WithTimeout(moment).Should(BeFalse(), what)
		m.changeNetworkPolicy(func(p *networkingv1.NetworkPolicy) {
			p.Annotations[v1alpha1.VersionAnnotation], p.Labels[v1alpha1.ManagedByLabel] = testenv.ManagerVersion, v1alpha1.ManagedByFiveSpot
		})
		m.Eventually(isAsItWas).Should(BeTrue(), what)
	}

	m.stop()
	m.Expect(isAsItWas()).To(BeTrue(), "a manager that stops removes nothing")
}

func TestNobodyElseWritesTheNetworkPolicy(t *testing.T) {
	for what, args := range map[string][]string{
		"a manager that was not told to":  nil,
		"the second instance of managers": {"--manage-network-policy", "--instance-id=1", "--instance-count=2"},
	} {
		m := startManager(t, args...)
		m.Consistently(m.networkPolicy).WithTimeout(moment).Should(BeNil(), what)
		m.stop()
	}
}

func TestAMissingRightToTheNetworkPolicyIsTold(t *testing.T) {
	needWorld(t)
	g := NewWithT(t)
	binding := &rbacv1.RoleBinding{}
	g.Expect(world.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "five-spot-network-policy-rolebinding"}, binding)).To(Succeed())
	g.Expect(world.Client.Delete(t.Context(), binding)).To(Succeed())
	t.Cleanup(func() {
		binding.ResourceVersion, binding.UID = "", ""
		if err := world.Client.Create(context.WithoutCancel(t.Context()), binding); err != nil {
			t.Error(err)
		}
	})
	m := startManager(t, "--manage-network-policy")
	m.Eventually(func() string { return string(m.log.Contents()) }).Should(ContainSubstring("a right is missing"))
	m.Expect(m.networkPolicy()).To(BeNil())
}

// networkPolicy is the policy as it is now; nil when there is none.
func (m *manager) networkPolicy() *networkingv1.NetworkPolicy {
	m.Helper()
	policy := &networkingv1.NetworkPolicy{}
	err := world.Client.Get(m.Context(), networkPolicyKey, policy)
	if apierrors.IsNotFound(err) {
		return nil
	}
	m.Expect(err).NotTo(HaveOccurred())
	return policy
}

func (m *manager) changeNetworkPolicy(change func(*networkingv1.NetworkPolicy)) {
	m.Helper()
	m.Eventually(func() error {
		policy := m.networkPolicy()
		change(policy)
		return world.Client.Update(m.Context(), policy)
	}).Should(Succeed())
}

func removeNetworkPolicy(t *testing.T) {
	t.Helper()
	policy := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: networkPolicyKey.Namespace, Name: networkPolicyKey.Name}}
	if err := client.IgnoreNotFound(world.Client.Delete(context.WithoutCancel(t.Context()), policy)); err != nil {
		t.Error(err)
	}
}
