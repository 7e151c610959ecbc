// Package bom writes what a program consists of, as a software bill of materials in the
// formats SPDX and CycloneDX. The same program gives the same bytes.
package bom

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	packageurl "github.com/package-url/packageurl-go"

	"github.com/finos/five-spot/tools/images/licenses"
	"github.com/finos/five-spot/tools/images/program"
)

const (
	// Home is where the project is.
	Home = "https://github.com/finos/five-spot"

	supplier = "FINOS"
	tool     = "five-spot-images"
	// License is the project's own.
	license = "Apache-2.0"
)

// Contents are what a program consists of.
type Contents struct {
	Program program.Program
	Version string
	Created time.Time
	// Binaries are the program for each platform.
	Binaries []Binary
	// Modules are what is linked into any of the binaries, sorted by path.
	Modules []licenses.Module
}

// Binary is the program for one platform.
type Binary struct {
	Platform program.Platform
	// SHA256 is in hexadecimal digits.
	SHA256 string
}

// Add adds the binary for one more platform, with what is linked into it.
func (c *Contents) Add(platform program.Platform, binary string, modules []licenses.Module) error {
	content, err := os.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("failed to read the program: %w", err)
	}
	sum := sha256.Sum256(content)
	c.Binaries = append(c.Binaries, Binary{Platform: platform, SHA256: hex.EncodeToString(sum[:])})
	for _, m := range modules {
		at, found := slices.BinarySearchFunc(c.Modules, m, func(a, b licenses.Module) int { return strings.Compare(a.Path, b.Path) })
		if !found {
			c.Modules = slices.Insert(c.Modules, at, m)
		}
	}
	return nil
}

// identity is the same for the same binaries, and no other.
func (c *Contents) identity() uuid.UUID {
	var all strings.Builder
	for _, binary := range c.Binaries {
		fmt.Fprintln(&all, binary.Platform, binary.SHA256)
	}
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte(Home+"\n"+all.String()))
}

func (c *Contents) created() string { return c.Created.UTC().Format(time.RFC3339) }

// purl is the name of a module in all ecosystems.
func purl(m licenses.Module) string {
	name, version := m.Path, m.Version
	if name == licenses.Standard {
		name, version = "stdlib", strings.TrimPrefix(version, "go")
	}
	namespace, last := "", name
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		namespace, last = name[:i], name[i+1:]
	}
	return packageurl.NewPackageURL(packageurl.TypeGolang, namespace, last, version, nil, "").ToString()
}

// purl of the program itself.
func (c *Contents) purl() string {
	subpath := strings.TrimPrefix(strings.TrimPrefix(c.Program.Package, "."), "/")
	return packageurl.NewPackageURL(packageurl.TypeGolang, "github.com/finos", "five-spot", "v"+c.Version, nil, subpath).ToString()
}

// expression is a licence expression of SPDX: all of them hold.
func expression(names []string) string { return strings.Join(names, " AND ") }
