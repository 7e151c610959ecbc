package licenses_test

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/licenseclassifier/v2/assets"

	"github.com/finos/five-spot/tools/images/licenses"
	"github.com/finos/five-spot/tools/images/program"
)

const root = "../../.."

func TestOnlyAllowedLicensesPass(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Apache-2.0", "BSD-3-Clause", "MIT"} {
		if found, err := licenses.Identify(text(t, name)); err != nil || !slices.Contains(found, name) {
			t.Errorf("%s is identified as %v, %v", name, found, err)
		}
	}
	for _, name := range []string{"GPL-2.0", "GPL-3.0", "AGPL-3.0", "LGPL-2.1", "MPL-2.0", "EPL-2.0"} {
		if found, err := licenses.Identify(text(t, name)); !errors.Is(err, licenses.ErrForbidden) || !slices.Contains(found, name) {
			t.Errorf("%s is identified as %v, %v", name, found, err)
		}
	}
	both := append(text(t, "MIT"), text(t, "GPL-2.0")...)
	if _, err := licenses.Identify(both); !errors.Is(err, licenses.ErrForbidden) {
		t.Errorf("a text with two licences of which one is forbidden: %v", err)
	}
	if _, err := licenses.Identify([]byte("You may do as you like on Fridays.")); !errors.Is(err, licenses.ErrForbidden) {
		t.Errorf("an unknown licence: %v", err)
	}
}

// text is the text of a licence, as the classifier knows it.
func text(t *testing.T, name string) []byte {
	t.Helper()
	for _, file := range []string{"license.txt", "pristine.txt", "a.txt"} {
		if content, err := assets.ReadLicenseFile(path.Join("License", name, file)); err == nil {
			return content
		}
	}
	t.Fatalf("there is no text of %s", name)
	return nil
}

// A module can hold parts with a licence of their own, and one that was replaced is
// another module.
func TestModulesAreCollectedWithTheirParts(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write := func(name, content string) {
		file := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	source, err := program.Open(t.Context(), root, "0.0.0")
	if err != nil {
		t.Fatal(err)
	}
	write("go.mod", "module example.com/main\n\ngo 1.26.0\n\ntoolchain "+source.Toolchain()+
		"\n\nrequire example.com/library v0.0.0\n\nreplace example.com/library => ./fork\n")
	write("main.go", "package main\n\nimport _ \"example.com/library/inner/deep\"\n\nfunc main() {}\n")
	write("LICENSE", "ours")
	write("fork/go.mod", "module example.com/library\n\ngo 1.26.0\n")
	write("fork/LICENSE", string(text(t, "MIT")))
	write("fork/NOTICE.txt", "Thanks to all.")
	write("fork/license.go", "package library\n")
	write("fork/inner/COPYING", string(text(t, "BSD-3-Clause")))
	write("fork/inner/deep/deep.go", "package deep\n")
	write("fork/other/LICENSE", string(text(t, "GPL-3.0")))

	if source, err = program.Open(t.Context(), folder, "0.0.0"); err != nil {
		t.Fatal(err)
	}
	collect := func() ([]licenses.Module, error) {
		return licenses.Collect(t.Context(), source, program.All[0], program.Platform{OS: "linux", Architecture: "amd64"})
	}
	modules, err := collect()
	if err != nil {
		t.Fatal(err)
	}
	if len(modules) != 2 || !slices.Equal(modules[0].Licenses, []string{"BSD-3-Clause", "MIT"}) || modules[1].Path != licenses.Standard {
		t.Errorf("the modules are %v", modules)
	}
	saved := t.TempDir()
	if err := licenses.Save(source, modules[:1], saved); err != nil {
		t.Fatal(err)
	}
	var names []string
	if err := filepath.Walk(saved, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			names = append(names, strings.TrimPrefix(path, saved+"/"))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(names, []string{"LICENSE", "third_party/example.com/library@v0.0.0/LICENSE", "third_party/example.com/library@v0.0.0/NOTICE.txt", "third_party/example.com/library@v0.0.0/inner/COPYING"}) {
		t.Errorf("saved are %v", names)
	}

	write("fork/inner/deep/LICENSE", string(text(t, "AGPL-3.0")))
	if _, err := collect(); !errors.Is(err, licenses.ErrForbidden) || !strings.Contains(err.Error(), "inner/deep/LICENSE") {
		t.Errorf("with a part under the AGPL: %v", err)
	}
	for _, name := range []string{"LICENSE", "inner/COPYING", "inner/deep/LICENSE"} {
		if err := os.Remove(filepath.Join(folder, "fork", name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := collect(); !errors.Is(err, licenses.ErrForbidden) || !strings.Contains(err.Error(), "has no licence") {
		t.Errorf("without a licence: %v", err)
	}
}
