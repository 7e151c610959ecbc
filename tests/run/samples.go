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

	// workloadSample is a folder for the workload cluster.
	workloadSample = samplesFolder + "/workload"
)

// sample is what has to be known of the ScheduledMachine that is watched.
type sample struct {
	namespace, name, cluster string
}

func readSample(path string) (sample, error) {
	object := v1alpha1.ScheduledMachine{}
	if err := readManifest(path, &object); err != nil {
		return sample{}, err
	}
	return sample{namespace: object.Namespace, name: object.Name, cluster: object.Spec.ClusterName}, nil
}

func readManifest(path string, into any) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("failed to read the sample: %w", err)
	}
	if err := yaml.UnmarshalStrict(content, into); err != nil {
		return fmt.Errorf("failed to read the sample %s: %w", filepath.Base(path), err)
	}
	return nil
}

// applySamples applies the samples as a user would, with kubectl, each to the cluster
// that it is for.
func applySamples(ctx context.Context, out io.Writer, world *testenv.World, root string) error {
	for _, step := range []struct {
		cluster *testenv.ControlPlane
		args    string
	}{
		{world.Workload, "--context workload apply -k " + workloadSample},
		{world.Management, "--context management apply -f " + calendarSample},
		{world.Management, "--context management apply -f " + workstationSample},
	} {
		if err := kubectl(ctx, out, step.cluster, root, step.args); err != nil {
			return err
		}
	}
	return nil
}

// kubectl runs kubectl as the administrator of a cluster.
func kubectl(ctx context.Context, out io.Writer, cluster *testenv.ControlPlane, root, args string) error {
	kubeconfig, err := cluster.WriteKubeconfig(cluster.Config, "samples")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "$ kubectl %s\n", args)
	command := exec.CommandContext(ctx, cluster.Kubectl(), append([]string{"--kubeconfig", kubeconfig}, strings.Fields(args)...)...)
	command.Dir = root
	output, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("failed to run kubectl %s: %w: %s", args, err, output)
	}
	for line := range strings.Lines(string(output)) {
		fmt.Fprintf(out, "  %s\n", strings.TrimSpace(line))
	}
	return nil
}
