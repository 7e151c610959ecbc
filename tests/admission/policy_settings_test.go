package admission_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/finos/five-spot/controllers"
	"github.com/finos/five-spot/pkg/admission"
)

// garbage is what may stand where a setting should, and what is none of the kind that the
// setting has.
var garbage = []string{
	"", " ", "''", "'x'", "null", "0", "-1", "1.5", "[]", "['']", "['*']", "[1]", "{}", "{'a': 1}", "dyn(null)", "duration('x')", "duration('')",
	"timestamp('x')", "x", "variables.x", "object", "request", "'] + ['rbac.authorization.k8s.io", "1 / 0", "[][0]", "optional.none()",
}

// legal are settings that are garbage for others.
func legal(setting, value string) bool {
	return setting == "allowedProviderGroups" && strings.HasPrefix(value, "[") && !strings.Contains(value, "1")
}

// refusable are creations that the policies refuse with the settings of tight.
func refusable(t *testing.T) map[string]map[string]any {
	t.Helper()
	objects := map[string]map[string]any{
		"a timeout that is too long":   stamped(patched(t, machineObject, `{spec: {gracefulShutdownTimeout: 2h}}`)),
		"a drain that is too long":     stamped(patched(t, machineObject, `{spec: {nodeDrainTimeout: 2h}}`)),
		"an override that is too long": stamped(patched(t, machineObject, `{spec: {schedule: {override: {state: Active, until: "2036-01-01T00:00:00Z"}}}}`)),
	}
	for sentence, r := range rows()[machineObject] {
		if r.blind != reserved && r.blind != apiGroups && r.blind != keySyntax && r.blind != annotationSize {
			continue
		}
		object, _ := r.objects(t, machineObject)
		objects[sentence] = stamped(object)
	}
	return objects
}

func tight() admission.Settings {
	settings := admission.Defaults()
	settings.MaxGracefulShutdownTimeout, settings.MaxNodeDrainTimeout, settings.MaxOverride = time.Hour, time.Hour, time.Hour
	return settings
}

// Whoever deletes or garbles a setting in the policy itself makes it refuse more.
func TestADamagedSettingInThePolicyNeverLetsMoreThrough(t *testing.T) {
	t.Parallel()
	settings := []string{"allowedProviderGroups", "allowNodeRestrictionLabels", "maxGracefulShutdownTimeout", "maxNodeDrainTimeout", "maxOverride"}
	objects := refusable(t)
	if len(objects) < 20 {
		t.Fatalf("only %d objects", len(objects))
	}
	for _, setting := range settings {
		for _, value := range append([]string{"deleted"}, garbage...) {
			t.Run(setting+" "+value, func(t *testing.T) {
				t.Parallel()
				policies := rendered(t, tight())
				damage(t, policies[0], setting, value)
				set, err := newPolicySet(oldest, policies[0])
				if err != nil {
					t.Fatal(err)
				}
				for name, object := range objects {
					if refused := set.byPolicies(t.Context(), write{object: object, user: "admin"}); len(refused) == 0 {
						t.Errorf("%s is let through", name)
					}
				}
				// Most garbage refuses everything that asks for the setting.
				groups := set.byPolicies(t.Context(), write{object: stamped(patched(t, machineObject, "")), user: "admin"})
				if setting == "allowedProviderGroups" && !legal(setting, value) && len(groups) == 0 {
					t.Error("a list of groups that is none refuses nothing")
				}
			})
		}
	}
}

func damage(t *testing.T, policy *admissionregistrationv1.ValidatingAdmissionPolicy, setting, value string) {
	t.Helper()
	at := slices.IndexFunc(policy.Spec.Variables, func(v admissionregistrationv1.Variable) bool { return v.Name == setting })
	if at < 0 {
		t.Fatalf("there is no variable %s", setting)
	}
	if value == "deleted" {
		policy.Spec.Variables = slices.Delete(policy.Spec.Variables, at, at+1)
		return
	}
	policy.Spec.Variables[at].Expression = value
}

// A manager with a flag that means nothing does not start, so that what is installed
// stays; with a flag that is left out the policy is the strict one.
func TestADamagedFlagNeverLetsMoreThrough(t *testing.T) {
	t.Parallel()
	flags := []string{
		"allowed-provider-groups", "allow-node-restriction-labels", "max-graceful-shutdown-timeout", "max-node-drain-timeout", "max-override",
		"admission-validation-actions", "require-machine-create", "manage-admission-policy",
	}
	values := append([]string{
		"*", "deny", "Allow", "Ignore", "Deny,", ",", "yes", "on", "25h", "-1h", "1ms", "24h1s", "9999999h", "1d", "a b", "A.io", "a..b", ".io", "a/b", "a'b", "a,*", "a,",
	}, garbage...)
	for _, flag := range flags {
		for _, value := range values {
			t.Run(flag+"="+value, func(t *testing.T) {
				t.Parallel()
				g := NewWithT(t)
				unset := func(string) (string, bool) { return "", false }
				for _, opts := range []func() (controllers.Options, error){
					func() (controllers.Options, error) {
						return controllers.ParseOptions([]string{"--" + flag + "=" + value}, unset)
					},
					func() (controllers.Options, error) {
						variable := strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
						return controllers.ParseOptions(nil, func(name string) (string, bool) { return value, name == variable })
					},
				} {
					parsed, err := opts()
					if err != nil {
						continue
					}
					g.Expect(parsed.Admission.Validate()).To(Succeed())
					// What gets by means what it says, as 0 does of a truth value.
					defaults := admission.Defaults()
					if flag == "require-machine-create" && value == "0" || flag == "manage-admission-policy" && value == "0" {
						continue
					}
					g.Expect(parsed.ManageAdmissionPolicy).To(BeTrue())
					if flag == "allowed-provider-groups" {
						g.Expect(parsed.Admission.AllowedProviderGroups).To(Or(Equal(defaults.AllowedProviderGroups), Equal([]string{value})))
						parsed.Admission.AllowedProviderGroups = defaults.AllowedProviderGroups
					}
					if flag == "max-override" && parsed.Admission.MaxOverride > 0 {
						parsed.Admission.MaxOverride = 0 // It was no limit before.
					}
					g.Expect(parsed.Admission).To(Equal(defaults))
				}
			})
		}
	}
}
