package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

const modulePath = "github.com/finos/five-spot"

// SourceRoot is the folder of the project's go.mod. It does not depend on the
// working directory, so that the world starts from any package of the project.
func SourceRoot(ctx context.Context) (string, error) {
	if _, file, _, ok := runtime.Caller(0); ok {
		root := filepath.Join(filepath.Dir(file), "..", "..")
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			return root, nil
		}
	}
	// A binary that was built with -trimpath does not know its source folder.
	return ModuleFolder(ctx, "", modulePath)
}

// ModuleFolder is the folder that holds the source of a module, as the go
// command sees it from the given folder.
func ModuleFolder(ctx context.Context, from, module string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module)
	cmd.Dir = from
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("failed to locate module %s: %w", module, commandError(err))
	}
	folder := strings.TrimSpace(string(out))
	if folder == "" {
		return "", fmt.Errorf("module %s is not in the module cache: run go mod download", module)
	}
	return folder, nil
}

// DownloadedModule is ModuleFolder for a module of which nothing is built, so that a new
// machine has not downloaded it yet.
func DownloadedModule(ctx context.Context, from, module string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", module)
	cmd.Dir = from
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("failed to download module %s: %w: %s", module, err, out)
	}
	return ModuleFolder(ctx, from, module)
}

// commandError adds what a command wrote to its standard error, which
// exec.ExitError carries but does not print.
func commandError(err error) error {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && len(exit.Stderr) > 0 {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
	}
	return err
}
