package generate

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/finos/five-spot/tools/bundle/rendered"
)

// rights are what the ServiceAccounts of the Deployments are bound to.
type rights struct {
	// accounts are their names, in the order of the Deployments.
	accounts []string

	// rules are theirs in their own namespace, and clusterRules everywhere.
	rules, clusterRules map[string][]any

	// used are the objects that OLM makes anew from the ClusterServiceVersion.
	used map[*unstructured.Unstructured]bool
}

func rightsOf(objects *rendered.Objects) (*rights, error) {
	r := &rights{rules: map[string][]any{}, clusterRules: map[string][]any{}, used: map[*unstructured.Unstructured]bool{}}
	for _, deployment := range objects.Deployments {
		account, _, _ := unstructured.NestedString(deployment.Object, "spec", "template", "spec", "serviceAccountName")
		if account == "" {
			return nil, fmt.Errorf("%s %s: spec.template.spec.serviceAccountName is empty", deployment.GetKind(), deployment.GetName())
		}
		if !slices.Contains(r.accounts, account) {
			r.accounts = append(r.accounts, account)
		}
	}
	for _, account := range objects.ServiceAccounts {
		r.used[account] = slices.Contains(r.accounts, account.GetName())
	}
	for _, binding := range objects.RoleBindings {
		if err := r.take(binding, append(slices.Clone(objects.Roles), objects.ClusterRoles...), r.rules); err != nil {
			return nil, err
		}
	}
	for _, binding := range objects.ClusterRoleBindings {
		if err := r.take(binding, objects.ClusterRoles, r.clusterRules); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// take adds the rules of the role to those of the account that the binding names. A
// binding of others is left as it is.
func (r *rights) take(binding *unstructured.Unstructured, roles []*unstructured.Unstructured, into map[string][]any) error {
	accounts, others := r.subjects(binding)
	if len(accounts) == 0 {
		return nil
	}
	if others {
		return fmt.Errorf("%s %s: subjects must not be both a Deployment's ServiceAccount and others", binding.GetKind(), binding.GetName())
	}
	kind, _, _ := unstructured.NestedString(binding.Object, "roleRef", "kind")
	name, _, _ := unstructured.NestedString(binding.Object, "roleRef", "name")
	i := slices.IndexFunc(roles, func(role *unstructured.Unstructured) bool {
		return role.GetKind() == kind && role.GetName() == name && (kind == "ClusterRole" || role.GetNamespace() == binding.GetNamespace())
	})
	if i < 0 {
		return fmt.Errorf("%s %s: roleRef names %s %s, which is not there", binding.GetKind(), binding.GetName(), kind, name)
	}
	rules, _, err := unstructured.NestedSlice(roles[i].Object, "rules")
	if err != nil {
		return fmt.Errorf("failed to read %s %s: %w", kind, name, err)
	}
	for _, account := range accounts {
		into[account] = append(into[account], rules...)
	}
	r.used[binding], r.used[roles[i]] = true, true
	return nil
}

// subjects are the accounts of ours that a binding names, and whether it names others.
func (r *rights) subjects(binding *unstructured.Unstructured) (accounts []string, others bool) {
	subjects, _, _ := unstructured.NestedSlice(binding.Object, "subjects")
	for _, item := range subjects {
		subject, _ := item.(map[string]any)
		name, _ := subject["name"].(string)
		if subject["kind"] == "ServiceAccount" && slices.Contains(r.accounts, name) {
			accounts = append(accounts, name)
		} else {
			others = true
		}
	}
	return accounts, others
}

// permissions are rules in the form of a ClusterServiceVersion.
func (r *rights) permissions(rules map[string][]any) []any {
	permissions := []any{}
	for _, account := range r.accounts {
		if len(rules[account]) > 0 {
			permissions = append(permissions, map[string]any{"serviceAccountName": account, "rules": rules[account]})
		}
	}
	return permissions
}
