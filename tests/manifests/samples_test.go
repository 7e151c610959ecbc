package manifests_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var (
	samples  = filepath.Join(root, "config", "samples")
	workload = filepath.Join(samples, "workload")
	kind     = regexp.MustCompile(`(?m)^kind: (.+)$`)
)

// kinds are the kinds of objects that a kustomization consists of.
func kinds(t *testing.T, folder string) []string {
	t.Helper()
	needServer(t)
	var found []string
	for _, match := range kind.FindAllStringSubmatch(kubectl(t, "", "kustomize", folder), -1) {
		found = append(found, match[1])
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func TestTheWorkloadIsNotAmongTheSamplesForTheManagementCluster(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff([]string{"MachineCalendar", "ScheduledMachine", "Secret"}, kinds(t, samples)); diff != "" {
		t.Errorf("the samples (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Deployment", "Namespace", "PodDisruptionBudget"}, kinds(t, workload)); diff != "" {
		t.Errorf("the workload (-want +got):\n%s", diff)
	}
}

func TestTheWorkloadAppliesToAClusterThatHasNothing(t *testing.T) {
	t.Parallel()
	needServer(t)
	kubectl(t, "", "apply", "--server-side", "--validate=strict", "-k", workload)
	kubectl(t, "", "apply", "--server-side", "--validate=strict", "-k", workload)
	key := client.ObjectKey{Namespace: "after-hours", Name: "render"}
	for _, obj := range []client.Object{&appsv1.Deployment{}, &policyv1.PodDisruptionBudget{}} {
		if err := admin.Get(t.Context(), key, obj); err != nil {
			t.Errorf("%T: %v", obj, err)
		}
	}
}
