package bundle_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/finos/five-spot/tests/rights"
)

const account = "five-spot-controller-manager"

// OLM grants what the ClusterServiceVersion says, and no role of config/rbac. Its
// namespaced permissions become those of all namespaces, too, where it looks after all.
func TestTheManagerHasTheRightsOfTheManifests(t *testing.T) {
	t.Parallel()
	install := readCSV(t).Spec.Install.Spec
	for name, c := range map[string]struct {
		binding, role string
		permissions   []permission
	}{
		"in its namespace": {"RoleBinding", "Role", install.Permissions},
		"everywhere":       {"ClusterRoleBinding", "ClusterRole", install.ClusterPermissions},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if len(c.permissions) != 1 || c.permissions[0].ServiceAccountName != account {
				t.Fatalf("permissions are not those of %s alone", account)
			}
			want, got := words(boundTo(t, c.binding, c.role)), words(c.permissions[0].Rules)
			if len(want) < 4 {
				t.Fatalf("config/rbac grants only %v", want)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// boundTo are the rules that the bindings of config/rbac give to the manager.
func boundTo(t *testing.T, bindingKind, roleKind string) []rbacv1.PolicyRule {
	t.Helper()
	objects := readFolder(t, filepath.Join(root, "config", "rbac"))
	var rules []rbacv1.PolicyRule
	for _, object := range objects {
		if object.GetKind() != bindingKind {
			continue
		}
		binding := rbacv1.ClusterRoleBinding{} // A RoleBinding has the same fields.
		convert(t, object, &binding)
		if len(binding.Subjects) != 1 || binding.Subjects[0].Name != account || binding.RoleRef.Kind != roleKind {
			t.Fatalf("%s %s is not one of %s", bindingKind, binding.Name, account)
		}
		for _, other := range objects {
			if other.GetKind() == roleKind && other.GetName() == binding.RoleRef.Name {
				role := rbacv1.ClusterRole{}
				convert(t, other, &role)
				rules = append(rules, role.Rules...)
			}
		}
	}
	return rules
}

func convert(t *testing.T, object *unstructured.Unstructured, to any) {
	t.Helper()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, to); err != nil {
		t.Fatal(err)
	}
}

// words are the rights, one by one.
func words(rules []rbacv1.PolicyRule) []string {
	var list []string
	for _, right := range rights.In(rules, "") {
		list = append(list, right.String())
	}
	slices.Sort(list)
	return list
}
