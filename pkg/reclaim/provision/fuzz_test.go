package provision

import (
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/finos/five-spot/api/v1alpha1"
)

// FuzzInstalledVersion meets objects of ours that say anything of who installed them: of
// two managers one at most may take it for the newer one's.
func FuzzInstalledVersion(f *testing.F) {
	for _, seed := range [][2]string{{"v0.2.0", "v0.1.0"}, {"0.2.0", "v0.2.0"}, {"dev", "v1.0.0"}, {"v1.0.0-rc.1", "v1.0.0"}, {"v1", "1.0"}, {"v99999999999999999999.0.0", "v1.0.0"}, {"v1.0.0+a", "v1.0.0+b"}, {"", " v1.0.0"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, one, other string) {
		refuses := func(mine, installed string) bool {
			live := &unstructured.Unstructured{Object: map[string]any{}}
			live.SetLabels(map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedByFiveSpot})
			live.SetAnnotations(map[string]string{v1alpha1.VersionAnnotation: installed})
			return errors.Is(New(Options{Version: mine}).mayWrite(live, false), ErrNewerInstalled)
		}
		if refuses(one, other) && refuses(other, one) || refuses(one, one) {
			t.Errorf("%q and %q are both newer than the other", one, other)
		}
	})
}
