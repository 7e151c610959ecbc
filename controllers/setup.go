// Package controllers wires the manager: it is the one place that knows every room.
package controllers

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/controllers/clusterapi"
	"github.com/finos/five-spot/controllers/scheduledmachine"
	"github.com/finos/five-spot/pkg/drain"
	"github.com/finos/five-spot/pkg/lifecycle"
	"github.com/finos/five-spot/pkg/machine"
	"github.com/finos/five-spot/pkg/metrics"
	"github.com/finos/five-spot/pkg/sharding"
	"github.com/finos/five-spot/pkg/workload"
)

var errNotLeading = errors.New("this replica does not lead")

// userAgent is what audit logs show.
const userAgent = "five-spot"

// NewScheme returns a scheme with every type that the manager reads or writes.
func NewScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	err := errors.Join(
		clientgoscheme.AddToScheme(scheme),
		apiextensionsv1.AddToScheme(scheme),
		clusterv1.AddToScheme(scheme),
		v1alpha1.AddToScheme(scheme),
	)
	if err != nil {
		return nil, fmt.Errorf("failed to build the scheme: %w", err)
	}
	return scheme, nil
}

// NewManager returns a manager with every controller, ready to start.
func NewManager(ctx context.Context, restConfig *rest.Config, opts Options, version string) (ctrl.Manager, error) {
	restConfig = rest.AddUserAgent(rest.CopyConfig(restConfig), userAgent)
	restConfig.QPS, restConfig.Burst = opts.KubeAPIQPS, opts.KubeAPIBurst
	restConfig.WarningHandlerWithContext = machine.QuietAboutSecrets(ctrllog.NewKubeAPIWarningLogger(ctrllog.KubeAPIWarningLoggerOptions{}))
	if err := requireCRDs(restConfig); err != nil {
		return nil, err
	}
	scheme, err := NewScheme()
	if err != nil {
		return nil, err
	}
	mgr, err := ctrl.NewManager(restConfig, managerOptions(ctx, scheme, opts))
	if err != nil {
		return nil, fmt.Errorf("failed to create the manager: %w", err)
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("failed to add the liveness check: %w", err)
	}
	if err := mgr.AddReadyzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("failed to add the readiness check: %w", err)
	}
	return mgr, addControllers(ctx, mgr, opts, version)
}

func managerOptions(ctx context.Context, scheme *runtime.Scheme, opts Options) ctrl.Options {
	return ctrl.Options{
		Scheme:                 scheme,
		Cache:                  cacheOptions(),
		NewCache:               newCache,
		Client:                 client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}}}},
		Metrics:                metricsOptions(ctx, opts),
		HealthProbeBindAddress: bindAddress(opts.HealthPort),
		// Names are unique by construction; a test runs several managers in one process.
		Controller:                    config.Controller{SkipNameValidation: new(true)},
		LeaderElection:                opts.LeaderElection,
		LeaderElectionID:              leaseName(opts),
		LeaderElectionNamespace:       opts.LeaseNamespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &opts.LeaseDuration,
		RenewDeadline:                 &opts.LeaseRenewDeadline,
		RetryPeriod:                   &opts.LeaseRetryPeriod,
	}
}

// leaseName is the Lease of this instance: the replicas of one instance compete for
// it, other instances do not.
func leaseName(opts Options) string {
	if opts.InstanceCount == 1 {
		return opts.LeaseName
	}
	return opts.LeaseName + "-" + strconv.Itoa(opts.InstanceID)
}

// cacheOptions holds in memory only what is needed: our own objects, Machines, Clusters, and
// the one CRD that tells whether Cluster API is there.
func cacheOptions() cache.Options {
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			// managedFields tell who threw a kill switch.
			&v1alpha1.ScheduledMachine{}: {Transform: func(obj any) (any, error) { return obj, nil }},
			&clusterv1.Machine{}:         {Transform: slimMachine},
			&apiextensionsv1.CustomResourceDefinition{}: {
				Field: fields.OneTermEqualSelector(metav1.ObjectNameField, clusterapi.MachineCRD),
			},
		},
	}
}

// slimMachine keeps of somebody else's Machine only that it exists, which host it is and
// which Node it names: a Node that two Machines of one host name is not touched.
func slimMachine(obj any) (any, error) {
	live, ok := obj.(*clusterv1.Machine)
	if !ok {
		return obj, nil
	}
	live.ManagedFields = nil
	if live.Labels[v1alpha1.ScheduledMachineLabel] != "" {
		return live, nil
	}
	return &clusterv1.Machine{
		TypeMeta: live.TypeMeta,
		ObjectMeta: metav1.ObjectMeta{
			Namespace: live.Namespace, Name: live.Name, UID: live.UID, ResourceVersion: live.ResourceVersion,
		},
		Spec:   clusterv1.MachineSpec{ClusterName: live.Spec.ClusterName, ProviderID: live.Spec.ProviderID},
		Status: clusterv1.MachineStatus{NodeRef: live.Status.NodeRef},
	}, nil
}

func addControllers(ctx context.Context, mgr ctrl.Manager, opts Options, version string) error {
	telemetry := metrics.New(opts.Registry)
	telemetry.SetControllerInfo(version, strconv.Itoa(opts.InstanceID))
	if err := mgr.Add(leadership(telemetry)); err != nil {
		return fmt.Errorf("failed to add the leadership metric: %w", err)
	}

	shard, err := sharding.New(opts.InstanceID, opts.InstanceCount)
	if err != nil {
		return err
	}
	gate := clusterapi.NewGate(mgr.GetClient())
	agent := newReclaimAgent(mgr, opts, version)
	reconciler := scheduledmachine.New(scheduledmachine.Options{
		Agents:       agent.arms,
		Installation: agent.installation,
		NoAgentImage: agent.noImage,
		Clock:        opts.Clock,
		Client:       mgr.GetClient(),
		Live:         mgr.GetAPIReader(),
		Machines:     machine.NewObjects(mgr.GetClient(), mgr.GetAPIReader(), mgr.GetRESTMapper()),
		CAPI:         gate,
		Recorder:     mgr.GetEventRecorder("five-spot"),
		Metrics:      telemetry,
		Drainer: drain.New(opts.Clock, drain.Options{
			Management:   mgr.GetClient(),
			MarkKey:      v1alpha1.CordonedByAnnotation,
			FieldManager: v1alpha1.FieldManager,
		}),
		Version: fmt.Sprintf("%.128s", version), // The CRD takes no more.
		Shard:   shard,
		Settings: lifecycle.Settings{
			FinalizerTimeout: opts.FinalizerTimeout,
			ForceFinalizer:   opts.ForceFinalizerOnTimeout,
			JoinTimeout:      opts.JoinTimeout,
		},
		Validation:  opts.validation(),
		MaxOverride: opts.Admission.MaxOverride,
	})
	if err := reconciler.SetupWithManager(ctx, mgr, opts.Concurrency); err != nil {
		return err
	}
	if err := agent.setup(mgr); err != nil {
		return err
	}
	if err := errors.Join(setupAdmissionPolicy(mgr, opts, version, telemetry), setupOperands(mgr, opts, version)); err != nil {
		return err
	}
	opts.Registry.MustRegister(metrics.NewMachines(whileLeading(mgr, reconciler.Phases)))

	connect := kept(func(ctx context.Context) (*workload.Clusters, error) {
		return workload.New(ctx, mgr, workload.Options{
			SecretReader: mgr.GetAPIReader(),
			Wanted:       agent.orWanted(reconciler.WantsCluster), //nolint:contextcheck // clustercache gives it none.
			UserAgent:    userAgent,
			QPS:          opts.KubeAPIQPS,
			Burst:        opts.KubeAPIBurst,
			Concurrency:  opts.Concurrency,
		})
	})
	start := func(ctx context.Context) error {
		workloads, err := connect(ctx)
		if err != nil {
			return err
		}
		if err := reconciler.WatchClusterAPI(ctx, mgr.GetCache(), workloads); err != nil {
			return err
		}
		return agent.watch(workloads)
	}
	return gate.SetupWithManager(mgr, start, announceClusterAPI(mgr, opts, telemetry, reconciler.ReconcileAll))
}

// whileLeading lists only where this replica leads, so that a sum over all replicas
// counts every object once.
func whileLeading(mgr ctrl.Manager, list func() (iter.Seq[v1alpha1.Phase], error)) func() (iter.Seq[v1alpha1.Phase], error) {
	return func() (iter.Seq[v1alpha1.Phase], error) {
		select {
		case <-mgr.Elected():
			return list()
		default:
			return nil, errNotLeading
		}
	}
}

// kept makes a value when it is first asked for, again until that succeeds, and then
// never again. What is added to a manager cannot be taken away: made anew for each
// attempt of something larger, it would run many times over.
func kept[T any](produce func(ctx context.Context) (T, error)) func(ctx context.Context) (T, error) {
	var value T
	made := false
	return func(ctx context.Context) (T, error) {
		if made {
			return value, nil
		}
		var err error
		value, err = produce(ctx)
		made = err == nil
		return value, err
	}
}
