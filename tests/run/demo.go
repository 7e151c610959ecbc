package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/finos/five-spot/tests/testenv"
)

// Real hardware takes minutes to join; these delays only let the steps be seen.
const (
	provisioningDelay = 4 * time.Second
	removalDelay      = 3 * time.Second
)

// demo is everything that was started.
type demo struct {
	out     io.Writer
	folder  string // logs and the manager's binary
	world   *testenv.World
	manager *manager

	workload *appsv1.Deployment
}

// run is the whole program. Whatever happens, nothing is left running.
func run(ctx context.Context, out io.Writer, opts options) (err error) {
	d := &demo{out: out}
	if d.folder, err = os.MkdirTemp("", "five-spot-run-"); err != nil {
		return fmt.Errorf("failed to create a folder for logs: %w", err)
	}
	defer func() { err = errors.Join(err, d.stop(err == nil)) }()

	object, err := d.start(ctx, opts.operator)
	if err != nil {
		return unlessInterrupted(ctx, out, err)
	}
	if !opts.once {
		d.printHowToLookAround(object)
		return d.follow(ctx, object, nil)
	}
	watchCtx, cancel := context.WithTimeout(ctx, opts.deadline)
	defer cancel()
	progress := newCycle(*d.workload.Spec.Replicas)
	if err := d.follow(watchCtx, object, progress); err != nil {
		return err
	}
	return d.verdict(ctx, progress, opts.deadline)
}

// start brings everything up to the point at which there is something to watch.
func (d *demo) start(ctx context.Context, operator string) (sample, error) {
	if err := d.redirectLogs(); err != nil {
		return sample{}, err
	}
	root, err := testenv.SourceRoot(ctx)
	if err != nil {
		return sample{}, err
	}
	object, err := readSample(filepath.Join(root, workstationSample))
	if err != nil {
		return sample{}, err
	}
	if d.workload, err = readWorkload(root); err != nil {
		return sample{}, err
	}
	if err := d.startWorld(ctx, object); err != nil {
		return sample{}, err
	}
	if err := d.startOperator(ctx, root, operator); err != nil {
		return sample{}, err
	}
	return object, applySamples(ctx, d.out, d.world, root)
}

// startWorld starts everything but the operator.
func (d *demo) startWorld(ctx context.Context, object sample) (err error) {
	d.world, err = testenv.NewWorld(ctx, testenv.Options{
		Log:        d.out,
		CAPILog:    ctrl.Log,
		RateLimits: true,
		Kubelets:   true,
		Machines:   testenv.Behaviour{ProvisioningDelay: provisioningDelay, RemovalDelay: removalDelay},
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "Creating the Cluster %s/%s and a Node %s that stays\n", object.namespace, object.cluster, neighbour)
	if _, err := d.world.CreateCluster(ctx, object.namespace, object.cluster); err != nil {
		return err
	}
	return addNeighbour(ctx, d.world, d.workload)
}

func (d *demo) startOperator(ctx context.Context, root, operator string) (err error) {
	if operator == "" {
		fmt.Fprintln(d.out, "Building the operator")
		operator = filepath.Join(d.folder, "five-spot")
		if err := buildOperator(ctx, root, operator); err != nil {
			return err
		}
	}
	d.manager, err = startManager(ctx, d.out, d.world, operator, d.folder)
	return err
}

// redirectLogs sends what Cluster API logs to a file, so that the timeline stays
// readable.
func (d *demo) redirectLogs() error {
	file, err := os.Create(filepath.Join(d.folder, "cluster-api.log"))
	if err != nil {
		return fmt.Errorf("failed to create a log file: %w", err)
	}
	log := zap.New(zap.WriteTo(file), zap.UseDevMode(true))
	ctrl.SetLogger(log)
	klog.SetLogger(log)
	fmt.Fprintf(d.out, "Cluster API logs to %s\n", file.Name())
	return nil
}

func (d *demo) printHowToLookAround(object sample) {
	management, managementErr := d.world.Management.WriteKubeconfig(d.world.Management.Config, "admin")
	workload, workloadErr := d.world.Workload.WriteKubeconfig(d.world.Workload.Config, "admin")
	if err := errors.Join(managementErr, workloadErr); err != nil {
		fmt.Fprintln(d.out, err)
		return
	}
	kubectl := d.world.Management.Kubectl()
	fmt.Fprintf(d.out, `
Look around in another terminal, until Ctrl-C here:
  export KUBECONFIG=%s   # the management cluster
  %s -n %s get scheduledmachines,machines
  export KUBECONFIG=%s   # the workload cluster
  %s get nodes
  %s -n %s get pods,poddisruptionbudgets -o wide

`, management, kubectl, object.namespace, workload, kubectl, kubectl, d.workload.Namespace)
}

// verdict says whether the whole cycle was seen.
func (d *demo) verdict(ctx context.Context, progress *cycle, deadline time.Duration) error {
	fmt.Fprintf(d.out, "\n%s", progress)
	if progress.complete() {
		fmt.Fprintln(d.out, "One full cycle was seen.")
		return nil
	}
	if ctx.Err() != nil {
		return errors.New("interrupted before one full cycle was seen")
	}
	if progress.failed {
		return errors.New("the cycle ended before all of it was seen")
	}
	return fmt.Errorf("one full cycle was not seen within %s", deadline)
}

// stop ends the manager before the clusters that it talks to. The logs stay when
// something went wrong.
func (d *demo) stop(success bool) error {
	fmt.Fprintln(d.out, "Stopping")
	var errs []error
	if d.manager != nil {
		errs = append(errs, d.manager.stop())
	}
	if d.world != nil {
		errs = append(errs, d.world.Stop())
	}
	if err := errors.Join(errs...); err != nil || !success {
		fmt.Fprintf(d.out, "The logs are in %s\n", d.folder)
		return err
	}
	if err := os.RemoveAll(d.folder); err != nil {
		return fmt.Errorf("failed to remove the logs: %w", err)
	}
	return nil
}

// unlessInterrupted is err, or nothing when the user asked for the end.
func unlessInterrupted(ctx context.Context, out io.Writer, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		fmt.Fprintln(out, "Interrupted before everything was up")
		return errors.New("interrupted")
	}
	return err
}
