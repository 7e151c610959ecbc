package testenv

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// ManagerVersion is what the manager that BuildManager builds takes itself for.
const ManagerVersion = "v0.1.0"

// BuildManager builds the manager as it is shipped, and returns the path of the binary
// in the folder.
func BuildManager(ctx context.Context, folder string) (string, error) {
	return buildProgram(ctx, filepath.Join(folder, "five-spot"), ".")
}

// BuildAgent builds the reclaim agent as it is shipped, and returns the path of the
// binary in the folder.
func BuildAgent(ctx context.Context, folder string) (string, error) {
	return buildProgram(ctx, filepath.Join(folder, "five-spot-reclaim-agent"), "./agent")
}

func buildProgram(ctx context.Context, path, program string) (string, error) {
	root, err := SourceRoot(ctx)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w -X main.version="+ManagerVersion, "-o", path, program)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("failed to build %s: %w: %s", filepath.Base(path), err, out)
	}
	return path, nil
}
