package admission

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// maxTimeout is what the CRD allows for a timeout, whatever the settings say.
const maxTimeout = 24 * time.Hour

// Settings are what an administrator can set of the policies, by flags of the manager.
type Settings struct {
	// AllowedProviderGroups are the API groups that bootstrapSpec and infrastructureSpec
	// may name. At least one.
	AllowedProviderGroups []string

	// AllowNodeRestrictionLabels allows labels of node-restriction.kubernetes.io and its
	// subdomains in machineTemplate.
	AllowNodeRestrictionLabels bool

	// MaxGracefulShutdownTimeout and MaxNodeDrainTimeout bound these two fields. Whole
	// seconds, from 1s to 24h.
	MaxGracefulShutdownTimeout time.Duration
	MaxNodeDrainTimeout        time.Duration

	// MaxOverride is how far ahead an override may end. Whole seconds; 0 is any time.
	MaxOverride time.Duration

	// ValidationActions are what happens to a request that a policy refuses: Deny, Audit,
	// Warn, Audit with Deny, or Audit with Warn. The CRD's guard always denies.
	ValidationActions []string

	// RequireMachineCreate demands of authors that they may create Machines.
	RequireMachineCreate bool
}

// Defaults are the settings that the embedded policies have, so that these can be applied
// by hand as well.
func Defaults() Settings {
	return Settings{
		AllowedProviderGroups:      []string{"bootstrap.cluster.x-k8s.io", "infrastructure.cluster.x-k8s.io", "k0smotron.io"},
		MaxGracefulShutdownTimeout: maxTimeout,
		MaxNodeDrainTimeout:        maxTimeout,
		ValidationActions:          []string{string(admissionregistrationv1.Deny)},
		RequireMachineCreate:       true,
	}
}

// Validate names each flag whose value cannot be used, and the rule.
func (s Settings) Validate() error {
	return errors.Join(
		validateGroups("--allowed-provider-groups", s.AllowedProviderGroups),
		validateTimeout("--max-graceful-shutdown-timeout", s.MaxGracefulShutdownTimeout),
		validateTimeout("--max-node-drain-timeout", s.MaxNodeDrainTimeout),
		validateOverride("--max-override", s.MaxOverride),
		validateActions("--admission-validation-actions", s.ValidationActions),
	)
}

func validateGroups(flag string, groups []string) error {
	if len(groups) == 0 {
		return fmt.Errorf("%s must name at least one API group", flag)
	}
	for _, group := range groups {
		// Nothing else may get into the text of the policy.
		if problems := validation.IsDNS1123Subdomain(group); len(problems) > 0 {
			return fmt.Errorf("%s: %.64q is not an API group: %s", flag, group, strings.Join(problems, "; "))
		}
	}
	return nil
}

func validateTimeout(flag string, timeout time.Duration) error {
	if timeout < time.Second || timeout > maxTimeout || timeout%time.Second != 0 {
		return fmt.Errorf("%s must be whole seconds from 1s to 24h", flag)
	}
	return nil
}

func validateOverride(flag string, override time.Duration) error {
	if override < 0 || override%time.Second != 0 {
		return fmt.Errorf("%s must be whole seconds, or 0 for any time", flag)
	}
	return nil
}

func validateActions(flag string, actions []string) error {
	known := []string{string(admissionregistrationv1.Audit), string(admissionregistrationv1.Deny), string(admissionregistrationv1.Warn)}
	unknown := slices.ContainsFunc(actions, func(action string) bool { return !slices.Contains(known, action) })
	distinct := slices.Compact(slices.Sorted(slices.Values(actions)))
	if len(actions) == 0 || unknown || len(distinct) < len(actions) {
		return fmt.Errorf("%s must be one or two of %s, each once", flag, strings.Join(known, ", "))
	}
	if slices.Contains(actions, known[1]) && slices.Contains(actions, known[2]) {
		return fmt.Errorf("%s must not have both Deny and Warn, which would say the same twice", flag)
	}
	return nil
}
