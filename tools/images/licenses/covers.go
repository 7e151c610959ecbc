package licenses

import (
	"debug/buildinfo"
	"fmt"
	"slices"
)

// Covers checks that there is a licence for every module that the binary says it was
// built from. It fails when one is missing.
func Covers(binary string, modules []Module) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("failed to read what is in %s: %w", binary, err)
	}
	for _, dependency := range info.Deps {
		if replace := dependency.Replace; replace != nil && replace.Version != "" {
			dependency = replace
		}
		if !slices.ContainsFunc(modules, func(m Module) bool { return m.Path == dependency.Path && m.Version == dependency.Version }) {
			return fmt.Errorf("there is no licence for %s@%s, which is in %s", dependency.Path, dependency.Version, binary)
		}
	}
	return nil
}
