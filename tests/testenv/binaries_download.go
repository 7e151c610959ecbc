package testenv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

var errNoSetupEnvtest = errors.New("no bin/setup-envtest/<version>/setup-envtest")

// downloadable is whether setup-envtest's archives hold something that is
// lacking.
func downloadable(lacking []string) bool {
	return slices.ContainsFunc(lacking, func(name string) bool {
		return name == Etcd || name == KubeAPIServer || name == Kubectl
	})
}

// download lets setup-envtest fill the store. It fails when the tool was not
// built, and soon when its index cannot be reached.
func download(ctx context.Context, log io.Writer, store string) error {
	tool, err := setupEnvtest(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, downloadTimeout)
	defer cancel()
	fmt.Fprintf(log, "Asking setup-envtest for control-plane binaries %s\n", KubernetesVersion)
	cmd := exec.CommandContext(ctx, tool, "use", KubernetesVersion,
		"--os", "linux", "--arch", runtime.GOARCH, "--bin-dir", store, "--print", "path")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("failed to run setup-envtest: %w: %s", err, firstLine(string(out)))
	}
	return nil
}

func setupEnvtest(ctx context.Context) (string, error) {
	root, err := SourceRoot(ctx)
	if err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(root, "bin", "setup-envtest", "*", "setup-envtest"))
	if err != nil {
		return "", fmt.Errorf("failed to look for setup-envtest: %w", err)
	}
	for _, path := range slices.Backward(found) {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	return "", errNoSetupEnvtest
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
