package bom

import (
	"fmt"
	"io"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// WriteCycloneDX writes the contents as JSON of CycloneDX 1.6.
func (c *Contents) WriteCycloneDX(w io.Writer) error {
	document := cdx.NewBOM()
	document.SerialNumber = c.identity().URN()
	binaries := make([]cdx.Component, len(c.Binaries))
	for i, binary := range c.Binaries {
		binaries[i] = cdx.Component{
			BOMRef: c.Program.Name + " " + binary.Platform.String(), Type: cdx.ComponentTypeFile,
			Name: c.Program.Name + " for " + binary.Platform.String(), Version: "v" + c.Version,
			Hashes: &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: binary.SHA256}},
		}
	}
	document.Metadata = &cdx.Metadata{
		Timestamp: c.created(),
		Supplier:  &cdx.OrganizationalEntity{Name: supplier},
		Tools:     &cdx.ToolsChoice{Components: &[]cdx.Component{{Type: cdx.ComponentTypeApplication, Name: tool, Version: "v" + c.Version}}},
		Component: &cdx.Component{
			BOMRef: c.purl(), Type: cdx.ComponentTypeApplication, Name: c.Program.Name, Version: "v" + c.Version,
			PackageURL: c.purl(), Licenses: &cdx.Licenses{{License: &cdx.License{ID: license}}}, Components: &binaries,
		},
	}
	components, references := make([]cdx.Component, len(c.Modules)), make([]string, len(c.Modules))
	for i, m := range c.Modules {
		components[i] = cdx.Component{
			BOMRef: purl(m), Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: purl(m),
			Scope: cdx.ScopeRequired, Licenses: choices(m.Licenses),
		}
		references[i] = purl(m)
	}
	document.Components = &components
	document.Dependencies = &[]cdx.Dependency{{Ref: c.purl(), Dependencies: &references}}

	encoder := cdx.NewBOMEncoder(w, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false)
	if err := encoder.EncodeVersion(document, cdx.SpecVersion1_6); err != nil {
		return fmt.Errorf("failed to write CycloneDX: %w", err)
	}
	return nil
}

// choices are one identifier, or one expression.
func choices(names []string) *cdx.Licenses {
	if len(names) == 1 {
		return &cdx.Licenses{{License: &cdx.License{ID: names[0]}}}
	}
	return &cdx.Licenses{{Expression: expression(names)}}
}
