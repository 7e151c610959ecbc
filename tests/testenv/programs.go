package testenv

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// ManagerVersion is what the manager that BuildManager builds takes itself for.
const ManagerVersion = "v0.2.0"

// BuildManager builds the manager as it is shipped, and returns the path of the binary
// in the folder.
func BuildManager(ctx context.Context, folder string) (string, error) {
	return Build(ctx, folder, "five-spot", ".")
}

// BuildAgent builds the reclaim agent as it is shipped, and returns the path of the
// binary in the folder.
func BuildAgent(ctx context.Context, folder string) (string, error) {
	return Build(ctx, folder, "five-spot-reclaim-agent", "./agent")
}

// Build builds a program of this module in the way in which those are built that are
// shipped, and returns the path of the binary, which has the name, in the folder.
func Build(ctx context.Context, folder, name, program string) (string, error) {
	root, err := SourceRoot(ctx)
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, name)
	return path, compile(ctx, root, path, program, ManagerVersion)
}

// BuildManagerOf builds the manager from another folder of the project's source, as that
// version, to the path.
func BuildManagerOf(ctx context.Context, root, version, path string) error {
	return compile(ctx, root, path, ".", version)
}

func compile(ctx context.Context, root, path, program, version string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w -X main.version="+version, "-o", path, program)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("failed to build %s: %w: %s", program, err, out)
	}
	return nil
}
