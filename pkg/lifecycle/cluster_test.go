package lifecycle

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/finos/five-spot/api/v1alpha1"
)

func TestClusterProblemNamesTheFirstThingMissing(t *testing.T) {
	t.Parallel()
	c := Cluster{APIMissing: true, Deleting: true}
	mended := []func(){
		func() { c.APIMissing = false },
		func() { c.Exists = true },
		func() { c.Deleting = false },
		func() { c.InfrastructureProvisioned = true },
	}
	got := []string{c.Problem().Reason}
	for _, mend := range mended {
		mend()
		got = append(got, c.Problem().Reason)
	}
	want := []string{
		v1alpha1.ClusterAPINotInstalledReason, v1alpha1.ClusterNotFoundReason, v1alpha1.ClusterDeletingReason,
		v1alpha1.ClusterInfrastructureNotReadyReason, v1alpha1.ClusterControlPlaneNotReadyReason,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	if c.ControlPlaneInitialized = true; c.Problem() != nil {
		t.Errorf("Problem() = %v, want none", c.Problem())
	}
}
