package workflows_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// Every module is kept up to date, or nobody learns that one is out of date.
func TestDependabotKnowsEveryModule(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, ".github", "dependabot.yml"))
	if err != nil {
		t.Fatal(err)
	}
	config := struct {
		Version int
		Updates []struct {
			Ecosystem   string         `json:"package-ecosystem"`
			Directory   string         `json:"directory"`
			Directories []string       `json:"directories"`
			Schedule    map[string]any `json:"schedule"`
			Groups      map[string]any `json:"groups"`
			Ignore      []any          `json:"ignore"`
			Limit       int            `json:"open-pull-requests-limit"`
		} `json:"updates"`
	}{}
	if err := yaml.UnmarshalStrict(text, &config); err != nil {
		t.Fatal(err)
	}
	ecosystems := map[string][]string{}
	for _, update := range config.Updates {
		ecosystems[update.Ecosystem] = append(ecosystems[update.Ecosystem], update.Directories...)
		if update.Directory != "" {
			ecosystems[update.Ecosystem] = append(ecosystems[update.Ecosystem], update.Directory)
		}
		if update.Schedule["interval"] == nil {
			t.Errorf("%s has no interval", update.Ecosystem)
		}
	}
	slices.Sort(ecosystems["gomod"])
	want := map[string][]string{"docker": {"/"}, "github-actions": {"/"}, "gomod": modules(t)}
	if diff := cmp.Diff(want, ecosystems); diff != "" || config.Version != 2 {
		t.Errorf("version %d (-want +got):\n%s", config.Version, diff)
	}
}

// modules are the folders of all Go modules, from the root, with a slash before.
func modules(t *testing.T) []string {
	t.Helper()
	var found []string
	if err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "bin") {
			return filepath.SkipDir
		}
		if entry.Name() == "go.mod" {
			folder, err := filepath.Rel(root, filepath.Dir(path))
			if err != nil {
				return err
			}
			found = append(found, "/"+strings.TrimPrefix(filepath.ToSlash(folder), "."))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return found
}
