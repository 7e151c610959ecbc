package workload

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/workqueue"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/controllers/clustercache"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// ErrNotConnected says that there is no connection to the workload cluster now.
var ErrNotConnected = errors.New("workload cluster is not connected")

const (
	// failedProbes is after how many failed health probes in a row a connection
	// counts as down. clustercache itself gives up later, after five.
	failedProbes = 3

	// probeFailureEvent is how long after the last successful probe the source
	// tells of a failing connection.
	probeFailureEvent = 30 * time.Second
)

// Options are what Clusters needs.
type Options struct {
	// SecretReader reads the kubeconfig Secrets. It should not cache.
	SecretReader client.Reader

	// Wanted tells whether to connect to a cluster.
	Wanted func(cluster *clusterv1.Cluster) bool

	// UserAgent is what audit logs of the workload clusters show.
	UserAgent string

	// QPS and Burst limit the requests to each workload cluster.
	QPS   float32
	Burst int

	// Concurrency is how many clusters are connected to at the same time.
	Concurrency int
}

// Clusters are the workload clusters that can be reached.
type Clusters struct {
	cache    clustercache.ClusterCache
	requests *requests

	// problems is preferringReader's.
	problems *sync.Map
}

// New adds a clustercache to the manager.
func New(ctx context.Context, mgr manager.Manager, opts Options) (*Clusters, error) {
	requests, problems := &requests{}, &sync.Map{}
	cache, err := clustercache.SetupWithManager(ctx, mgr, clustercache.Options{
		SecretClient:  preferringReader{opts.SecretReader, problems},
		ClusterFilter: opts.Wanted,
		Cache: clustercache.CacheOptions{
			DefaultTransform: ctrlcache.TransformStripManagedFields(),
			ByObject:         map[client.Object]ctrlcache.ByObject{&corev1.Node{}: {Transform: slimNode}},
		},
		Client: clustercache.ClientOptions{
			QPS:       opts.QPS,
			Burst:     opts.Burst,
			UserAgent: opts.UserAgent,
			Cache:     clustercache.ClientCacheOptions{DisableFor: []client.Object{&corev1.Pod{}, &corev1.ConfigMap{}, &corev1.Secret{}}},
		},
	}, controller.Options{MaxConcurrentReconciles: max(1, opts.Concurrency), NewQueue: requests.newQueue})
	if err != nil {
		return nil, fmt.Errorf("failed to set up the cluster cache: %w", err)
	}
	return &Clusters{cache: cache, requests: requests, problems: problems}, nil
}

// NewFor wraps an existing clustercache, such as the fake that it ships.
func NewFor(cache clustercache.ClusterCache) *Clusters {
	return &Clusters{cache: cache, requests: &requests{}, problems: &sync.Map{}}
}

// Connect asks for a connection to the cluster, which Source tells of. It does not
// wait, and does nothing where there is a connection.
func (c *Clusters) Connect(cluster client.ObjectKey) { c.requests.add(cluster) }

// Client returns a client for the cluster that reads Nodes from a cache. The error
// is ErrNotConnected when the cluster cannot be reached.
func (c *Clusters) Client(ctx context.Context, cluster client.ObjectKey) (client.Client, error) {
	return c.connected(ctx, cluster, c.cache.GetClient)
}

// UncachedClient returns a client for the cluster that caches nothing. The error is
// ErrNotConnected when the cluster cannot be reached.
func (c *Clusters) UncachedClient(ctx context.Context, cluster client.ObjectKey) (client.Client, error) {
	return c.connected(ctx, cluster, c.cache.GetUncachedClient)
}

// connected returns a client of the cluster unless its API server has stopped to answer.
func (c *Clusters) connected(
	ctx context.Context, cluster client.ObjectKey, get func(ctx context.Context, cluster client.ObjectKey) (client.Client, error),
) (client.Client, error) {
	if c.cache.GetHealthCheckingState(ctx, cluster).ConsecutiveFailures >= failedProbes {
		return nil, ErrNotConnected
	}
	workloadClient, err := get(ctx, cluster)
	if errors.Is(err, clustercache.ErrClusterNotConnected) {
		return nil, ErrNotConnected
	}
	if err != nil {
		return nil, fmt.Errorf("failed to get a client for Cluster %s: %w", cluster, err)
	}
	return workloadClient, nil
}

// Tried is whether it was tried to connect to the cluster, with whatever success.
func (c *Clusters) Tried(ctx context.Context, cluster client.ObjectKey) bool {
	return !c.cache.GetHealthCheckingState(ctx, cluster).LastProbeTime.IsZero()
}

// KubeconfigProblem is why the last attempt to connect to the cluster failed, where that is
// for want of the right to get the Secret with its kubeconfig, which is Forbidden, or
// ErrKubeconfigRefused; nil otherwise.
func (c *Clusters) KubeconfigProblem(cluster client.ObjectKey) error {
	problem, _ := c.problems.Load(cluster)
	err, _ := problem.(error)
	return err
}

// Source tells of clusters that were connected, disconnected or do not answer.
func (c *Clusters) Source(name string, toRequests func(ctx context.Context, cluster client.Object) []ctrl.Request) source.Source {
	told := c.cache.GetClusterSource(name, toRequests, clustercache.WatchForProbeFailure(probeFailureEvent))
	// clustercache waits until each event is taken. Were the source to end with its
	// controller, an event at that moment would keep the manager from stopping.
	return source.Func(func(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		return told.Start(context.WithoutCancel(ctx), queue)
	})
}

// WatchNodes makes the controller reconcile what toRequests maps a Node of the
// cluster to. It is to be called again whenever the cluster may have been connected
// anew; it does nothing while the watch is there.
func (c *Clusters) WatchNodes(
	ctx context.Context,
	cluster client.ObjectKey,
	watcher clustercache.SourceWatcher[reconcile.Request],
	toRequests func(ctx context.Context, node client.Object) []reconcile.Request,
) error {
	err := c.watch(ctx, cluster, clustercache.WatcherOptions{
		Name:         "scheduledmachine-watchNodes",
		Watcher:      watcher,
		Kind:         &corev1.Node{},
		EventHandler: handler.EnqueueRequestsFromMapFunc(toRequests),
		Predicates:   []predicate.TypedPredicate[client.Object]{NodeChanged()},
	})
	if err != nil {
		return err
	}
	return c.fill(ctx, cluster, watcher)
}

// WatchDaemonSets makes the controller reconcile what toRequests maps a DaemonSet of the
// cluster to. See WatchNodes.
func (c *Clusters) WatchDaemonSets(
	ctx context.Context,
	cluster client.ObjectKey,
	watcher clustercache.SourceWatcher[reconcile.Request],
	toRequests func(ctx context.Context, daemonSet client.Object) []reconcile.Request,
) error {
	return c.watch(ctx, cluster, clustercache.WatcherOptions{
		Name:         "reclaimagent-watchDaemonSets",
		Watcher:      watcher,
		Kind:         &appsv1.DaemonSet{},
		EventHandler: handler.EnqueueRequestsFromMapFunc(toRequests),
		Predicates:   []predicate.TypedPredicate[client.Object]{predicate.GenerationChangedPredicate{}},
	})
}

// fill has what a drain reads beside Pods cached before there is one: a step has no time
// to wait until a cache is filled. Nobody is told of changes.
func (c *Clusters) fill(ctx context.Context, cluster client.ObjectKey, watcher clustercache.SourceWatcher[reconcile.Request]) error {
	nobody := predicate.NewPredicateFuncs(func(client.Object) bool { return false })
	for name, kind := range map[string]client.Object{"fillNamespaces": &corev1.Namespace{}, "fillDaemonSets": &appsv1.DaemonSet{}} {
		err := c.watch(ctx, cluster, clustercache.WatcherOptions{
			Name:         "scheduledmachine-" + name,
			Watcher:      watcher,
			Kind:         kind,
			EventHandler: &handler.EnqueueRequestForObject{},
			Predicates:   []predicate.TypedPredicate[client.Object]{nobody},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Clusters) watch(ctx context.Context, cluster client.ObjectKey, opts clustercache.WatcherOptions) error {
	err := c.cache.Watch(ctx, cluster, clustercache.NewWatcher(opts))
	if errors.Is(err, clustercache.ErrClusterNotConnected) {
		return ErrNotConnected
	}
	if err != nil {
		return fmt.Errorf("failed to watch %T in Cluster %s: %w", opts.Kind, cluster, err)
	}
	return nil
}
