package testenv

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// KubernetesVersion is the version of the control planes.
const KubernetesVersion = "1.36.3"

// Names of the binaries that Binaries can provide.
const (
	Etcd                  = "etcd"
	KubeAPIServer         = "kube-apiserver"
	Kubectl               = "kubectl"
	KubeControllerManager = "kube-controller-manager"
	KubeScheduler         = "kube-scheduler"
	Kubelet               = "kubelet"
)

// downloadTimeout bounds the attempt to download: without a network the build
// from source should begin soon.
const downloadTimeout = 30 * time.Second

// Binaries returns a folder that holds the named control-plane binaries; without
// names, etcd, kube-apiserver and kubectl. It looks into KUBEBUILDER_ASSETS, then
// into setup-envtest's store; what is missing there it downloads with
// setup-envtest, or builds from source into that store. Building takes up to ten
// minutes once per machine; progress is written to log, one line at a time.
//
// It fails when a name is unknown, when a build fails, or when ctx ends.
func Binaries(ctx context.Context, log io.Writer, names ...string) (string, error) {
	if len(names) == 0 {
		names = []string{Etcd, KubeAPIServer, Kubectl}
	}
	for _, name := range names {
		if _, known := packages[name]; !known {
			return "", fmt.Errorf("failed to provide %q: not a binary of the control plane", name)
		}
	}
	if assets := os.Getenv("KUBEBUILDER_ASSETS"); assets != "" {
		lacking := missing(assets, names)
		if len(lacking) == 0 {
			return assets, nil
		}
		fmt.Fprintf(log, "KUBEBUILDER_ASSETS=%s lacks %s; using the store of setup-envtest\n", assets, strings.Join(lacking, ", "))
	}
	store, err := storeFolder()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(store, "k8s", fmt.Sprintf("%s-linux-%s", KubernetesVersion, runtime.GOARCH))
	if len(missing(folder, names)) == 0 {
		return folder, nil
	}
	return folder, provide(ctx, log, store, folder, names)
}

// provide fills the store. Only one process at a time does; the others wait for
// it and then find what it left.
func provide(ctx context.Context, log io.Writer, store, folder string, names []string) error {
	unlock, err := lockStore(ctx, log, store)
	if err != nil {
		return err
	}
	defer unlock()

	if lacking := missing(folder, names); downloadable(lacking) {
		if err := download(ctx, log, store); err != nil {
			fmt.Fprintf(log, "No download of control-plane binaries (%v); building from source instead\n", err)
		}
	}
	for _, name := range missing(folder, names) {
		if err := build(ctx, log, folder, name); err != nil {
			return err
		}
	}
	return nil
}

// storeFolder is where setup-envtest keeps its binaries.
func storeFolder() (string, error) {
	data := os.Getenv("XDG_DATA_HOME")
	if data == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("failed to find a folder for the control-plane binaries: %w", err)
		}
		data = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(data, "kubebuilder-envtest"), nil
}

// missing are the names without an executable file in the folder.
func missing(folder string, names []string) []string {
	var lacking []string
	for _, name := range names {
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			lacking = append(lacking, name)
		}
	}
	return lacking
}
