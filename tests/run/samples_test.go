package main

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"

	"github.com/finos/five-spot/api/v1alpha1"
)

const projectRoot = "../.."

// make run watches the Machine under the name that the sample gives it.
func TestTheWorkstationSampleNamesItsNamespace(t *testing.T) {
	t.Parallel()
	got, err := readSample(filepath.Join(projectRoot, workstationSample))
	want := sample{namespace: "default", name: "workstation", cluster: "demo"}
	if got != want || err != nil {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestTheWorkloadFitsTheWorkstation(t *testing.T) {
	t.Parallel()
	workstation := &v1alpha1.ScheduledMachine{}
	budget := &policyv1.PodDisruptionBudget{}
	workload, err := readWorkload(projectRoot)
	if err != nil {
		t.Fatal(err)
	}
	read(t, workstationSample, workstation)
	read(t, filepath.Join(workloadSample, "poddisruptionbudget.yaml"), budget)

	pod := workload.Spec.Template.Spec
	for key, value := range pod.NodeSelector {
		if got := workstation.Spec.MachineTemplate.Labels[key]; string(got) != value {
			t.Errorf("the workload wants a Node with %s=%s, the workstation has %q", key, value, got)
		}
	}
	if len(pod.NodeSelector) == 0 || len(workstation.Spec.NodeTaints) == 0 {
		t.Error("the samples show neither labels nor taints")
	}
	for _, taint := range workstation.Spec.NodeTaints {
		want := corev1.Toleration{Key: taint.Key, Operator: corev1.TolerationOpEqual, Value: taint.Value, Effect: taint.Effect}
		if !slices.Contains(pod.Tolerations, want) {
			t.Errorf("the workload does not tolerate %+v", taint)
		}
	}
	if diff := cmp.Diff(workload.Spec.Selector, budget.Spec.Selector); diff != "" || workload.Namespace != budget.Namespace {
		t.Errorf("the PodDisruptionBudget is for other Pods (-workload +budget):\n%s", diff)
	}
	if budget.Spec.MaxUnavailable == nil || budget.Spec.MaxUnavailable.IntValue() != 1 {
		t.Errorf("the PodDisruptionBudget does not allow one at a time: %+v", budget.Spec)
	}
}

func read(t *testing.T, path string, into any) {
	t.Helper()
	if err := readManifest(filepath.Join(projectRoot, path), into); err != nil {
		t.Fatal(err)
	}
}
