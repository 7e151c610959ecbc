package testenv

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/controllers/clustercache"
	"sigs.k8s.io/cluster-api/core/reconcilers/cluster"
	"sigs.k8s.io/cluster-api/core/reconcilers/machine"
	"sigs.k8s.io/cluster-api/core/setup"
	"sigs.k8s.io/cluster-api/feature"
	"sigs.k8s.io/cluster-api/util/index"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/finos/five-spot/api/v1alpha1"
)

// clusterAPIModule is the module that the CRDs and the reconcilers come from.
const clusterAPIModule = "sigs.k8s.io/cluster-api"

// managers counts the managers of this process: Cluster API insists that each has
// a name of its own.
var managers atomic.Int32

// NewScheme is a scheme with Kubernetes' own types, CRDs, Cluster API v1beta2 and
// ours.
func NewScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, clusterv1.AddToScheme, v1alpha1.AddToScheme,
	} {
		utilruntime.Must(add(scheme))
	}
	return scheme
}

// InstallCRDs installs this project's CRDs and waits until they are served.
func InstallCRDs(ctx context.Context, config *rest.Config) error {
	root, err := SourceRoot(ctx)
	if err != nil {
		return err
	}
	return installCRDs(config, filepath.Join(root, "config", "crd", "bases"))
}

// InstallClusterAPICRDs installs the CRDs of Cluster API and of the simulated
// provider and waits until they are served.
func InstallClusterAPICRDs(ctx context.Context, config *rest.Config) error {
	root, err := SourceRoot(ctx)
	if err != nil {
		return err
	}
	module, err := ModuleFolder(ctx, root, clusterAPIModule)
	if err != nil {
		return err
	}
	return installCRDs(config,
		filepath.Join(module, "core", "config", "crd", "bases"),
		filepath.Join(root, "tests", "testenv", "crds"))
}

func installCRDs(config *rest.Config, folders ...string) error {
	_, err := envtest.InstallCRDs(config, envtest.CRDInstallOptions{
		Paths:              folders,
		ErrorIfPathMissing: true,
		MaxTime:            time.Minute,
		PollInterval:       50 * time.Millisecond,
	})
	if err != nil {
		return fmt.Errorf("failed to install CRDs: %w", err)
	}
	return nil
}

// runningManager is a manager that was started, with what it takes to stop it.
type runningManager struct {
	cancel context.CancelFunc
	done   chan error
}

// startManager starts the manager and returns when its caches are synced.
func startManager(ctx context.Context, mgr ctrl.Manager) (*runningManager, error) {
	running, cancel := context.WithCancel(context.Background())
	m := &runningManager{cancel: cancel, done: make(chan error, 1)}
	go func() { m.done <- mgr.Start(running) }()
	select {
	case <-mgr.Elected():
	case err := <-m.done:
		cancel()
		return nil, fmt.Errorf("failed to start the manager of Cluster API: %w", err)
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("failed to start the manager of Cluster API: %w", ctx.Err()), m.stop())
	}
	return m, nil
}

func (m *runningManager) stop() error {
	if m == nil {
		return nil
	}
	m.cancel()
	if err := <-m.done; err != nil {
		return fmt.Errorf("failed to stop the manager of Cluster API: %w", err)
	}
	return nil
}

// newCAPIManager is a manager with Cluster API's real Cluster and Machine
// reconcilers, wired as its own binary does.
func newCAPIManager(ctx context.Context, restConfig *rest.Config, log logr.Logger, rateLimits bool) (ctrl.Manager, error) {
	gates := map[string]bool{string(feature.ReconcilerRateLimiting): rateLimits}
	if err := feature.MutableGates.SetFromMap(gates); err != nil {
		return nil, fmt.Errorf("failed to set the feature gates of Cluster API: %w", err)
	}
	name := fmt.Sprintf("five-spot-testenv-capi-%d", managers.Add(1))
	scheme := NewScheme()
	mgr, err := ctrl.NewManager(restConfig, ctrl.Options{
		Scheme:  scheme,
		Logger:  log,
		Metrics: metricsserver.Options{BindAddress: "0"},
		Cache:   setup.ManagerCacheOptions(scheme, name, "", 10*time.Minute),
		Client:  setup.ManagerClientOptions(),
		Controller: config.Controller{
			// A process may start several worlds, one after the other or at once.
			SkipNameValidation: new(true),
			Logger:             log,
		},
		GracefulShutdownTimeout: new(5 * time.Second),
	})
	if err != nil {
		return nil, fmt.Errorf("failed to create the manager of Cluster API: %w", err)
	}
	ctx = ctrl.LoggerInto(ctx, log)
	if err := index.AddDefaultIndexes(ctx, mgr); err != nil {
		return nil, fmt.Errorf("failed to index for Cluster API: %w", err)
	}
	return mgr, addCAPIReconcilers(ctx, mgr, name)
}

func addCAPIReconcilers(ctx context.Context, mgr ctrl.Manager, name string) error {
	secrets, err := setup.CreateSecretCachingClient(mgr)
	if err != nil {
		return fmt.Errorf("failed to create the Secret client of Cluster API: %w", err)
	}
	options := controller.Options{MaxConcurrentReconciles: 10}
	clusters, err := clustercache.SetupWithManager(ctx, mgr, clustercache.Options{
		SecretClient: secrets,
		Cache:        setup.ClusterCacheCacheOptions(),
		Client:       setup.ClusterCacheClientOptions(name, 200, 400),
	}, options)
	if err != nil {
		return fmt.Errorf("failed to set up the cluster cache: %w", err)
	}
	if err := (&cluster.Reconciler{
		Client:                      mgr.GetClient(),
		APIReader:                   mgr.GetAPIReader(),
		ClusterCache:                clusters,
		RemoteConnectionGracePeriod: 50 * time.Second,
	}).SetupWithManager(ctx, mgr, options); err != nil {
		return fmt.Errorf("failed to set up the Cluster reconciler: %w", err)
	}
	if err := (&machine.Reconciler{
		Client:                      mgr.GetClient(),
		APIReader:                   mgr.GetAPIReader(),
		ClusterCache:                clusters,
		RemoteConditionsGracePeriod: 5 * time.Minute,
	}).SetupWithManager(ctx, mgr, options); err != nil {
		return fmt.Errorf("failed to set up the Machine reconciler: %w", err)
	}
	return nil
}
