package testenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// progressInterval is how often a running build shows that it is alive.
const progressInterval = 15 * time.Second

// origin is where a binary is built from.
type origin struct {
	// module is the folder, below this package, of the module that pins the
	// versions.
	module string
	// pkg is the main package.
	pkg string
	// minutes is how long a build takes on two slow cores, for the progress line.
	minutes int
}

var packages = map[string]origin{
	Etcd:                  {"etcd", "go.etcd.io/etcd/server/v3", 1},
	KubeAPIServer:         {"controlplane", "k8s.io/kubernetes/cmd/kube-apiserver", 8},
	Kubectl:               {"controlplane", "k8s.io/kubernetes/cmd/kubectl", 2},
	KubeControllerManager: {"controlplane", "k8s.io/kubernetes/cmd/kube-controller-manager", 2},
	KubeScheduler:         {"controlplane", "k8s.io/kubernetes/cmd/kube-scheduler", 1},
	Kubelet:               {"controlplane", "k8s.io/kubernetes/cmd/kubelet", 3},
	Kwok:                  {"kwok", "sigs.k8s.io/kwok/cmd/kwok", 2},
}

// build compiles one binary into the folder. It appears under its name only when
// it is complete, so that an interrupted build leaves nothing that looks usable.
func build(ctx context.Context, log io.Writer, folder, name string) error {
	root, err := SourceRoot(ctx)
	if err != nil {
		return err
	}
	from := packages[name]
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("failed to create the store: %w", err)
	}
	fmt.Fprintf(log, "Building %s from source, once for this machine; this can take %d minute(s)\n", name, from.minutes)

	unfinished := filepath.Join(folder, "."+name+".building")
	defer os.Remove(unfinished)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", linkerFlags(), "-o", unfinished, from.pkg)
	cmd.Dir = filepath.Join(root, "tests", "testenv", from.module)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	started := time.Now()
	if err := runWithProgress(cmd, log, "  still building "+name); err != nil {
		return fmt.Errorf("failed to build %s: %w", name, err)
	}
	if err := os.Rename(unfinished, filepath.Join(folder, name)); err != nil {
		return fmt.Errorf("failed to put %s into the store: %w", name, err)
	}
	fmt.Fprintf(log, "Built %s in %s\n", name, time.Since(started).Round(time.Second))
	return nil
}

// linkerFlags give the binaries the version that they report. A control plane
// without one would answer v0.0.0 and be taken for an ancient one.
func linkerFlags() string {
	version := strings.SplitN(KubernetesVersion, ".", 3)
	flags := []string{"-s", "-w"}
	for _, variable := range [][2]string{
		{"gitVersion", "v" + KubernetesVersion},
		{"gitMajor", version[0]},
		{"gitMinor", version[1]},
		{"gitTreeState", "clean"},
		{"gitCommit", "0000000000000000000000000000000000000000"},
		{"buildDate", "1970-01-01T00:00:00Z"},
	} {
		flags = append(flags, fmt.Sprintf("-X k8s.io/component-base/version.%s=%s", variable[0], variable[1]))
	}
	return strings.Join(flags, " ")
}

// runWithProgress runs the command and writes a line now and then while it does.
// What the command prints becomes part of the error.
func runWithProgress(cmd *exec.Cmd, log io.Writer, line string) error {
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	ticker := time.NewTicker(progressInterval)
	defer ticker.Stop()
	started := time.Now()
	for {
		select {
		case err := <-done:
			if err != nil {
				return fmt.Errorf("%w: %s", err, strings.TrimSpace(output.String()))
			}
			return nil
		case <-ticker.C:
			fmt.Fprintf(log, "%s (%s)\n", line, time.Since(started).Round(time.Second))
		}
	}
}

// lockStore keeps other processes out of the store until unlock is called or this
// process ends. It creates the store but not the folder of the version: to
// setup-envtest that folder means that the version is installed.
func lockStore(ctx context.Context, log io.Writer, store string) (unlock func(), err error) {
	if err := os.MkdirAll(store, 0o755); err != nil {
		return nil, fmt.Errorf("failed to create the store: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(store, ".five-spot.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("failed to lock the store: %w", err)
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for attempt := 0; ; attempt++ {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("failed to lock the store: %w", err), file.Close())
		}
		if attempt%15 == 0 {
			fmt.Fprintf(log, "Waiting for another process that provides control-plane binaries in %s\n", store)
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("failed to lock the store: %w", ctx.Err()), file.Close())
		case <-ticker.C:
		}
	}
}
