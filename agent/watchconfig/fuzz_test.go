package watchconfig_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/finos/five-spot/agent/watchconfig"
	"github.com/finos/five-spot/pkg/reclaim"
)

// FuzzParse reads ConfigMaps with any key: only one of them counts.
func FuzzParse(f *testing.F) {
	f.Add(reclaim.ConfigKey, "match_commands = ['idea']")
	f.Add(reclaim.ConfigKey, "match_commands = 1")
	f.Add("other", "match_commands = ['idea']")
	f.Fuzz(func(t *testing.T, key, text string) {
		got, err := watchconfig.Parse(&corev1.ConfigMap{Data: map[string]string{key: text}})
		want, wantErr := reclaim.Parse(text)
		if key != reclaim.ConfigKey {
			if err == nil {
				t.Errorf("key %q counts", key)
			}
			return
		}
		if (err == nil) != (wantErr == nil) || !cmp.Equal(got, want) {
			t.Errorf("%q: %+v, %v, not %+v, %v", text, got, err, want, wantErr)
		}
	})
}
