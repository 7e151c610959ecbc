// Package bundle holds the bundle that a catalog serves against what it is about: the
// manifests in config, and what the manager has in it and applies. What OLM and the
// console want of a bundle is tested in tools/bundle, which makes it.
package bundle_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const (
	root      = "../.."
	manifests = root + "/bundle/manifests"

	kindCSV       = "ClusterServiceVersion"
	kindConfigMap = "ConfigMap"
)

// csv are the fields of a ClusterServiceVersion that are looked at here.
type csv struct {
	Spec struct {
		MinKubeVersion string `json:"minKubeVersion"`
		Cleanup        any    `json:"cleanup"`
		InstallModes   []struct {
			Type      string `json:"type"`
			Supported bool   `json:"supported"`
		} `json:"installModes"`
		NativeAPIs []struct {
			Group   string `json:"group"`
			Version string `json:"version"`
			Kind    string `json:"kind"`
		} `json:"nativeAPIs"`
		RelatedImages []struct {
			Name  string `json:"name"`
			Image string `json:"image"`
		} `json:"relatedImages"`
		CustomResourceDefinitions struct {
			Owned []struct {
				Kind      string `json:"kind"`
				Resources []struct {
					Kind    string `json:"kind"`
					Version string `json:"version"`
				} `json:"resources"`
			} `json:"owned"`
		} `json:"customresourcedefinitions"`
		Install struct {
			Spec struct {
				Deployments []struct {
					Name string                `json:"name"`
					Spec appsv1.DeploymentSpec `json:"spec"`
				} `json:"deployments"`
				Permissions        []permission `json:"permissions"`
				ClusterPermissions []permission `json:"clusterPermissions"`
			} `json:"spec"`
		} `json:"install"`
	} `json:"spec"`
}

type permission struct {
	ServiceAccountName string              `json:"serviceAccountName"`
	Rules              []rbacv1.PolicyRule `json:"rules"`
}

// relatedImages are the images that the bundle declares.
func (c *csv) relatedImages() []string {
	var images []string
	for _, related := range c.Spec.RelatedImages {
		images = append(images, related.Image)
	}
	return images
}

func readCSV(t *testing.T) *csv {
	t.Helper()
	read := &csv{}
	for _, object := range readFolder(t, manifests) {
		if object.GetKind() == kindCSV {
			text, err := yaml.Marshal(object.Object)
			if err != nil {
				t.Fatal(err)
			}
			if err := yaml.Unmarshal(text, read); err != nil {
				t.Fatal(err)
			}
		}
	}
	return read
}

// readFolder reads the objects in the files of a folder.
func readFolder(t *testing.T, folder string) []*unstructured.Unstructured {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no files: %v", folder, err)
	}
	var objects []*unstructured.Unstructured
	for _, file := range files {
		if filepath.Base(file) != "kustomization.yaml" {
			objects = append(objects, parse(t, readText(t, file))...)
		}
	}
	return objects
}

func readText(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func parse(t *testing.T, text string) []*unstructured.Unstructured {
	t.Helper()
	var objects []*unstructured.Unstructured
	for document := range strings.SplitSeq(strings.TrimPrefix(text, "---\n"), "\n---\n") {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
			t.Fatal(err)
		}
		objects = append(objects, object)
	}
	return objects
}

// An InstallPlan fails on a kind that OLM refuses or that the cluster lacks, while the
// ClusterServiceVersion says that all is well.
func TestTheBundleHasTheseObjectsAndNoOthers(t *testing.T) {
	t.Parallel()
	want := []string{
		"ClusterRole five-spot-machinecalendar-editor-role",
		"ClusterRole five-spot-machinecalendar-viewer-role",
		"ClusterRole five-spot-metrics-reader",
		"ClusterRole five-spot-scheduledmachine-editor-role",
		"ClusterRole five-spot-scheduledmachine-viewer-role",
		"ClusterServiceVersion",
		"ConfigMap five-spot-admission-policies",
		"ConfigMap five-spot-reclaim-agent",
		"CustomResourceDefinition machinecalendars.5spot.finos.org",
		"CustomResourceDefinition scheduledmachines.5spot.finos.org",
		"PodDisruptionBudget five-spot-controller-manager",
		"PriorityClass five-spot-controller-manager",
		"Role five-spot-prometheus",
		"RoleBinding five-spot-prometheus",
		"Service five-spot-controller-manager-metrics",
	}
	var got []string
	for _, object := range readFolder(t, manifests) {
		if object.GetKind() == kindCSV {
			got = append(got, kindCSV) // Its name has the version.
			continue
		}
		got = append(got, object.GetKind()+" "+object.GetName())
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheOperatorIsForAllNamespacesAndLeavesWhatThereIs(t *testing.T) {
	t.Parallel()
	spec := readCSV(t).Spec
	for _, mode := range spec.InstallModes {
		if mode.Supported != (mode.Type == "AllNamespaces") {
			t.Errorf("installModes: %s is %t", mode.Type, mode.Supported)
		}
	}
	if len(spec.InstallModes) != 4 || spec.MinKubeVersion != "1.30.0" {
		t.Errorf("installModes %v, minKubeVersion %s", spec.InstallModes, spec.MinKubeVersion)
	}
	if spec.Cleanup != nil {
		t.Errorf("spec.cleanup is set: OLM would delete every ScheduledMachine with the operator")
	}
}
