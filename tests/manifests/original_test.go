package manifests_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

func TestManifestsOfTheOriginalApplyUnchanged(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/original/*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("the manifests: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			t.Parallel()
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			manifest := string(content)
			if err := validate(manifest); err != nil {
				t.Errorf("the controller refuses it: %v", err)
			}
			needServer(t)
			if out := apply(t, manifest); !strings.HasSuffix(out, " created\n") {
				t.Errorf("kubectl apply says %q", out)
			}
			if out := apply(t, manifest); !strings.HasSuffix(out, " unchanged\n") {
				t.Errorf("kubectl apply says %q the second time", out)
			}
			checkStored(t, manifest)
		})
	}
}

// checkStored compares what is stored with what the manifest says: nothing of it may
// be lost or changed, but nulls are.
func checkStored(t *testing.T, manifest string) {
	t.Helper()
	given := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(manifest), &given.Object); err != nil {
		t.Fatal(err)
	}
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(given.GroupVersionKind())
	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(given), live); err != nil {
		t.Fatal(err)
	}
	want, got := given.Object["spec"], live.Object["spec"]
	if diff := cmp.Diff(normal(t, want, want), normal(t, got, want)); diff != "" {
		t.Errorf("stored (-manifest +server):\n%s", diff)
	}
}

// normal is a value as JSON knows it, without nulls and without what the pattern does
// not have, such as defaults.
func normal(t *testing.T, value, pattern any) any {
	t.Helper()
	switch value := value.(type) {
	case map[string]any:
		kept := map[string]any{}
		known, _ := pattern.(map[string]any)
		for key, child := range value {
			if part, found := known[key]; found && child != nil {
				kept[key] = normal(t, child, part)
			}
		}
		return kept
	case []any:
		known, _ := pattern.([]any)
		kept := make([]any, len(value))
		for i, child := range value {
			if i < len(known) {
				kept[i] = normal(t, child, known[i])
			}
		}
		return kept
	case int64:
		return float64(value)
	default:
		return value
	}
}
