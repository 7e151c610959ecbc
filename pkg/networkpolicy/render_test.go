package networkpolicy

import (
	"testing"

	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// defaults are the settings that the manifest is written with.
func defaults() Settings {
	return Settings{
		Namespace: "5spot-system", MetricsPort: 8080,
		MetricsNamespaces: metav1.LabelSelector{MatchLabels: map[string]string{"metrics": "enabled"}},
		APIServerPorts:    []int32{443, 6443},
	}
}

func rendered(g *WithT, settings Settings) *networkingv1.NetworkPolicy {
	object, err := Render(settings)
	g.Expect(err).NotTo(HaveOccurred())
	policy := &networkingv1.NetworkPolicy{}
	g.Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, policy)).To(Succeed())
	return policy
}

// What the manager installs by default is what the manifest says, to the letter.
func TestTheManifestHasTheDefaults(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	written := &unstructured.Unstructured{}
	g.Expect(yaml.Unmarshal(manifest, &written.Object)).To(Succeed())
	object, err := Render(defaults())
	g.Expect(err).NotTo(HaveOccurred())
	want, err := yaml.Marshal(written.Object)
	g.Expect(err).NotTo(HaveOccurred())
	got, err := yaml.Marshal(object.Object)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(got)).To(Equal(string(want)))
}

func TestSettingsReachThePolicy(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	settings := Settings{
		Namespace: "operators", MetricsPort: 9090, APIServerPorts: []int32{6443, 30443},
		MetricsNamespaces: metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: metav1.LabelSelectorOpIn, Values: []string{"b"}}}},
	}
	policy := rendered(g, settings)
	g.Expect(policy.Namespace).To(Equal("operators"))
	g.Expect(policy.Spec.Ingress).To(ConsistOf(networkingv1.NetworkPolicyIngressRule{
		From:  []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &settings.MetricsNamespaces}},
		Ports: tcp(9090),
	}))
	g.Expect(policy.Spec.Egress).To(HaveLen(2))
	g.Expect(policy.Spec.Egress[0]).To(Equal(rendered(g, defaults()).Spec.Egress[0]), "DNS stays")
	g.Expect(policy.Spec.Egress[1]).To(Equal(networkingv1.NetworkPolicyEgressRule{Ports: tcp(6443, 30443)}))
}

// No rule at all lets nobody in; a rule without ports would let in everybody.
func TestNobodyIsLetInWhereNoMetricsAreServed(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	settings := defaults()
	settings.MetricsPort = 0
	policy := rendered(g, settings)
	g.Expect(policy.Spec.Ingress).To(BeEmpty())
	g.Expect(policy.Spec.PolicyTypes).To(ConsistOf(networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress))
}
