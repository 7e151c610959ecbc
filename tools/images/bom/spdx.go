package bom

import (
	"fmt"
	"io"
	"regexp"

	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"

	"github.com/finos/five-spot/tools/images/licenses"
)

// unsaid is what SPDX has for what is not told.
const unsaid = "NOASSERTION"

// foreign are the characters that an identifier of SPDX may not have.
var foreign = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

// WriteSPDX writes the contents as JSON of SPDX 2.3.
func (c *Contents) WriteSPDX(w io.Writer) error {
	document := &v2_3.Document{
		SPDXVersion: v2_3.Version, DataLicense: v2_3.DataLicense, SPDXIdentifier: "DOCUMENT",
		DocumentName:      c.Program.Name + "-v" + c.Version,
		DocumentNamespace: Home + "/spdx/" + c.Program.Name + "-v" + c.Version + "-" + c.identity().String(),
		CreationInfo: &v2_3.CreationInfo{
			Created:  c.created(),
			Creators: []common.Creator{{CreatorType: "Organization", Creator: supplier}, {CreatorType: "Tool", Creator: tool + "-v" + c.Version}},
		},
	}
	root := c.rootPackage()
	document.Packages = append(document.Packages, root)
	relate(document, "DOCUMENT", "DESCRIBES", root.PackageSPDXIdentifier)
	for _, binary := range c.Binaries {
		part := &v2_3.Package{
			PackageName: c.Program.Name + " for " + binary.Platform.String(), PackageVersion: "v" + c.Version,
			PackageSPDXIdentifier: identifier("Binary", c.Program.Name+"-"+binary.Platform.String()),
			PackageFileName:       c.Program.Name, PrimaryPackagePurpose: "FILE",
			PackageDownloadLocation: unsaid, PackageCopyrightText: unsaid,
			PackageLicenseConcluded: unsaid, PackageLicenseDeclared: license,
			PackageChecksums: []common.Checksum{{Algorithm: common.SHA256, Value: binary.SHA256}},
		}
		document.Packages = append(document.Packages, part)
		relate(document, root.PackageSPDXIdentifier, "CONTAINS", part.PackageSPDXIdentifier)
	}
	for _, m := range c.Modules {
		part := modulePackage(m)
		document.Packages = append(document.Packages, part)
		relate(document, root.PackageSPDXIdentifier, "DEPENDS_ON", part.PackageSPDXIdentifier)
	}
	if err := spdxjson.Write(document, w, spdxjson.Indent("  "), spdxjson.EscapeHTML(false)); err != nil {
		return fmt.Errorf("failed to write SPDX: %w", err)
	}
	return nil
}

func (c *Contents) rootPackage() *v2_3.Package {
	return &v2_3.Package{
		PackageName: c.Program.Name, PackageVersion: "v" + c.Version,
		PackageSPDXIdentifier: identifier("Program", c.Program.Name),
		PackageSupplier:       &common.Supplier{SupplierType: "Organization", Supplier: supplier},
		PackageHomePage:       Home, PrimaryPackagePurpose: "APPLICATION",
		PackageDownloadLocation: "git+" + Home + "@v" + c.Version, PackageCopyrightText: unsaid,
		PackageLicenseConcluded: license, PackageLicenseDeclared: license,
		PackageExternalReferences: reference(c.purl()),
	}
}

func modulePackage(m licenses.Module) *v2_3.Package {
	return &v2_3.Package{
		PackageName: m.Path, PackageVersion: m.Version,
		PackageSPDXIdentifier: identifier("Module", m.Path+"-"+m.Version), PrimaryPackagePurpose: "LIBRARY",
		PackageDownloadLocation: unsaid, PackageCopyrightText: unsaid,
		PackageLicenseConcluded: unsaid, PackageLicenseDeclared: expression(m.Licenses),
		PackageExternalReferences: reference(purl(m)),
	}
}

func identifier(kind, name string) common.ElementID {
	return common.ElementID(kind + "-" + foreign.ReplaceAllString(name, "-"))
}

func reference(locator string) []*v2_3.PackageExternalReference {
	return []*v2_3.PackageExternalReference{{Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: locator}}
}

func relate(document *v2_3.Document, from common.ElementID, how string, to common.ElementID) {
	document.Relationships = append(document.Relationships, &v2_3.Relationship{
		RefA: common.DocElementID{ElementRefID: from}, Relationship: how, RefB: common.DocElementID{ElementRefID: to},
	})
}
