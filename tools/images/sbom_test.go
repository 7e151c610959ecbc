package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-cmp/cmp"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdxlib"

	"github.com/finos/five-spot/tools/images/program"
)

// What both documents list is what Go itself says of the binaries in the images, and
// writing them again gives the same bytes.
func TestTheBillsOfMaterialsAreThoseOfTheBinaries(t *testing.T) {
	t.Parallel()
	needBuild(t)
	folder, again := writeSBOMs(t), writeSBOMs(t)
	for _, p := range program.All {
		var want []string
		for _, image := range imagesOf(t, p) {
			binary := filepath.Join(t.TempDir(), p.Name)
			if err := os.WriteFile(binary, filesOf(t, image)[p.Name], 0o700); err != nil {
				t.Fatal(err)
			}
			want = append(want, modulesIn(t, binary)...)
		}
		slices.Sort(want)
		want = slices.Compact(want)
		if len(want) < 40 {
			t.Fatalf("%s: only %d modules", p.Name, len(want))
		}
		if diff := cmp.Diff(want, modulesInCycloneDX(t, filepath.Join(folder, p.Name+".cdx.json"))); diff != "" {
			t.Errorf("%s: CycloneDX: %s", p.Name, diff)
		}
		if diff := cmp.Diff(want, modulesInSPDX(t, filepath.Join(folder, p.Name+".spdx.json"))); diff != "" {
			t.Errorf("%s: SPDX: %s", p.Name, diff)
		}
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 4 {
		t.Fatalf("there are %d documents, %v", len(entries), err)
	}
	for _, entry := range entries {
		first, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		second, errAgain := os.ReadFile(filepath.Join(again, entry.Name()))
		if err != nil || errAgain != nil || !bytes.Equal(first, second) {
			t.Errorf("%s differs: %v, %v", entry.Name(), err, errAgain)
		}
	}
}

func writeSBOMs(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if err := run(t.Context(), []string{"sbom", "-root", root, "-version", version, "-output", folder}, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	return folder
}

// modulesIn are the modules in a binary, and Go.
func modulesIn(t *testing.T, binary string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "version", "-m", binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	_, goVersion, _ := strings.Cut(strings.SplitN(string(out), "\n", 2)[0], ": ")
	modules := []string{"std@" + goVersion}
	for line := range strings.Lines(string(out)) {
		if fields := strings.Fields(line); len(fields) >= 3 && fields[0] == "dep" {
			modules = append(modules, fields[1]+"@"+fields[2])
		}
	}
	return modules
}

func modulesInCycloneDX(t *testing.T, path string) []string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	document := &cdx.BOM{}
	if err := cdx.NewBOMDecoder(bytes.NewReader(content), cdx.BOMFileFormatJSON).Decode(document); err != nil {
		t.Fatal(err)
	}
	if binaries := *document.Metadata.Component.Components; len(binaries) != 2 || len((*binaries[0].Hashes)[0].Value) != 64 {
		t.Errorf("%s: the binaries are %v", path, binaries)
	}
	var modules []string
	for _, component := range *document.Components {
		if component.Licenses == nil || !strings.HasPrefix(component.PackageURL, "pkg:golang/") {
			t.Errorf("%s: %s has the licences %v and the URL %s", path, component.Name, component.Licenses, component.PackageURL)
		}
		modules = append(modules, component.Name+"@"+component.Version)
	}
	if depends := *(*document.Dependencies)[0].Dependencies; len(depends) != len(modules) {
		t.Errorf("%s: it depends on %d modules", path, len(depends))
	}
	slices.Sort(modules)
	return modules
}

func modulesInSPDX(t *testing.T, path string) []string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	document, err := spdxjson.Read(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if err := spdxlib.ValidateDocument(document); err != nil {
		t.Errorf("%s: %v", path, err)
	}
	var modules []string
	for _, part := range document.Packages {
		if part.PrimaryPackagePurpose == "LIBRARY" {
			modules = append(modules, part.PackageName+"@"+part.PackageVersion)
		}
		if part.PackageLicenseDeclared == "" || part.PackageLicenseDeclared == "NOASSERTION" {
			t.Errorf("%s: %s has no licence", path, part.PackageName)
		}
	}
	if described, err := spdxlib.GetDescribedPackageIDs(document); err != nil || len(described) != 1 {
		t.Errorf("%s: described are %v, %v", path, described, err)
	}
	slices.Sort(modules)
	return modules
}
