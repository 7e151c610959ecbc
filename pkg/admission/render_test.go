package admission_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/finos/five-spot/pkg/admission"
)

func byName(g *WithT, settings admission.Settings) map[string]admission.Policy {
	rendered, err := admission.Render(settings)
	g.Expect(err).NotTo(HaveOccurred())
	policies := map[string]admission.Policy{}
	for _, policy := range rendered {
		policies[policy.Name] = policy
		g.Expect(policy.Policy.GetName()).To(Equal(policy.Name))
		g.Expect(policy.Binding.GetName()).To(Equal(policy.Name))
		bound, _, _ := unstructured.NestedString(policy.Binding.Object, "spec", "policyName")
		g.Expect(bound).To(Equal(policy.Name))
		failure, _, _ := unstructured.NestedString(policy.Policy.Object, "spec", "failurePolicy")
		g.Expect(failure).To(Equal("Fail"))
	}
	g.Expect(policies).To(HaveLen(3))
	return policies
}

// variables are those of the policy about ScheduledMachines.
func variables(policies map[string]admission.Policy) map[string]string {
	list, _, _ := unstructured.NestedSlice(policies[admission.ScheduledMachines].Policy.Object, "spec", "variables")
	expressions := map[string]string{}
	for _, item := range list {
		variable := item.(map[string]any)
		expressions[variable["name"].(string)] = variable["expression"].(string)
	}
	return expressions
}

func actions(policy admission.Policy) []string {
	list, _, _ := unstructured.NestedStringSlice(policy.Binding.Object, "spec", "validationActions")
	return list
}

func TestSettingsAreInThePolicies(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	policies := byName(g, admission.Settings{
		AllowedProviderGroups:      []string{"hosts.example.com", "k0smotron.io"},
		AllowNodeRestrictionLabels: true,
		MaxGracefulShutdownTimeout: 90 * time.Minute,
		MaxNodeDrainTimeout:        time.Minute,
		MaxOverride:                168 * time.Hour,
		ValidationActions:          []string{"Audit", "Warn"},
	})
	g.Expect(variables(policies)).To(And(
		HaveKeyWithValue("allowedProviderGroups", "['hosts.example.com', 'k0smotron.io']"),
		HaveKeyWithValue("allowNodeRestrictionLabels", "true"),
		HaveKeyWithValue("maxGracefulShutdownTimeout", "duration('5400s')"),
		HaveKeyWithValue("maxNodeDrainTimeout", "duration('60s')"),
		HaveKeyWithValue("maxOverride", "duration('604800s')"),
	))
	g.Expect(actions(policies[admission.ScheduledMachines])).To(Equal([]string{"Audit", "Warn"}))
	g.Expect(actions(policies[admission.MachineCreate])).To(Equal([]string{"Audit", "Warn"}))
	g.Expect(actions(policies[admission.CRDGuard])).To(Equal([]string{"Deny"}), "there is nothing to roll out")
	for name, policy := range policies {
		g.Expect(policy.Unbound).To(Equal(name == admission.MachineCreate), name)
	}
}

func TestByDefaultEverythingIsBoundAndDenies(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	byName(g, admission.Settings{
		AllowedProviderGroups: []string{"a.io"}, MaxGracefulShutdownTimeout: time.Second, MaxNodeDrainTimeout: time.Second, ValidationActions: []string{"Warn"},
	}) // Nothing of it stays behind.
	policies := byName(g, admission.Defaults())
	for name, policy := range policies {
		g.Expect(policy.Unbound).To(BeFalse(), name)
		g.Expect(actions(policy)).To(Equal([]string{"Deny"}), name)
	}
	g.Expect(variables(policies)).To(And(
		HaveKeyWithValue("allowedProviderGroups", "['bootstrap.cluster.x-k8s.io', 'infrastructure.cluster.x-k8s.io', 'k0smotron.io']"),
		HaveKeyWithValue("allowNodeRestrictionLabels", "false"),
		HaveKeyWithValue("maxGracefulShutdownTimeout", "duration('86400s')"),
		HaveKeyWithValue("maxOverride", "duration('0s')"),
	))
}

func TestNothingIsRenderedFromSettingsThatMeanNothing(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*admission.Settings){
		"no group":                  func(s *admission.Settings) { s.AllowedProviderGroups = nil },
		"a group that is code":      func(s *admission.Settings) { s.AllowedProviderGroups = []string{"a'] + ['b"} },
		"a group that is empty":     func(s *admission.Settings) { s.AllowedProviderGroups = []string{"a.io", ""} },
		"a timeout of nothing":      func(s *admission.Settings) { s.MaxGracefulShutdownTimeout = 0 },
		"a timeout beyond the CRD":  func(s *admission.Settings) { s.MaxNodeDrainTimeout = 25 * time.Hour },
		"a timeout of a fraction":   func(s *admission.Settings) { s.MaxNodeDrainTimeout = 1500 * time.Millisecond },
		"an override in the past":   func(s *admission.Settings) { s.MaxOverride = -time.Second },
		"no action":                 func(s *admission.Settings) { s.ValidationActions = nil },
		"an action that is unknown": func(s *admission.Settings) { s.ValidationActions = []string{"Allow"} },
		"an action twice":           func(s *admission.Settings) { s.ValidationActions = []string{"Audit", "Audit"} },
		"actions that exclude each": func(s *admission.Settings) { s.ValidationActions = []string{"Audit", "Warn", "Deny"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			settings := admission.Defaults()
			change(&settings)
			rendered, err := admission.Render(settings)
			g.Expect(err).To(MatchError(ContainSubstring("--")), "the flag is named")
			g.Expect(rendered).To(BeEmpty())
		})
	}
}
