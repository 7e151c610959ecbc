package bundle_test

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/finos/five-spot/pkg/admission"
)

// folders are those that are embedded, by the ConfigMap with their text.
var folders = map[string]string{
	"five-spot-admission-policies": root + "/pkg/admission/policies",
	"five-spot-reclaim-agent":      root + "/pkg/reclaim/provision/manifests",
}

// shipped are the ConfigMaps of the bundle by their names.
func shipped(t *testing.T) map[string]map[string]string {
	t.Helper()
	found := map[string]map[string]string{}
	for _, object := range readFolder(t, manifests) {
		if object.GetKind() != kindConfigMap {
			continue
		}
		data, _, err := unstructured.NestedStringMap(object.Object, "data")
		if err != nil {
			t.Fatal(err)
		}
		found[object.GetName()] = data
	}
	return found
}

func shippedTexts(t *testing.T) []string {
	t.Helper()
	var texts []string
	for _, data := range shipped(t) {
		texts = slices.AppendSeq(texts, maps.Values(data))
	}
	return texts
}

// What the manager will apply can be read before it is installed.
func TestTheConfigMapsHaveTheTextThatIsEmbedded(t *testing.T) {
	t.Parallel()
	want := map[string]map[string]string{}
	for name, folder := range folders {
		want[name] = map[string]string{}
		for _, pattern := range []string{"*.yaml", "*/*.yaml"} {
			files, err := filepath.Glob(filepath.Join(folder, pattern))
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range files {
				key, err := filepath.Rel(folder, file)
				if err != nil {
					t.Fatal(err)
				}
				if filepath.Base(file) != "kustomization.yaml" {
					want[name][strings.ReplaceAll(filepath.ToSlash(key), "/", "_")] = readText(t, file)
				}
			}
		}
	}
	if diff := cmp.Diff(want, shipped(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The text is that of the manager's program, too, with settings as they are by default.
func TestTheConfigMapHasThePoliciesOfTheProgram(t *testing.T) {
	t.Parallel()
	got := map[string]*unstructured.Unstructured{}
	for _, text := range shipped(t)["five-spot-admission-policies"] {
		object := parse(t, text)[0]
		got[object.GetKind()+" "+object.GetName()] = object
	}
	rendered, err := admission.Render(admission.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]*unstructured.Unstructured{}
	for _, policy := range rendered {
		for _, object := range []*unstructured.Unstructured{policy.Policy, policy.Binding} {
			want[object.GetKind()+" "+object.GetName()] = object
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// consistsOf are the kinds of a ScheduledMachine's own objects, with the provider of the
// examples, and with the ConfigMap that its Node gets for the reclaim agent.
var consistsOf = []string{"ConfigMap v1", "K0sWorkerConfig v1beta2", "Machine v1beta2", "RemoteMachine v1beta2"}

// The console lists them beside a ScheduledMachine, and people look there for what the
// operator makes.
func TestTheKindsThatAreDeclaredAreThoseThatTheManagerApplies(t *testing.T) {
	t.Parallel()
	var declared []string
	for _, owned := range readCSV(t).Spec.CustomResourceDefinitions.Owned {
		if owned.Kind == "ScheduledMachine" {
			for _, resource := range owned.Resources {
				declared = append(declared, resource.Kind+" "+resource.Version)
			}
		}
	}
	applied := slices.Clone(consistsOf)
	objects := 0
	for _, text := range append(shippedTexts(t), textsOf(t, "console", "monitoring", "networkpolicy")...) {
		kind := parse(t, text)[0].GroupVersionKind()
		applied = append(applied, kind.Kind+" "+kind.Version)
		objects++
	}
	slices.Sort(applied)
	slices.Sort(declared)
	if diff := cmp.Diff(slices.Compact(applied), declared); diff != "" {
		t.Errorf("resources of ScheduledMachine (-applied +declared):\n%s", diff)
	}
	if objects < 22 {
		t.Errorf("looked at %d objects only", objects)
	}
}

// textsOf are the manifests that are embedded in packages and not in the bundle.
func textsOf(t *testing.T, packages ...string) []string {
	t.Helper()
	var texts []string
	for _, of := range packages {
		files, err := filepath.Glob(filepath.Join(root, "pkg", of, "manifests", "*.yaml"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s has no manifests: %v", of, err)
		}
		for _, file := range files {
			if filepath.Base(file) != "kustomization.yaml" {
				texts = append(texts, readText(t, file))
			}
		}
	}
	return texts
}

// Who reads it decides about everything that comes into the cluster, not only about what
// the bundle has.
func TestTheDescriptionNamesWhatTheManagerInstalls(t *testing.T) {
	t.Parallel()
	description, _, err := unstructured.NestedString(rawCSV(t).Object, "spec", "description")
	if err != nil {
		t.Fatal(err)
	}
	_, installs, _ := strings.Cut(description, "## What it installs\n")
	installs, _, _ = strings.Cut(installs, "\n## ")
	names := slices.Collect(maps.Keys(shipped(t)))
	for _, text := range textsOf(t, "console", "monitoring") {
		names = append(names, parse(t, text)[0].GetKind())
	}
	for _, name := range append(names, "NetworkPolicy", "DaemonSet") {
		if !strings.Contains(installs, name) {
			t.Errorf("%s is not named", name)
		}
	}
	numbers := map[int]string{2: "two", 3: "three", 4: "four"}
	if want := numbers[len(admission.Names())] + " ValidatingAdmissionPolicies"; !strings.Contains(installs, want) {
		t.Errorf("it does not say %q", want)
	}
}

func TestThePoliciesAreAmongTheNativeAPIsAndTheRights(t *testing.T) {
	t.Parallel()
	spec := readCSV(t).Spec
	if len(spec.NativeAPIs) != 1 || spec.NativeAPIs[0].Group != "admissionregistration.k8s.io" || spec.NativeAPIs[0].Version != "v1" || spec.NativeAPIs[0].Kind != "ValidatingAdmissionPolicy" {
		t.Errorf("nativeAPIs: %v", spec.NativeAPIs)
	}
	for _, rule := range spec.Install.Spec.ClusterPermissions[0].Rules {
		if slices.Contains(rule.Resources, "validatingadmissionpolicies") {
			names := slices.Sorted(slices.Values(admission.Names()))
			if diff := cmp.Diff(names, rule.ResourceNames); diff != "" {
				t.Errorf("the policies that may be written (-want +got):\n%s", diff)
			}
			return
		}
	}
	t.Error("no right to write the policies")
}
