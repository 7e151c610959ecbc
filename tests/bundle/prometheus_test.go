package bundle_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The annotation makes the console offer that the platform's Prometheus looks after the
// namespace. It then has our alerts, and fires the first of them unless it finds the Pods.
func TestThePlatformsPrometheusFindsThePodsWhereTheConsoleHasItLookAfterThem(t *testing.T) {
	t.Parallel()
	if rawCSV(t).GetAnnotations()["operatorframework.io/cluster-monitoring"] != "true" {
		t.Error("the console does not offer it any more")
	}
	role, binding := &rbacv1.Role{}, &rbacv1.RoleBinding{}
	for kind, into := range map[string]any{"Role": role, "RoleBinding": binding} {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(installed(t, manifests, kind).Object, into); err != nil {
			t.Fatal(err)
		}
	}
	want := &rbacv1.RoleBinding{
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "openshift-monitoring", Name: "prometheus-k8s"}},
	}
	if diff := cmp.Diff(want, &rbacv1.RoleBinding{RoleRef: binding.RoleRef, Subjects: binding.Subjects}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// By Endpoints or EndpointSlices, as its version has it.
	var may []string
	for _, rule := range role.Rules {
		slices.Sort(rule.Verbs)
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				may = append(may, strings.Join(rule.Verbs, ",")+" "+schema.GroupResource{Group: group, Resource: resource}.String())
			}
		}
	}
	slices.Sort(may)
	if diff := cmp.Diff([]string{
		"get,list,watch endpoints", "get,list,watch endpointslices.discovery.k8s.io", "get,list,watch pods", "get,list,watch services",
	}, may); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
