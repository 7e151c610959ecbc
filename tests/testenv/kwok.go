package testenv

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// KwokVersion is the version of the program that runs pods.
const KwokVersion = "0.8.0"

// Kwok is the name of its binary, which belongs to no version of Kubernetes.
const Kwok = "kwok-" + KwokVersion

// kubeletLabel is on a Node whose kubelet is stopped, with stoppedValue. kwok leaves
// the pods of such a Node alone.
const (
	kubeletLabel = "testenv.five-spot/kubelet"
	stoppedValue = "stopped"
)

// podNetwork is wide enough for the pods of any test. Nothing listens there.
const podNetwork = "10.128.0.0/16"

// stages say what happens to pods, and that nothing happens to Nodes.
//
//go:embed kwok_stages.yaml
var stages []byte

// kwokPath is where kwok's binary is. It need not be among those of the control
// plane: a KUBEBUILDER_ASSETS that others filled does not have it.
func kwokPath(ctx context.Context, log io.Writer) (string, error) {
	folder, err := Binaries(ctx, log, Kwok)
	if err != nil {
		return "", err
	}
	return filepath.Join(folder, Kwok), nil
}

// startKwok starts kwok, which runs the pods of all Nodes.
func (cp *ControlPlane) startKwok() error {
	config := filepath.Join(cp.folder, "stages.yaml")
	if err := os.WriteFile(config, stages, 0o600); err != nil {
		return fmt.Errorf("failed to write the stages of pods: %w", err)
	}
	kubeconfig, err := cp.WriteKubeconfig(cp.Config, "kwok")
	if err != nil {
		return err
	}
	// Without a duration kwok keeps away from the leases, which are the provider's.
	return cp.StartChild(cp.kwok, "--kubeconfig="+kubeconfig, "--config="+config,
		"--manage-nodes-with-label-selector="+kubeletLabel+"!="+stoppedValue,
		"--node-lease-duration-seconds=0", "--cidr="+podNetwork)
}
