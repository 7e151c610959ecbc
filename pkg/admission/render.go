package admission

import (
	"embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

//go:embed policies/*.yaml
var manifests embed.FS

// Names of the policies; each binding has the name of its policy.
const (
	// ScheduledMachines judges what a ScheduledMachine says.
	ScheduledMachines = "five-spot-scheduledmachines"

	// MachineCreate judges who may say which machine it is.
	MachineCreate = "five-spot-machine-create"

	// CRDGuard keeps the CRD of ScheduledMachines from being deleted by mistake.
	CRDGuard = "five-spot-crd-guard"
)

var (
	errShape   = errors.New("the manifest has not the expected shape")
	errNoValue = errors.New("the policy has no variable for a setting")
)

// Policy is one policy with its binding, without which it enforces nothing.
type Policy struct {
	Name    string
	Policy  *unstructured.Unstructured
	Binding *unstructured.Unstructured

	// Unbound is that the binding is not wanted: where it exists, it is to go.
	Unbound bool
}

// files are the beginnings of the names of the manifests, by the name of the policy.
var files = map[string]string{ScheduledMachines: "scheduledmachines", MachineCreate: "machine_create", CRDGuard: "crd_guard"}

// Names are the names of all policies.
func Names() []string { return []string{ScheduledMachines, MachineCreate, CRDGuard} }

// Render returns the policies with the settings in them. The error names each setting
// that cannot be used; nothing is rendered then, so that a mistake never loosens a rule.
func Render(settings Settings) ([]Policy, error) {
	if err := settings.Validate(); err != nil {
		return nil, err
	}
	var rendered []Policy
	for _, name := range Names() {
		policy, err := read(files[name] + "_policy.yaml")
		if err != nil {
			return nil, err
		}
		binding, err := read(files[name] + "_binding.yaml")
		if err != nil {
			return nil, err
		}
		one := Policy{Name: name, Policy: policy, Binding: binding}
		if err := one.adopt(settings); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		rendered = append(rendered, one)
	}
	return rendered, nil
}

func read(file string) (*unstructured.Unstructured, error) {
	text, err := manifests.ReadFile("policies/" + file)
	if err != nil {
		return nil, fmt.Errorf("failed to read the manifest %s: %w", file, err)
	}
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(text, &object.Object); err != nil {
		return nil, fmt.Errorf("failed to parse the manifest %s: %w", file, err)
	}
	return object, nil
}

// adopt puts the settings that bear on it into the policy and its binding.
func (p *Policy) adopt(settings Settings) error {
	switch p.Name {
	case CRDGuard:
		return nil
	case MachineCreate:
		p.Unbound = !settings.RequireMachineCreate
	case ScheduledMachines:
		if err := setVariables(p.Policy, settings.variables()); err != nil {
			return err
		}
	}
	return unstructured.SetNestedStringSlice(p.Binding.Object, settings.ValidationActions, "spec", "validationActions")
}

// variables are the settings as expressions, by the name of the variable.
func (s Settings) variables() map[string]string {
	groups := make([]string, len(s.AllowedProviderGroups))
	for i, group := range s.AllowedProviderGroups {
		groups[i] = "'" + group + "'"
	}
	return map[string]string{
		"allowedProviderGroups":      "[" + strings.Join(groups, ", ") + "]",
		"allowNodeRestrictionLabels": strconv.FormatBool(s.AllowNodeRestrictionLabels),
		"maxGracefulShutdownTimeout": expressionOf(s.MaxGracefulShutdownTimeout),
		"maxNodeDrainTimeout":        expressionOf(s.MaxNodeDrainTimeout),
		"maxOverride":                expressionOf(s.MaxOverride),
	}
}

func expressionOf(d time.Duration) string {
	return fmt.Sprintf("duration('%ds')", int64(d/time.Second))
}

func setVariables(policy *unstructured.Unstructured, expressions map[string]string) error {
	variables, ok, err := unstructured.NestedSlice(policy.Object, "spec", "variables")
	if err != nil || !ok {
		return errors.Join(errShape, err)
	}
	found := 0
	for _, item := range variables {
		variable, ok := item.(map[string]any)
		if !ok {
			return errShape
		}
		name, _ := variable["name"].(string)
		if expression, ok := expressions[name]; ok {
			variable["expression"] = expression
			found++
		}
	}
	if found != len(expressions) {
		return errNoValue
	}
	return unstructured.SetNestedSlice(policy.Object, variables, "spec", "variables")
}
