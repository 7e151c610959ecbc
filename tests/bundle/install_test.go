package bundle_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/finos/five-spot/tests/testenv"
)

const deploy = root + "/config/olm-deploy"

// installed is the one object of a kind among those that install the operator.
func installed(t *testing.T, folder, kind string) *unstructured.Unstructured {
	t.Helper()
	var found []*unstructured.Unstructured
	for _, object := range readFolder(t, folder) {
		if object.GetKind() == kind {
			found = append(found, object)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s: %d objects of kind %s", folder, len(found), kind)
	}
	return found[0]
}

// expect holds a field of an object, such as spec.source, against what it should be.
func expect(t *testing.T, object *unstructured.Unstructured, field, want string) {
	t.Helper()
	got, _, err := unstructured.NestedString(object.Object, strings.Split(field, ".")...)
	if err != nil || got != want {
		t.Errorf("%s: %s is %q instead of %q: %v", object.GetKind(), field, got, want, err)
	}
}

func suggestedNamespace(t *testing.T) string {
	t.Helper()
	return rawCSV(t).GetAnnotations()["operatorframework.io/suggested-namespace"]
}

func catalogImage(t *testing.T) string {
	t.Helper()
	return strings.Replace(rawCSV(t).GetName(), ".", "-catalog:", 1)
}

func TestTheSubscriptionNamesWhatTheCatalogHas(t *testing.T) {
	t.Parallel()
	source := installed(t, deploy, "CatalogSource")
	expect(t, source, "spec.image", catalogImage(t))
	subscription := installed(t, deploy, "Subscription")
	expect(t, subscription, "spec.name", packageName(t))
	expect(t, subscription, "spec.channel", annotation(t, "channel.default.v1"))
	expect(t, subscription, "spec.source", source.GetName())
	expect(t, subscription, "spec.sourceNamespace", source.GetNamespace())
	group := installed(t, deploy, "OperatorGroup")
	for _, field := range []string{"targetNamespaces", "selector"} {
		if _, found, _ := unstructured.NestedFieldNoCopy(group.Object, "spec", field); found {
			t.Errorf("OperatorGroup: with spec.%s it is not for all namespaces", field)
		}
	}
	for _, object := range []*unstructured.Unstructured{source, subscription, group} {
		expect(t, object, "metadata.namespace", suggestedNamespace(t))
	}
	expect(t, installed(t, deploy, "Namespace"), "metadata.name", suggestedNamespace(t))
}

func TestTheClusterExtensionNamesWhatTheCatalogHas(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(deploy, "v1")
	source := installed(t, folder, "ClusterCatalog")
	expect(t, source, "spec.source.image.ref", catalogImage(t))
	extension := installed(t, folder, "ClusterExtension")
	expect(t, extension, "spec.namespace", suggestedNamespace(t))
	expect(t, extension, "spec.source.catalog.packageName", packageName(t))
	channels, _, err := unstructured.NestedStringSlice(extension.Object, "spec", "source", "catalog", "channels")
	if err != nil || !slices.Equal(channels, []string{annotation(t, "channel.default.v1")}) {
		t.Errorf("channels %v: %v", channels, err)
	}
	selected, _, err := unstructured.NestedStringMap(extension.Object, "spec", "source", "catalog", "selector", "matchLabels")
	if err != nil || selected["olm.operatorframework.io/metadata.name"] != source.GetName() {
		t.Errorf("catalogs with %v: %v", selected, err)
	}
	account := installed(t, folder, "ServiceAccount")
	expect(t, extension, "spec.serviceAccount.name", account.GetName())
	expect(t, account, "metadata.namespace", suggestedNamespace(t))
	expect(t, installed(t, folder, "Namespace"), "metadata.name", suggestedNamespace(t))
}

// OLM looks for the catalog where the image's label says, or CatalogSource does.
func TestTheImageOfTheCatalogHasItWhereOLMLooks(t *testing.T) {
	t.Parallel()
	text := readText(t, filepath.Join(root, "catalog.Dockerfile"))
	folder, _, err := unstructured.NestedString(installed(t, deploy, "CatalogSource").Object, "spec", "grpcPodConfig", "extractContent", "catalogDir")
	if err != nil || folder == "" {
		t.Fatalf("catalogDir %q: %v", folder, err)
	}
	for _, line := range []string{"LABEL operators.operatorframework.io.index.configs.v1=" + folder, "COPY config/catalog " + folder + "/" + packageName(t)} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("catalog.Dockerfile lacks %q", line)
		}
	}
}

func TestTheInstallerIsBoundToItsRoles(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(deploy, "v1")
	account := installed(t, folder, "ServiceAccount")
	for _, kind := range []string{"ClusterRole", "Role"} {
		binding := installed(t, folder, kind+"Binding")
		expect(t, binding, "roleRef.kind", kind)
		expect(t, binding, "roleRef.name", installed(t, folder, kind).GetName())
		subjects, _, err := unstructured.NestedSlice(binding.Object, "subjects")
		want := map[string]any{"kind": "ServiceAccount", "name": account.GetName(), "namespace": account.GetNamespace()}
		if diff := cmp.Diff([]any{want}, subjects); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", binding.GetKind(), err, diff)
		}
	}
}

// createdBy are the resources that OLM v1 makes of the kinds in a bundle.
var createdBy = map[string][]string{
	kindCSV:                    {"serviceaccounts", "deployments", "clusterroles", "clusterrolebindings"},
	kindConfigMap:              {"configmaps"},
	"ClusterRole":              {"clusterroles"},
	"CustomResourceDefinition": {"customresourcedefinitions"},
	"PodDisruptionBudget":      {"poddisruptionbudgets"},
	"PriorityClass":            {"priorityclasses"},
	"Role":                     {"roles"},
	"RoleBinding":              {"rolebindings"},
	"Service":                  {"services"},
}

// installerMayDo tells whether the roles of OLM v1's installer allow a request, which has no
// name where that is empty.
func installerMayDo(t *testing.T) func(verb, resource, name string) bool {
	t.Helper()
	folder := filepath.Join(deploy, "v1")
	var rules []any
	for _, kind := range []string{"ClusterRole", "Role"} {
		list, _, err := unstructured.NestedSlice(installed(t, folder, kind).Object, "rules")
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, list...)
	}
	return func(verb, resource, name string) bool {
		return slices.ContainsFunc(rules, func(element any) bool {
			rule, _ := element.(map[string]any)
			verbs, _, _ := unstructured.NestedStringSlice(rule, "verbs")
			resources, _, _ := unstructured.NestedStringSlice(rule, "resources")
			names, limited, _ := unstructured.NestedStringSlice(rule, "resourceNames")
			return slices.Contains(verbs, verb) && slices.Contains(resources, resource) && (!limited || slices.Contains(names, name))
		})
	}
}

func TestTheInstallerMayCreateAndDeleteWhatIsInTheBundle(t *testing.T) {
	t.Parallel()
	mayDo := installerMayDo(t)
	for _, object := range readFolder(t, manifests) {
		resources := createdBy[object.GetKind()]
		if resources == nil {
			t.Errorf("it is unknown what becomes of a %s", object.GetKind())
		}
		for _, resource := range resources {
			for _, verb := range []string{"create", "list", "watch"} {
				if !mayDo(verb, resource, "") {
					t.Errorf("the installer may not %s %s", verb, resource)
				}
			}
			for _, verb := range []string{"get", "update", "patch", "delete"} {
				if !mayDo(verb, resource, object.GetName()) {
					t.Errorf("the installer may not %s %s %s", verb, resource, object.GetName())
				}
			}
		}
	}
}

// It has to grant rights that it does not have.
func TestTheInstallerMayGrantWhatIsInTheRolesOfTheBundle(t *testing.T) {
	t.Parallel()
	mayDo := installerMayDo(t)
	roles := 0
	for _, object := range readFolder(t, manifests) {
		for _, resource := range createdBy[object.GetKind()] {
			if resource != "roles" && resource != "clusterroles" {
				continue
			}
			roles++
			// What creates a role has no name, and what binds it has that of the role.
			if !mayDo("escalate", resource, "") || !mayDo("bind", resource, object.GetName()) {
				t.Errorf("the installer may not grant what is in %s %s", resource, object.GetName())
			}
		}
	}
	if roles < 3 {
		t.Errorf("only %d roles were looked at", roles)
	}
}

// OLM v0 has no owner for objects that are in no namespace, and leaves them.
func TestThePageNamesWhatAnUninstallLeaves(t *testing.T) {
	t.Parallel()
	page := readText(t, filepath.Join(root, "docs", "operations", "uninstall.md"))
	left := map[string][]string{"ClusterRole": nil, "PriorityClass": nil, "CustomResourceDefinition": nil}
	for _, object := range readFolder(t, manifests) {
		if _, ok := left[object.GetKind()]; ok {
			left[object.GetKind()] = append(left[object.GetKind()], object.GetName())
		}
	}
	for kind, command := range map[string]string{
		"ClusterRole": "delete clusterrole", "PriorityClass": "delete priorityclass", "CustomResourceDefinition": "delete crd --ignore-not-found",
	} {
		_, rest, found := strings.Cut(page, "$ kubectl "+command+" ")
		line, _, _ := strings.Cut(rest, "\n")
		names := slices.Sorted(slices.Values(strings.Fields(line)))
		if diff := cmp.Diff(slices.Sorted(slices.Values(left[kind])), names); diff != "" || !found {
			t.Errorf("%s (-bundle +page):\n%s", kind, diff)
		}
	}
	// OLM writes down what belongs together, and never deletes that.
	if record := packageName(t) + "." + suggestedNamespace(t); !strings.Contains(page, "$ kubectl delete operators.operators.coreos.com "+record+"\n") {
		t.Errorf("the page does not delete OLM's record %s", record)
	}
}

// What the console takes is what the manifests have, but for the place.
func TestThePageShowsTheCatalogSourceOfTheManifests(t *testing.T) {
	t.Parallel()
	page := readText(t, filepath.Join(root, "docs", "operations", "install-olm.md"))
	_, rest, _ := strings.Cut(page, "```yaml\napiVersion: operators.coreos.com/v1alpha1\nkind: CatalogSource\n")
	text, _, _ := strings.Cut(rest, "\n```")
	shown := parse(t, "apiVersion: operators.coreos.com/v1alpha1\nkind: CatalogSource\n"+text)[0]
	meant := installed(t, deploy, "CatalogSource")
	for _, object := range []*unstructured.Unstructured{shown, meant} {
		unstructured.RemoveNestedField(object.Object, "metadata", "namespace")
		unstructured.RemoveNestedField(object.Object, "spec", "publisher")
		unstructured.RemoveNestedField(object.Object, "spec", "image")
	}
	if diff := cmp.Diff(meant.Object, shown.Object); diff != "" {
		t.Errorf("(-manifests +page):\n%s", diff)
	}
}

// Both folders name the image of the catalog as the bundle names its own, so that whoever
// has it somewhere says so in one way.
func TestTheCatalogsImageIsSetByKustomize(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("may have to build kustomize")
	}
	out, err := testenv.Make(t.Context(), root, "--no-print-directory", "--eval", "path: kustomize ; @echo $(KUSTOMIZE)", "path")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	kustomize := lines[len(lines)-1]
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(deploy)); err != nil {
		t.Fatal(err)
	}
	const image = "registry.example.com:5000/mirror/five-spot-catalog@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for folder, where := range map[string]struct {
		kind string
		path []string
	}{
		copied:                      {"CatalogSource", []string{"spec", "image"}},
		filepath.Join(copied, "v1"): {"ClusterCatalog", []string{"spec", "source", "image", "ref"}},
	} {
		var built []byte
		for _, args := range [][]string{{"edit", "set", "image", "five-spot-catalog=" + image}, {"build"}} {
			cmd := exec.CommandContext(t.Context(), kustomize, args...)
			cmd.Dir = folder
			if built, err = cmd.CombinedOutput(); err != nil {
				t.Fatalf("kustomize %v: %v: %s", args, err, built)
			}
		}
		if found := strings.Count(string(built), image); found != 1 || strings.Contains(string(built), "five-spot-catalog:v") {
			t.Errorf("%s has it %d times:\n%s", folder, found, built)
		}
		for _, object := range parse(t, string(built)) {
			if object.GetKind() != where.kind {
				continue
			}
			if got, _, _ := unstructured.NestedString(object.Object, where.path...); got != image {
				t.Errorf("%s: %s is %q", where.kind, strings.Join(where.path, "."), got)
			}
		}
	}
}
