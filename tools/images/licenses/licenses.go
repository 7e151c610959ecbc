// Package licenses collects the licences of everything that is linked into a program,
// and refuses those that it may not be shipped with.
package licenses

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/finos/five-spot/tools/images/program"
)

// Module is a module that is linked in, with what it says about its licence.
type Module struct {
	Path, Version string
	// Licenses are SPDX identifiers, sorted.
	Licenses []string
	// Files are the texts, by their path in the module.
	Files map[string][]byte
}

// Standard is the path by which the standard library goes.
const Standard = "std"

var (
	notice  = regexp.MustCompile(`(?i)^(licen[cs]es?|copying|copyright|unlicense|notice|patents)([-._].*)?$`)
	license = regexp.MustCompile(`(?i)^(licen[cs]es?|copying|unlicense)([-._].*)?$`)
)

// Collect returns the modules that are linked into the program on the platform, sorted by
// path. It fails for a module without a licence, with one that is not known, or with one
// that is not in Allowed.
func Collect(ctx context.Context, source program.Source, p program.Program, platform program.Platform) ([]Module, error) {
	packages, err := linked(ctx, source, p, platform)
	if err != nil {
		return nil, err
	}
	modules := map[string]*Module{}
	for _, pkg := range packages {
		if err := pkg.addTo(modules); err != nil {
			return nil, err
		}
	}
	if modules[Standard], err = standard(ctx, source, platform); err != nil {
		return nil, err
	}
	sorted := make([]Module, 0, len(modules))
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		module := modules[name]
		if module.Licenses, err = identify(module); err != nil {
			errs = append(errs, err)
		}
		sorted = append(sorted, *module)
	}
	return sorted, errors.Join(errs...)
}

// Save writes the licences into the folder: LICENSE is the project's own, and third_party
// has a folder for each module.
func Save(source program.Source, modules []Module, folder string) error {
	own, err := os.ReadFile(filepath.Join(source.Root, "LICENSE"))
	if err != nil {
		return fmt.Errorf("failed to read the licence: %w", err)
	}
	files := map[string][]byte{"LICENSE": own}
	for _, module := range modules {
		for name, text := range module.Files {
			files[path.Join("third_party", module.Path+"@"+module.Version, name)] = text
		}
	}
	for name, text := range files {
		target := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return fmt.Errorf("failed to save the licences: %w", err)
		}
		if err := os.WriteFile(target, text, 0o644); err != nil {
			return fmt.Errorf("failed to save the licences: %w", err)
		}
	}
	return nil
}

// linkedPackage is what "go list" says about a package.
type linkedPackage struct {
	ImportPath, Dir string
	Module          *struct {
		Path, Version, Dir string
		Main               bool
		Replace            *struct{ Path, Version, Dir string }
	}
}

func linked(ctx context.Context, source program.Source, p program.Program, platform program.Platform) ([]linkedPackage, error) {
	out, err := source.GoFor(ctx, platform, "list", "-deps", "-json=ImportPath,Dir,Module", p.Package)
	if err != nil {
		return nil, err
	}
	var packages []linkedPackage
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		pkg := linkedPackage{}
		if err := decoder.Decode(&pkg); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("failed to read what go list says: %w", err)
		}
		// Those of the standard library have no module.
		if pkg.Module != nil && !pkg.Module.Main {
			packages = append(packages, pkg)
		}
	}
}

// addTo adds the texts in the package's folder and in those above it: parts of a module
// can have a licence of their own.
func (p linkedPackage) addTo(modules map[string]*Module) error {
	name, version, root := p.Module.Path, p.Module.Version, p.Module.Dir
	if replace := p.Module.Replace; replace != nil {
		root = replace.Dir
		// Without a version it is a folder, which says nothing to others.
		if replace.Version != "" {
			name, version = replace.Path, replace.Version
		}
	}
	module := modules[name]
	if module == nil {
		module = &Module{Path: name, Version: version, Files: map[string][]byte{}}
		modules[name] = module
	}
	inside, err := filepath.Rel(root, p.Dir)
	if err != nil || strings.HasPrefix(inside, "..") {
		return fmt.Errorf("package %s is not in the folder of its module", p.ImportPath)
	}
	for folder := filepath.ToSlash(inside); ; folder = path.Dir(folder) {
		if err := module.read(root, folder); err != nil || folder == "." {
			return err
		}
	}
}

// read adds the texts that lie in one folder of the module.
func (m *Module) read(root, folder string) error {
	entries, err := os.ReadDir(filepath.Join(root, filepath.FromSlash(folder)))
	if err != nil {
		return fmt.Errorf("failed to look for licences of %s: %w", m.Path, err)
	}
	for _, entry := range entries {
		if entry.IsDir() || !notice.MatchString(entry.Name()) || path.Ext(entry.Name()) == ".go" {
			continue
		}
		name := path.Join(folder, entry.Name())
		if m.Files[name], err = os.ReadFile(filepath.Join(root, filepath.FromSlash(name))); err != nil {
			return fmt.Errorf("failed to read a licence of %s: %w", m.Path, err)
		}
	}
	return nil
}

func standard(ctx context.Context, source program.Source, platform program.Platform) (*Module, error) {
	out, err := source.GoFor(ctx, platform, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	module := &Module{Path: Standard, Version: source.Toolchain(), Files: map[string][]byte{}}
	return module, module.read(strings.TrimSpace(string(out)), ".")
}
