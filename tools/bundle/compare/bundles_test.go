package compare_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/finos/five-spot/tools/bundle/compare"
	"github.com/finos/five-spot/tools/bundle/generate"
)

const (
	csv         = "manifests/five-spot.clusterserviceversion.yaml"
	annotations = "metadata/annotations.yaml"
)

// sdk is the bundle of the project with the changes made.
func sdk(t *testing.T, file string, replace ...string) string {
	t.Helper()
	return changed(t, file, strings.NewReplacer(replace...).Replace)
}

// images are the related images, with whatever version.
var images = regexp.MustCompile(`(?m)^  relatedImages:\n(?:  - .*\n|    .*\n)+`)

func withoutImages(text string) string { return images.ReplaceAllString(text, "") }

func changed(t *testing.T, file string, change func(text string) string) string {
	t.Helper()
	files, err := generate.Load("../../../bundle")
	if err != nil {
		t.Fatal(err)
	}
	text := change(string(files[file]))
	if text == string(files[file]) {
		t.Fatalf("nothing to change in %s", file)
	}
	files[file] = []byte(text)
	folder := t.TempDir()
	if err := files.Save(folder); err != nil {
		t.Fatal(err)
	}
	return folder
}

// It signs what it makes, and its types write fields that were not set.
func TestWhatOperatorSDKWritesInItsOwnWayIsNoDifference(t *testing.T) {
	t.Parallel()
	for name, folder := range map[string]string{
		"the signature": sdk(t, csv, "    createdAt: \"2026-11-28T00:00:00Z\"\n", "    createdAt: \"2030-01-01T00:00:00Z\"\n    operators.operatorframework.io/builder: operator-sdk-v1.42.0\n"),
		"empty fields":  sdk(t, csv, "spec:\n  customresourcedefinitions:\n", "status:\n  cleanup: {}\nspec:\n  cleanup:\n    enabled: false\n  apiservicedefinitions: {}\n  customresourcedefinitions:\n"),
		"no images":     changed(t, csv, withoutImages),
		"other blanks":  sdk(t, csv, "      [\n        {\n", "      [{\n"),
		"its labels":    sdk(t, annotations, "annotations:\n", "annotations:\n  operators.operatorframework.io.metrics.builder: operator-sdk-v1.42.0\n"),
		"no OpenShift":  sdk(t, annotations, "  com.redhat.openshift.versions: v4.17\n", ""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := compare.Bundles("../../../bundle", folder); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWhatOperatorSDKSaysOtherwiseIsADifference(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		folder, want string
	}{
		"another right":    {sdk(t, csv, "          - cluster.x-k8s.io\n", "          - example.com\n"), csv + ": spec.install.spec.clusterPermissions: is not what operator-sdk makes of it"},
		"another example":  {sdk(t, csv, "Thanksgiving Day", "Thursday"), "metadata.annotations.alm-examples: is not"},
		"another replica":  {sdk(t, csv, "replicas: 2", "replicas: 1"), "spec.install.spec.deployments: is not"},
		"another channel":  {sdk(t, annotations, "stable,candidate", "alpha"), "annotations.operators.operatorframework.io.bundle.channels.v1: is not"},
		"a clean-up":       {sdk(t, csv, "spec:\n  customresourcedefinitions:\n", "spec:\n  cleanup:\n    enabled: true\n  customresourcedefinitions:\n"), "spec.cleanup: is not"},
		"no such examples": {sdk(t, csv, "      [\n        {\n", "      {\n"), "failed to read the annotation alm-examples"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := compare.Bundles("../../../bundle", c.folder); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v does not say %q", err, c.want)
			}
		})
	}
}

func TestAFileThatOnlyOneOfThemMakesIsADifference(t *testing.T) {
	t.Parallel()
	less := t.TempDir()
	files, err := generate.Load("../../../bundle")
	if err != nil {
		t.Fatal(err)
	}
	delete(files, annotations)
	if err := files.Save(less); err != nil {
		t.Fatal(err)
	}
	if err := compare.Bundles("../../../bundle", less); err == nil || err.Error() != annotations+": operator-sdk does not make it" {
		t.Error(err)
	}
	if err := compare.Bundles(less, "../../../bundle"); err == nil || err.Error() != annotations+": only operator-sdk makes it" {
		t.Error(err)
	}
}
