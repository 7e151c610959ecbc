package testenv

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// fakeBinaries puts executable files into the folder.
func fakeBinaries(t *testing.T, folder string, names ...string) string {
	t.Helper()
	if err := os.MkdirAll(folder, 0o750); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func TestBinariesAreFoundWithoutBuilding(t *testing.T) {
	all := []string{Etcd, KubeAPIServer, Kubectl}
	for name, test := range map[string]struct {
		assets, store []string
		names         []string
		wantStore     bool
		wantLog       string
	}{
		"KUBEBUILDER_ASSETS comes first":                            {assets: all, store: all},
		"the store of setup-envtest comes next":                     {store: all, wantStore: true},
		"assets that lack a binary are passed over, and it says so": {assets: []string{Etcd}, store: all, wantStore: true, wantLog: "lacks kube-apiserver, kubectl"},
		"only what was asked for counts":                            {assets: []string{KubeScheduler}, names: []string{KubeScheduler}},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			t.Setenv("XDG_DATA_HOME", home)
			store := fakeBinaries(t, filepath.Join(home, "kubebuilder-envtest", "k8s", KubernetesVersion+"-linux-"+runtime.GOARCH), test.store...)
			assets := fakeBinaries(t, t.TempDir(), test.assets...)
			t.Setenv("KUBEBUILDER_ASSETS", "")
			if test.assets != nil {
				t.Setenv("KUBEBUILDER_ASSETS", assets)
			}
			want := assets
			if test.wantStore {
				want = store
			}
			var log bytes.Buffer
			got, err := Binaries(t.Context(), &log, test.names...)
			if got != want || err != nil {
				t.Errorf("Binaries() = %q, %v, want %q", got, err, want)
			}
			if !strings.Contains(log.String(), test.wantLog) || (test.wantLog == "") != (log.Len() == 0) {
				t.Errorf("log %q, want %q", log.String(), test.wantLog)
			}
		})
	}
}

func TestAnUnknownBinaryIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := Binaries(t.Context(), t.Output(), "kube-proxy"); err == nil {
		t.Error("no error")
	}
}

func TestAFileThatCannotRunCountsAsMissing(t *testing.T) {
	t.Parallel()
	folder := fakeBinaries(t, t.TempDir(), Kubectl)
	if err := os.WriteFile(filepath.Join(folder, Etcd), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(folder, KubeScheduler), 0o700); err != nil {
		t.Fatal(err)
	}
	got := missing(folder, []string{Kubectl, Etcd, KubeScheduler})
	if len(got) != 2 || got[0] != Etcd || got[1] != KubeScheduler {
		t.Errorf("missing() = %q", got)
	}
}

func TestOnlyOneProcessBuildsAtATime(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	unlock, err := lockStore(t.Context(), t.Output(), store)
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	var log bytes.Buffer
	if _, err := lockStore(ended, &log, store); !errors.Is(err, context.Canceled) {
		t.Errorf("the second got %v instead of waiting", err)
	}
	if !strings.Contains(log.String(), "Waiting for another process") {
		t.Errorf("the second waits without saying so: %q", log.String())
	}
	unlock()
	unlock, err = lockStore(t.Context(), t.Output(), store)
	if err != nil {
		t.Fatalf("after the first was done: %v", err)
	}
	unlock()
}

// The version in the path of the store, and the one that the binaries report, is
// that of the module they are built from.
func TestTheVersionIsThatOfTheModule(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join("controlplane", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^\s*k8s\.io/kubernetes v(\S+)`).FindSubmatch(content)
	if version == nil || string(version[1]) != KubernetesVersion {
		t.Errorf("controlplane/go.mod requires k8s.io/kubernetes %q, want %s", version, KubernetesVersion)
	}
	if flags := linkerFlags(); !strings.Contains(flags, ".gitVersion=v"+KubernetesVersion+" ") || !strings.Contains(flags, ".gitMinor=36 ") {
		t.Errorf("linker flags %q", flags)
	}
}

// A new version gets a new name, so that no old binary is taken for it.
func TestTheVersionOfKwokIsThatOfItsModule(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join("kwok", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if version := regexp.MustCompile(`(?m)^\s*sigs\.k8s\.io/kwok v(\S+)`).FindSubmatch(content); version == nil || string(version[1]) != KwokVersion {
		t.Errorf("kwok/go.mod requires sigs.k8s.io/kwok %q, want %s", version, KwokVersion)
	}
}
