package testenv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Options say what a World consists of. The zero value is what most suites want.
type Options struct {
	// Log is for progress, one line at a time; nil discards it.
	Log io.Writer

	// CAPILog is for the log of Cluster API and of the simulated provider; the zero
	// value discards it.
	CAPILog logr.Logger

	// RateLimits lets Cluster API reconcile an object at most once a second, which is
	// its default outside of tests. Everything then takes some seconds longer. It
	// holds for all worlds of the process.
	RateLimits bool

	// Machines is how machines behave for which nothing else is set.
	Machines Behaviour

	// WorkloadControllers adds kube-controller-manager and kube-scheduler to the
	// workload cluster: PodDisruptionBudgets, DaemonSets and Deployments then work.
	// Pods stay Pending: nothing runs them.
	WorkloadControllers bool

	// Kubelets adds kwok to the workload cluster, and with it WorkloadControllers: the
	// pods on the provider's Nodes become Ready at once, or when their readiness probe
	// would look at them first, and stop when their grace period is over. The Nodes
	// remain the provider's alone.
	Kubelets bool

	// ManagementControllers adds them to the management cluster: garbage collection
	// by owner references and the deletion of namespaces then work.
	ManagementControllers bool

	// ManagementKubelets adds kwok to the management cluster, and with it
	// ManagementControllers. It has no Node to run pods on: see ControlPlane.AddNode.
	ManagementKubelets bool

	// AuditLog makes the management API server write an audit log.
	AuditLog bool

	// ManagementArgs are further arguments of the management API server, by flag name
	// without dashes.
	ManagementArgs map[string][]string

	// WithoutClusterAPI leaves Cluster API out: no CRDs, no reconcilers, no
	// provider. StartClusterAPI adds them later.
	WithoutClusterAPI bool

	// WithoutCRDs leaves out this project's CRDs.
	WithoutCRDs bool
}

// World is a management cluster with Cluster API and a workload cluster.
type World struct {
	// Management and Workload are the two control planes.
	Management, Workload *ControlPlane

	// Client and WorkloadClient are administrators without a cache. WorkloadClient
	// does not go through the proxy.
	Client, WorkloadClient client.WithWatch

	// Provider plays the machines.
	Provider *Provider

	// Scheme knows Kubernetes' own types, Cluster API's and ours.
	Scheme *runtime.Scheme

	opts    Options
	manager *runningManager
}

// NewWorld starts a World. ctx bounds the start only. When it fails, nothing is
// left running.
func NewWorld(ctx context.Context, opts Options) (*World, error) {
	if opts.Log == nil {
		opts.Log = io.Discard
	}
	opts.WorkloadControllers = opts.WorkloadControllers || opts.Kubelets
	if opts.CAPILog.GetSink() == nil {
		opts.CAPILog = logr.Discard()
	}
	w := &World{opts: opts, Scheme: NewScheme()}
	if err := w.start(ctx); err != nil {
		return nil, errors.Join(err, w.Stop())
	}
	return w, nil
}

func (w *World) start(ctx context.Context) error {
	if err := w.startControlPlanes(ctx); err != nil {
		return err
	}
	var err error
	if w.Client, err = client.NewWithWatch(w.Management.Config, client.Options{Scheme: w.Scheme}); err != nil {
		return fmt.Errorf("failed to create the management client: %w", err)
	}
	if w.WorkloadClient, err = client.NewWithWatch(w.Workload.Config, client.Options{Scheme: w.Scheme}); err != nil {
		return fmt.Errorf("failed to create the workload client: %w", err)
	}
	if !w.opts.WithoutCRDs {
		fmt.Fprintln(w.opts.Log, "Installing the CRDs of 5-Spot")
		if err := InstallCRDs(ctx, w.Management.Config); err != nil {
			return err
		}
	}
	if w.opts.WithoutClusterAPI {
		return nil
	}
	return w.StartClusterAPI(ctx)
}

// startControlPlanes starts both at once: most of the time they wait.
func (w *World) startControlPlanes(ctx context.Context) error {
	// Both would wait for the same build; one after the other shows its progress.
	if _, err := Binaries(ctx, w.opts.Log); err != nil {
		return err
	}
	fmt.Fprintln(w.opts.Log, "Starting the management and the workload control plane")
	var group sync.WaitGroup
	var managementErr, workloadErr error
	group.Go(func() {
		w.Management, managementErr = Start(ctx, ControlPlaneOptions{
			Name: "management", Log: w.opts.Log, AuditLog: w.opts.AuditLog, Controllers: w.opts.ManagementControllers,
			Kubelets: w.opts.ManagementKubelets, ExtraArgs: w.opts.ManagementArgs,
		})
	})
	group.Go(func() {
		w.Workload, workloadErr = Start(ctx, ControlPlaneOptions{
			Name: "workload", Log: w.opts.Log, Controllers: w.opts.WorkloadControllers, Kubelets: w.opts.Kubelets,
		})
	})
	group.Wait()
	return errors.Join(managementErr, workloadErr)
}

// StartClusterAPI installs Cluster API's CRDs and starts its reconcilers and the
// simulated provider. NewWorld has done so unless WithoutClusterAPI was set.
func (w *World) StartClusterAPI(ctx context.Context) error {
	fmt.Fprintln(w.opts.Log, "Installing Cluster API and a simulated provider of machines")
	if err := InstallClusterAPICRDs(ctx, w.Management.Config); err != nil {
		return err
	}
	mgr, err := newCAPIManager(ctx, w.Management.Config, w.opts.CAPILog, w.opts.RateLimits)
	if err != nil {
		return err
	}
	w.Provider = &Provider{
		clock:      clock.RealClock{},
		client:     mgr.GetClient(),
		access:     w.Workload.ProxyConfig,
		behaviours: newBehaviours(w.opts.Machines),
		workload:   newKubelets(clock.RealClock{}, w.WorkloadClient, w.opts.WorkloadControllers),
	}
	if err := w.Provider.setupWithManager(mgr); err != nil {
		return err
	}
	w.manager, err = startManager(ctx, mgr)
	return err
}

// Config is an administrator's access to the management cluster.
func (w *World) Config() *rest.Config { return rest.CopyConfig(w.Management.Config) }

// Stop ends everything. It may be called more than once.
func (w *World) Stop() error {
	errs := []error{w.manager.stop()}
	w.manager = nil
	var group sync.WaitGroup
	results := make([]error, 2)
	for i, cp := range []*ControlPlane{w.Management, w.Workload} {
		if cp != nil {
			group.Go(func() { results[i] = cp.Stop() })
		}
	}
	group.Wait()
	return errors.Join(append(errs, results...)...)
}
