package bundle_test

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/schedule"
)

func rawCSV(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	for _, object := range readFolder(t, manifests) {
		if object.GetKind() == kindCSV {
			return object
		}
	}
	t.Fatal("there is no " + kindCSV)
	return nil
}

// OperatorHub and the console of OpenShift show and filter by them, and the validators ask
// for few of them.
func TestOperatorHubAndRedHatFindWhatTheyAskFor(t *testing.T) {
	t.Parallel()
	csv := rawCSV(t)
	annotations := csv.GetAnnotations()
	for _, key := range []string{"alm-examples", "capabilities", "categories", "createdAt", "description", "repository", "support"} {
		if annotations[key] == "" {
			t.Errorf("the annotation %s is missing", key)
		}
	}
	for key, want := range map[string]string{
		"containerImage": deployment(t).Template.Spec.Containers[0].Image,
		"operatorframework.io/suggested-namespace": "5spot-system",
		"operatorframework.io/cluster-monitoring":  "true",
	} {
		if annotations[key] != want {
			t.Errorf("the annotation %s is %q instead of %q", key, annotations[key], want)
		}
	}
	spec, _, err := unstructured.NestedMap(csv.Object, "spec")
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"description", "displayName", "icon", "keywords", "links", "maintainers", "maturity", "provider", "version"} {
		if spec[field] == nil || spec[field] == "" {
			t.Errorf("spec.%s is missing", field)
		}
	}
	labels := csv.GetLabels()
	for _, platform := range []string{"arch.amd64", "arch.arm64", "os.linux"} {
		if labels["operatorframework.io/"+platform] != "supported" {
			t.Errorf("the label operatorframework.io/%s is missing", platform)
		}
	}
	if metadata := readText(t, filepath.Join(root, "bundle", "metadata", "annotations.yaml")); !strings.Contains(metadata, "com.redhat.openshift.versions: v4.17\n") {
		t.Error("metadata lacks the releases of OpenShift")
	}
}

// Red Hat asks for each of them, whether or not it is so.
func TestEachFeatureOfInfrastructureIsAnswered(t *testing.T) {
	t.Parallel()
	const prefix = "features.operators.openshift.io/"
	got := rawCSV(t).GetAnnotations()
	maps.DeleteFunc(got, func(key, _ string) bool { return !strings.HasPrefix(key, prefix) })
	want := map[string]string{}
	for _, feature := range []string{"cnf", "cni", "csi", "disconnected", "fips-compliant", "proxy-aware", "tls-profiles", "token-auth-aws", "token-auth-azure", "token-auth-gcp"} {
		answer := "false"
		if slices.Contains([]string{"disconnected", "proxy-aware"}, feature) {
			answer = "true"
		}
		want[prefix+feature] = answer
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheIconIsADrawing(t *testing.T) {
	t.Parallel()
	icons, _, err := unstructured.NestedSlice(rawCSV(t).Object, "spec", "icon")
	if err != nil || len(icons) != 1 {
		t.Fatalf("%d icons: %v", len(icons), err)
	}
	icon, _ := icons[0].(map[string]any)
	data, _ := icon["base64data"].(string)
	// Broken into lines it would be read with blanks in it.
	text, err := base64.StdEncoding.Strict().DecodeString(data)
	if err != nil || icon["mediatype"] != "image/svg+xml" {
		t.Fatalf("mediatype %v: %v", icon["mediatype"], err)
	}
	drawing := struct {
		XMLName xml.Name `xml:"http://www.w3.org/2000/svg svg"`
	}{}
	if err := xml.Unmarshal(text, &drawing); err != nil {
		t.Error(err)
	}
}

// People follow them before they decide.
func TestTheLinksToTheProjectLeadToWhatIsThere(t *testing.T) {
	t.Parallel()
	csv := rawCSV(t)
	links, _, err := unstructured.NestedSlice(csv.Object, "spec", "links")
	if err != nil {
		t.Fatal(err)
	}
	followed := 0
	for _, item := range links {
		link, _ := item.(map[string]any)
		url, _ := link["url"].(string)
		path, ours := strings.CutPrefix(url, csv.GetAnnotations()["repository"]+"/blob/main/")
		if !ours {
			continue
		}
		followed++
		if _, err := os.Stat(filepath.Join(root, path)); err != nil {
			t.Errorf("%s: %v", link["name"], err)
		}
	}
	if followed < 3 {
		t.Errorf("only %d of them lead to pages of the project", followed)
	}
}

// The console fills its form with the first example of a kind, and people change the name
// and the address in it. A sample that is for watching would wear out a machine.
func TestTheFirstExampleLeavesTheMachineWhereItIsForHours(t *testing.T) {
	t.Parallel()
	var examples []v1alpha1.ScheduledMachine
	if err := json.Unmarshal([]byte(rawCSV(t).GetAnnotations()["alm-examples"]), &examples); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(examples, func(example v1alpha1.ScheduledMachine) bool { return example.Kind == "ScheduledMachine" })
	if i < 0 {
		t.Fatal("there is none")
	}
	parsed, errs := schedule.Parse(&examples[i].Spec.Schedule, field.NewPath("spec", "schedule"))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	start := time.Date(2026, time.November, 30, 0, 0, 0, 0, time.UTC)
	for at, changes := start, 0; ; changes++ {
		next, ok := parsed.Next(at)
		if !ok || next.Time.After(start.AddDate(0, 0, 7)) {
			if changes == 0 {
				t.Errorf("%s does nothing in a week", examples[i].Name)
			}
			return
		}
		if changes == 14 {
			t.Fatalf("%s comes and goes more than once a day: %s", examples[i].Name, parsed)
		}
		at = next.Time
	}
}
