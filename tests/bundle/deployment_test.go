package bundle_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

func deployment(t *testing.T) appsv1.DeploymentSpec {
	t.Helper()
	deployments := readCSV(t).Spec.Install.Spec.Deployments
	if len(deployments) != 1 {
		t.Fatalf("there are %d Deployments", len(deployments))
	}
	return deployments[0].Spec
}

func TestTheDeploymentIsThatOfTheManifests(t *testing.T) {
	t.Parallel()
	want := appsv1.Deployment{}
	if err := yaml.UnmarshalStrict([]byte(readText(t, filepath.Join(root, "config", "manager", "manager.yaml"))), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Spec, deployment(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// OpenShift assigns an arbitrary user and group, and refuses a Pod that wants another.
func TestTheManagerRunsAsAnyUser(t *testing.T) {
	t.Parallel()
	pod := deployment(t).Template.Spec
	if c := pod.SecurityContext; c.RunAsUser != nil || c.RunAsGroup != nil || c.FSGroup != nil || len(c.SupplementalGroups) > 0 {
		t.Errorf("securityContext of the Pod: %v", c)
	}
	if nonRoot := pod.SecurityContext.RunAsNonRoot; nonRoot == nil || !*nonRoot {
		t.Error("runAsNonRoot is not true")
	}
	for _, container := range pod.Containers {
		if c := container.SecurityContext; c.RunAsUser != nil || c.RunAsGroup != nil {
			t.Errorf("securityContext of %s: %v", container.Name, c)
		}
	}
}

func TestTheManagerStandsByIsProbedAndIsLimited(t *testing.T) {
	t.Parallel()
	spec := deployment(t)
	if spec.Replicas == nil || *spec.Replicas != 2 {
		t.Error("there are not two replicas")
	}
	for _, container := range spec.Template.Spec.Containers {
		if container.LivenessProbe == nil || container.ReadinessProbe == nil {
			t.Errorf("%s is not probed", container.Name)
		}
		for _, resource := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			limit, request := container.Resources.Limits[resource], container.Resources.Requests[resource]
			if limit.IsZero() || request.IsZero() {
				t.Errorf("%s has no request or no limit of %s", container.Name, resource)
			}
		}
	}
}

// What is mirrored for a cluster without a way out are the related images.
func TestEveryImageIsRelatedAndNoneNamesARegistry(t *testing.T) {
	t.Parallel()
	csv := readCSV(t)
	var used []string
	for _, container := range deployment(t).Template.Spec.Containers {
		used = append(used, container.Image)
		for _, variable := range container.Env {
			if strings.HasPrefix(variable.Name, "RELATED_IMAGE_") {
				used = append(used, variable.Value)
			}
		}
	}
	for _, text := range shippedTexts(t) {
		for _, object := range parse(t, text) {
			if object.GetKind() == "DaemonSet" {
				daemonSet := appsv1.DaemonSet{}
				if err := yaml.UnmarshalStrict([]byte(text), &daemonSet); err != nil {
					t.Fatal(err)
				}
				used = append(used, daemonSet.Spec.Template.Spec.Containers[0].Image)
			}
		}
	}
	slices.Sort(used)
	related := csv.relatedImages()
	slices.Sort(related)
	if diff := cmp.Diff(slices.Compact(used), related); diff != "" {
		t.Errorf("relatedImages (-want +got):\n%s", diff)
	}
	for _, image := range related {
		if !plain.MatchString(image) {
			t.Errorf("%s is not a name with a version", image)
		}
	}
	if len(related) != 2 {
		t.Errorf("relatedImages are %v", related)
	}
}

// plain are images that name no registry and no folder in it.
var plain = regexp.MustCompile(`^[a-z-]+:v\d+\.\d+\.\d+$`)

var registry = regexp.MustCompile(`\b(docker\.io|gcr\.io|ghcr\.io|quay\.io|registry[\w.-]*\.(io|com|org))\b`)

func TestNoFileOfTheBundleNamesARegistry(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"bundle.Dockerfile", "bundle/*/*.yaml", "bundle/tests/*/*.yaml", "config/manifests/bases/*.yaml", "config/scorecard/*.yaml"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			if found := registry.FindString(readText(t, file)); found != "" {
				t.Errorf("%s names %s", file, found)
			}
		}
	}
}
