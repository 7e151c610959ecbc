package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

const (
	samplesFolder     = "config/samples"
	workstationSample = samplesFolder + "/5spot_v1alpha1_scheduledmachine_workstation.yaml"
	calendarSample    = samplesFolder + "/5spot_v1alpha1_machinecalendar.yaml"
)

// sample is what has to be known of the ScheduledMachine that is watched.
type sample struct {
	namespace, name, cluster string
}

func readSample(path string) (sample, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return sample{}, fmt.Errorf("failed to read the sample: %w", err)
	}
	object := v1alpha1.ScheduledMachine{}
	if err := yaml.UnmarshalStrict(content, &object); err != nil {
		return sample{}, fmt.Errorf("failed to read the sample %s: %w", filepath.Base(path), err)
	}
	return sample{namespace: object.Namespace, name: object.Name, cluster: object.Spec.ClusterName}, nil
}

// applySamples applies the samples as a user would, with kubectl.
func applySamples(ctx context.Context, out io.Writer, world *testenv.World, root string) error {
	kubeconfig, err := world.Management.WriteKubeconfig(world.Management.Config, "samples")
	if err != nil {
		return err
	}
	for _, path := range []string{calendarSample, workstationSample} {
		fmt.Fprintf(out, "$ kubectl apply -f %s\n", path)
		apply := exec.CommandContext(ctx, world.Management.Kubectl(), "--kubeconfig", kubeconfig, "apply", "-f", path)
		apply.Dir = root
		output, err := apply.CombinedOutput()
		if err != nil {
			return fmt.Errorf("failed to apply %s: %w: %s", path, err, output)
		}
		fmt.Fprintf(out, "  %s\n", strings.TrimSpace(string(output)))
	}
	return nil
}
