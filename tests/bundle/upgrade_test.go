package bundle_test

import (
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Pipelines of catalogs that are not file-based go by what the bundle itself says.
func TestTheBundleReplacesWhatTheCatalogSaysThatItReplaces(t *testing.T) {
	t.Parallel()
	raw := rawCSV(t)
	replaces, _, err := unstructured.NestedString(raw.Object, "spec", "replaces")
	if err != nil {
		t.Fatal(err)
	}
	for channel, entries := range readCatalog(t).channels {
		for _, entry := range entries {
			if entry.Name != raw.GetName() {
				continue
			}
			if entry.Replaces != replaces {
				t.Errorf("in %s it replaces %q, in the bundle %q", channel, entry.Replaces, replaces)
			}
			if skips := raw.GetAnnotations()["olm.skipRange"]; entry.SkipRange != skips {
				t.Errorf("in %s it skips %q, in the bundle %q", channel, entry.SkipRange, skips)
			}
		}
	}
}

// make test-olm makes no other upgrade.
func TestTheUpgradeThatIsTestedIsThatOfTheBundle(t *testing.T) {
	t.Parallel()
	released := struct{ Version, Commit string }{}
	if err := yaml.UnmarshalStrict([]byte(readText(t, filepath.Join(root, "tests", "olm", "released.yaml"))), &released); err != nil {
		t.Fatal(err)
	}
	replaces, _, err := unstructured.NestedString(rawCSV(t).Object, "spec", "replaces")
	if err != nil {
		t.Fatal(err)
	}
	if tested := packageName(t) + "." + released.Version; tested != replaces || len(released.Commit) != 40 {
		t.Errorf("tested is the upgrade from %s, commit %q; the bundle replaces %s", tested, released.Commit, replaces)
	}
}
