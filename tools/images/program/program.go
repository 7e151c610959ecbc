// Package program builds the project's programs, the same bytes on every machine.
package program

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Program is one of the project's programs. Its image's stage in the Dockerfile is named
// Stage.
type Program struct {
	Name, Package, Stage string
}

// All are the programs that are shipped.
var All = []Program{
	{Name: "five-spot", Package: ".", Stage: "manager"},
	{Name: "five-spot-reclaim-agent", Package: "./agent", Stage: "agent"},
}

// Platform is what a program runs on.
type Platform struct {
	OS, Architecture string
}

// ParsePlatform reads a platform like linux/amd64.
func ParsePlatform(text string) (Platform, error) {
	system, architecture, found := strings.Cut(text, "/")
	if !found || system != "linux" || architecture == "" || strings.Contains(architecture, "/") {
		return Platform{}, fmt.Errorf("platform %q: must be linux/ and an architecture", text)
	}
	return Platform{OS: system, Architecture: architecture}, nil
}

// ParsePlatforms reads a list of platforms, separated by commas.
func ParsePlatforms(list string) ([]Platform, error) {
	var platforms []Platform
	for text := range strings.SplitSeq(list, ",") {
		platform, err := ParsePlatform(text)
		if err != nil {
			return nil, err
		}
		platforms = append(platforms, platform)
	}
	return platforms, nil
}

func (p Platform) String() string { return p.OS + "/" + p.Architecture }

// Source is the project's folder, and what a build of it is called.
type Source struct {
	Root, Version string

	toolchain string
}

// Open reads from the project's go.mod which Go builds it.
func Open(ctx context.Context, root, version string) (Source, error) {
	s := Source{Root: root, Version: version}
	out, err := s.run(ctx, nil, "mod", "edit", "-json")
	if err != nil {
		return Source{}, err
	}
	mod := struct{ Toolchain string }{}
	if err := json.Unmarshal(out, &mod); err != nil {
		return Source{}, fmt.Errorf("failed to read go.mod: %w", err)
	}
	if mod.Toolchain == "" {
		return Source{}, errors.New("go.mod has no line toolchain: the bytes of a program depend on the very version of Go")
	}
	s.toolchain = mod.Toolchain
	return s, nil
}

// Toolchain is the version of Go that builds the programs, such as go1.26.8.
func (s Source) Toolchain() string { return s.toolchain }

// Build builds the program for the platform and writes it to path.
func (s Source) Build(ctx context.Context, p Program, platform Platform, path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("failed to build %s: %w", p.Name, err)
	}
	// Nothing of the machine gets into it: no paths, no state of a repository, and no
	// build ID, which depends on both.
	_, err = s.GoFor(ctx, platform, "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -buildid= -X main.version=v"+s.Version, "-o", path, p.Package)
	return err
}

// GoFor runs a command of Go with the settings that programs for the platform are built
// with, and returns its output. Settings of the machine do not count.
func (s Source) GoFor(ctx context.Context, platform Platform, args ...string) ([]byte, error) {
	return s.run(ctx, []string{
		"GOOS=" + platform.OS, "GOARCH=" + platform.Architecture, "GOTOOLCHAIN=" + s.toolchain,
		"CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off", "GOEXPERIMENT=", "GOFIPS140=off",
		"GOAMD64=v1", "GOARM64=v8.0", "GODEBUG=",
	}, args...)
}

func (s Source) run(ctx context.Context, settings []string, args ...string) ([]byte, error) {
	var complaint strings.Builder
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env, cmd.Stderr = s.Root, append(os.Environ(), settings...), &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("failed to run go %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(complaint.String()))
	}
	return out, nil
}
