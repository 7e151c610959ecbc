package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestACommandWithThePluginsNameIsNotThePlugin(t *testing.T) {
	root := t.TempDir()
	network := bundles[slices.IndexFunc(bundles, func(b bundle) bool { return slices.Contains(b.programs, "bridge") })]
	place := func(folder, program string) string {
		t.Helper()
		path := filepath.Join(root, folder, program)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o755)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	place("usr/sbin", "bridge")
	place("usr/lib/cni", "host-local")
	place("usr/lib/cni", "loopback")
	if found := network.find(root); found != nil {
		t.Errorf("found %v, although the plugin is missing", found)
	}
	plugin := place("opt/cni/bin", "bridge")
	if found := network.find(root); !slices.Contains(found, plugin) {
		t.Errorf("found %v, want %s among them", found, plugin)
	}
}
