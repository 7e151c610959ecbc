package bundle_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// operator-sdk and kubebuilder go by it, also where they add a kind.
func TestTheProjectIsOneOfOperatorSDKWithTheKindsOfTheBundle(t *testing.T) {
	t.Parallel()
	project := struct {
		Layout    []string       `json:"layout"`
		Plugins   map[string]any `json:"plugins"`
		Resources []struct {
			API struct {
				Namespaced bool `json:"namespaced"`
			} `json:"api"`
			Group   string `json:"group"`
			Domain  string `json:"domain"`
			Version string `json:"version"`
			Kind    string `json:"kind"`
		} `json:"resources"`
	}{}
	if err := yaml.Unmarshal([]byte(readText(t, filepath.Join(root, "PROJECT"))), &project); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(project.Layout, []string{"go.kubebuilder.io/v4"}) {
		t.Errorf("layout %v", project.Layout)
	}
	plugins := map[string]any{"manifests.sdk.operatorframework.io/v2": map[string]any{}, "scorecard.sdk.operatorframework.io/v2": map[string]any{}}
	if diff := cmp.Diff(plugins, project.Plugins); diff != "" {
		t.Errorf("plugins (-want +got):\n%s", diff)
	}
	var want, got []string
	for _, resource := range project.Resources {
		scope := "Cluster"
		if resource.API.Namespaced {
			scope = "Namespaced"
		}
		got = append(got, scope+" "+resource.Group+"."+resource.Domain+"/"+resource.Version+" "+resource.Kind)
	}
	for _, object := range readFolder(t, manifests) {
		if object.GetKind() != "CustomResourceDefinition" {
			continue
		}
		scope, _, _ := unstructured.NestedString(object.Object, "spec", "scope")
		group, _, _ := unstructured.NestedString(object.Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(object.Object, "spec", "names", "kind")
		versions, _, _ := unstructured.NestedSlice(object.Object, "spec", "versions")
		for _, version := range versions {
			name, _, _ := unstructured.NestedString(version.(map[string]any), "name")
			want = append(want, scope+" "+group+"/"+name+" "+kind)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("kinds (-bundle +project):\n%s", diff)
	}
}

// A check that is not listed is one that operator-sdk does not make.
func TestTheScorecardHasEveryCheck(t *testing.T) {
	t.Parallel()
	config := struct {
		Stages []struct {
			Tests []struct {
				Entrypoint []string          `json:"entrypoint"`
				Labels     map[string]string `json:"labels"`
			} `json:"tests"`
		} `json:"stages"`
	}{}
	if err := yaml.Unmarshal([]byte(readText(t, filepath.Join(root, "bundle", "tests", "scorecard", "config.yaml"))), &config); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, stage := range config.Stages {
		for _, test := range stage.Tests {
			name := test.Entrypoint[len(test.Entrypoint)-1]
			if test.Entrypoint[0] != "scorecard-test" || test.Labels["test"] != name+"-test" {
				t.Errorf("%s: entrypoint %v, labels %v", name, test.Entrypoint, test.Labels)
			}
			got = append(got, name)
		}
	}
	want := []string{
		"basic-check-spec", "olm-bundle-validation", "olm-crds-have-resources", "olm-crds-have-validation", "olm-spec-descriptors", "olm-status-descriptors",
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
