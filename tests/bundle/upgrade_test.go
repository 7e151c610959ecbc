package bundle_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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
			if entry.Name == raw.GetName() && entry.Replaces != replaces {
				t.Errorf("in %s it replaces %q, in the bundle %q", channel, entry.Replaces, replaces)
			}
		}
	}
}
