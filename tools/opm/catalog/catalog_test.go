// Package catalog holds that OLM can read the catalog, with OLM's own types, where opm
// itself has not been built.
package catalog_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
)

// load reads the catalog of the project.
func load(t *testing.T) *declcfg.DeclarativeConfig {
	t.Helper()
	config, err := declcfg.LoadFS(t.Context(), os.DirFS("../../../config/catalog"))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func TestOLMReadsTheCatalog(t *testing.T) {
	t.Parallel()
	packages, err := declcfg.ConvertToModel(*load(t))
	if err != nil {
		t.Fatal(err)
	}
	pkg := packages["five-spot"]
	if pkg == nil || len(packages) != 1 {
		t.Fatalf("the packages are %v", slices.Collect(maps.Keys(packages)))
	}
	if pkg.DefaultChannel.Name != "stable" {
		t.Errorf("the default channel is %s", pkg.DefaultChannel.Name)
	}
	for name, channel := range pkg.Channels {
		if head, err := channel.Head(); err != nil || !strings.HasPrefix(head.Name, "five-spot.v") {
			t.Errorf("%s leads to %v: %v", name, head, err)
		}
	}
}

func TestOLMRefusesABrokenCatalog(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(*declcfg.DeclarativeConfig){
		"a default channel that does not exist": func(c *declcfg.DeclarativeConfig) { c.Packages[0].DefaultChannel = "fast" },
		"a channel with a version that is not there": func(c *declcfg.DeclarativeConfig) {
			c.Channels[0].Entries[0].Name = "five-spot.v9.9.9"
		},
		"a version in no channel": func(c *declcfg.DeclarativeConfig) { c.Channels = nil },
		"two versions at the head of a channel": func(c *declcfg.DeclarativeConfig) {
			second := c.Bundles[0]
			second.Name = "five-spot.v9.9.9"
			c.Bundles = append(c.Bundles, second)
			c.Channels[0].Entries = append(c.Channels[0].Entries, declcfg.ChannelEntry{Name: second.Name})
		},
		"a bundle of a package that is not there": func(c *declcfg.DeclarativeConfig) { c.Bundles[0].Package = "other" },
		"a bundle without properties":             func(c *declcfg.DeclarativeConfig) { c.Bundles[0].Properties = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := load(t)
			damage(config)
			if _, err := declcfg.ConvertToModel(*config); err == nil {
				t.Error("is not noticed")
			}
		})
	}
}
