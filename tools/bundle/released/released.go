// Package released has the CustomResourceDefinitions of every version that was released,
// which is what a cluster upgrades from.
package released

import "embed"

// Files are those of each version, in a folder like v0.1.0.
//
//go:embed v*/*.yaml
var Files embed.FS
