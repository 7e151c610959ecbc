// Package generate makes a bundle for the Operator Lifecycle Manager, in the format
// registry+v1, as "operator-sdk generate bundle" does from the same objects. The same
// objects always make the same bytes.
package generate

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/blang/semver/v4"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/finos/five-spot/tools/bundle/rendered"
)

// Options are what the objects do not say.
type Options struct {
	// Version of the operator, without a v.
	Version string

	// CreatedAt is an instant such as 2026-11-28T00:00:00Z. Without it, it is what the
	// base ClusterServiceVersion says.
	CreatedAt string
}

// Files are the contents of a bundle by their paths, with slashes.
type Files map[string][]byte

// Bundle makes the bundle.
func Bundle(objects *rendered.Objects, options Options) (Files, error) {
	if _, err := semver.Parse(options.Version); err != nil {
		return nil, fmt.Errorf("version %q: %w", options.Version, err)
	}
	rights, err := rightsOf(objects)
	if err != nil {
		return nil, err
	}
	csv, err := clusterServiceVersion(objects, rights, options)
	if err != nil {
		return nil, err
	}
	kept, err := keptObjects(objects, rights)
	if err != nil {
		return nil, err
	}
	files := Files{"metadata/annotations.yaml": annotationsFile()}
	for name, object := range map[string]*unstructured.Unstructured{
		"manifests/" + Package + ".clusterserviceversion.yaml": csv,
		scorecardPath + "config.yaml":                          objects.Scorecard,
	} {
		if err := files.add(name, object); err != nil {
			return nil, err
		}
	}
	for _, object := range kept {
		if err := files.add("manifests/"+fileName(object), object); err != nil {
			return nil, err
		}
	}
	return files, nil
}

func (f Files) add(name string, object *unstructured.Unstructured) error {
	if f[name] != nil {
		return fmt.Errorf("two objects would be written to %s", name)
	}
	text, err := yaml.Marshal(object.Object)
	if err != nil {
		return fmt.Errorf("failed to write %s: %w", name, err)
	}
	f[name] = text
	return nil
}

// fileName is the name that operator-sdk gives a file.
func fileName(object *unstructured.Unstructured) string {
	kind := object.GroupVersionKind()
	if kind.Kind == "CustomResourceDefinition" {
		plural, group, _ := strings.Cut(object.GetName(), ".")
		return group + "_" + plural + ".yaml"
	}
	parts := []string{object.GetName(), kind.Group, kind.Version, strings.ToLower(kind.Kind)}
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), "_") + ".yaml"
}

// Save writes the files into the folder, and removes what else is in their folders.
func (f Files) Save(folder string) error {
	for _, part := range []string{"manifests", "metadata", "tests"} {
		if err := os.RemoveAll(filepath.Join(folder, part)); err != nil {
			return fmt.Errorf("failed to clear %s: %w", part, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f)) {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("failed to make the folder of %s: %w", name, err)
		}
		if err := os.WriteFile(path, f[name], 0o644); err != nil {
			return fmt.Errorf("failed to write %s: %w", name, err)
		}
	}
	return nil
}

// Load reads the files of a bundle.
func Load(folder string) (Files, error) {
	files := Files{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("failed to read the bundle: %w", err)
	}
	return files, nil
}

// Differences are the files in which the two differ, an error for each.
func Differences(want, got Files) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(want)) {
		switch text, ok := got[name]; {
		case !ok:
			errs = append(errs, fmt.Errorf("%s: is missing", name))
		case string(text) != string(want[name]):
			errs = append(errs, fmt.Errorf("%s: is not what config makes of it", name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if want[name] == nil {
			errs = append(errs, fmt.Errorf("%s: is not made from config", name))
		}
	}
	return errors.Join(errs...)
}
