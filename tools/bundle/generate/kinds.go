package generate

import (
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/finos/five-spot/tools/bundle/rendered"
)

// Kinds are those of a bundle, sorted. OLM creates some more (operator-registry v1.61.0,
// pkg/lib/bundle/supported_resources.go): what is here is what every cluster has, since an
// InstallPlan fails on a kind that its cluster lacks, and what the community's pipelines do
// not refuse, which leaves out NetworkPolicy.
func Kinds() []string {
	return []string{
		"ClusterRole", "ClusterRoleBinding", "ClusterServiceVersion", "ConfigMap", "CustomResourceDefinition",
		"PodDisruptionBudget", "PriorityClass", "Role", "RoleBinding", "Service", "ServiceAccount",
	}
}

// leftOut is the kind of config that is in no bundle: OLM refuses it, and whoever installs
// the operator chooses the namespace.
const leftOut = "Namespace"

// keptObjects are what is in the bundle beside the ClusterServiceVersion: all but what has
// become part of that. OLM chooses the namespace.
func keptObjects(objects *rendered.Objects, rights *rights) ([]*unstructured.Unstructured, error) {
	var kept []*unstructured.Unstructured
	var errs []error
	for _, list := range [][]*unstructured.Unstructured{
		objects.CRDs, objects.ServiceAccounts, objects.Roles, objects.ClusterRoles,
		objects.RoleBindings, objects.ClusterRoleBindings, objects.Others,
	} {
		for _, object := range list {
			switch {
			case rights.used[object] || object.GetKind() == leftOut:
			case slices.Contains(Kinds(), object.GetKind()):
				object = object.DeepCopy()
				unstructured.RemoveNestedField(object.Object, "metadata", "namespace")
				kept = append(kept, object)
			default:
				errs = append(errs, fmt.Errorf("%s %s: a bundle must not have this kind", object.GetKind(), object.GetName()))
			}
		}
	}
	return kept, errors.Join(errs...)
}
