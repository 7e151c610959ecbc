package testenv

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// BuildAgent builds the reclaim agent as it is shipped, and returns the path of the
// binary in the folder.
func BuildAgent(ctx context.Context, folder string) (string, error) {
	root, err := SourceRoot(ctx)
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "five-spot-reclaim-agent")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "./agent")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("failed to build the agent: %w: %s", err, out)
	}
	return path, nil
}
