// Package reclaimagent keeps the reclaim agent installed in every workload cluster that
// has a machine with killIfCommands, and takes it out of the others. The first instance
// alone does so, for the machines of all. What the agent looks for on one Node is told
// by whoever reconciles that Node's machine.
package reclaimagent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/controllers/clustercache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/controllers/fairqueue"
	"github.com/finos/five-spot/controllers/scheduledmachine"
	"github.com/finos/five-spot/pkg/reclaim/provision"
	"github.com/finos/five-spot/pkg/workload"
)

const (
	controllerName = "reclaimagent"

	// checkAfter is when to compare what is installed with what should be; only of the
	// DaemonSet does a watch tell. checkJitter spreads the checks of many clusters.
	checkAfter  = 5 * time.Minute
	checkJitter = 0.1

	// goneCheck is when to look again, at first, for what is being deleted.
	goneCheck = 5 * time.Second

	// passTimeout bounds the requests of one pass.
	passTimeout = 30 * time.Second
)

// clusters are the workload clusters.
type clusters interface {
	Connect(cluster client.ObjectKey)
	UncachedClient(ctx context.Context, cluster client.ObjectKey) (client.Client, error)
	WatchDaemonSets(ctx context.Context, cluster client.ObjectKey, watcher clustercache.SourceWatcher[reconcile.Request],
		toRequests func(ctx context.Context, daemonSet client.Object) []reconcile.Request) error
}

// installer knows how to install the agent.
type installer interface {
	Install(ctx context.Context, c client.Client, namespace string) (changed bool, err error)
	Uninstall(ctx context.Context, c client.Client, namespace string) (done bool, err error)
}

// Options are what a Reconciler needs.
type Options struct {
	// Clock tells when to look again.
	Clock clock.WithTicker

	// Client reads ScheduledMachines from the manager's cache, which has
	// scheduledmachine.ClusterIndex.
	Client client.Reader

	// Live reads from the management cluster's API server.
	Live client.Reader

	// Installer installs the agent. It may be nil where only Namespace and Problem are
	// asked for.
	Installer installer

	// ManagerNamespace is where this manager runs; empty where that is not known.
	ManagerNamespace string
}

// The UID of this Namespace tells whether a workload cluster is the management cluster:
//
// +kubebuilder:rbac:groups="",resources=namespaces,resourceNames=kube-system,verbs=get

// Reconciler reconciles workload clusters, each by the key of its Cluster.
type Reconciler struct {
	opts       Options
	clusters   clusters // nil until Cluster API is there
	controller controller.Controller

	// management is the UID of kube-system in the management cluster, once it is known.
	management atomic.Pointer[types.UID]

	mu sync.Mutex
	// problems are why the agent could not be installed, by cluster.
	problems map[client.ObjectKey]error
	// clean are clusters that are known to have no agent of ours, and inUse those that
	// have one, as far as this process has seen.
	clean, inUse map[client.ObjectKey]struct{}
	// going is since when something is waited for that is being deleted, by cluster.
	going map[client.ObjectKey]time.Time
}

// New returns a Reconciler.
func New(opts Options) *Reconciler {
	return &Reconciler{
		opts:     opts,
		problems: map[client.ObjectKey]error{},
		clean:    map[client.ObjectKey]struct{}{},
		inUse:    map[client.ObjectKey]struct{}{},
		going:    map[client.ObjectKey]time.Time{},
	}
}

// SetupWithManager adds the controller. It does nothing before WatchClusters.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	built, err := ctrl.NewControllerManagedBy(mgr).
		Named(controllerName).
		Watches(&v1alpha1.ScheduledMachine{}, handler.EnqueueRequestsFromMapFunc(toCluster),
			builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{
			ReconciliationTimeout: passTimeout,
			NewQueue:              fairqueue.WithClock(r.opts.Clock),
		}).
		Build(r)
	if err != nil {
		return fmt.Errorf("failed to set up the controller of the reclaim agent: %w", err)
	}
	r.controller = built
	return nil
}

// WatchClusters begins the work. It is called once, when Cluster API is there.
func (r *Reconciler) WatchClusters(workloads *workload.Clusters) error {
	r.mu.Lock()
	r.clusters = workloads
	r.mu.Unlock()
	sources := []source.Source{
		workloads.Source(controllerName, toItself),
		// What came before there were clusters had to be left.
		source.Func(r.enqueueAll),
	}
	for _, src := range sources {
		if err := r.controller.Watch(src); err != nil {
			return fmt.Errorf("failed to watch workload clusters: %w", err)
		}
	}
	return nil
}

// Wants is whether the agent is to run in the cluster: whether there is a machine with
// killIfCommands, of any instance, that is not being deleted.
func (r *Reconciler) Wants(ctx context.Context, cluster client.ObjectKey) (bool, error) {
	list := &v1alpha1.ScheduledMachineList{}
	err := r.opts.Client.List(ctx, list, client.InNamespace(cluster.Namespace), client.MatchingFields{scheduledmachine.ClusterIndex: cluster.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return false, fmt.Errorf("failed to list the ScheduledMachines of Cluster %s: %w", cluster, err)
	}
	for i := range list.Items {
		if list.Items[i].DeletionTimestamp == nil && len(list.Items[i].Spec.KillIfCommands) > 0 {
			return true, nil
		}
	}
	return false, nil
}

// WantsCluster is whether the cluster has to be reached: the agent is to run in it, or is
// not out of it yet. The last machine of a cluster may be gone before that.
func (r *Reconciler) WantsCluster(cluster *clusterv1.Cluster) bool {
	key := client.ObjectKeyFromObject(cluster)
	wants, err := r.Wants(context.Background(), key)
	return err == nil && wants || r.isInUse(key)
}

// Reconcile installs the agent in the cluster or takes it out.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	cluster := req.NamespacedName
	workloads := r.workloads()
	if workloads == nil {
		return ctrl.Result{}, nil
	}
	wants, err := r.Wants(ctx, cluster)
	if err != nil || !wants && r.isClean(cluster) {
		return ctrl.Result{}, err
	}
	result, err := r.reconcile(ctx, workloads, cluster, wants)
	if errors.Is(err, workload.ErrNotConnected) {
		r.mu.Lock()
		delete(r.going, cluster) // It may be gone, and another one of its name come.
		r.mu.Unlock()
		// The source tells when that changes. A cluster without machines is not connected
		// to for the sake of what may be left there.
		if wants {
			workloads.Connect(cluster)
		}
		return ctrl.Result{}, nil
	}
	return result, err
}

func (r *Reconciler) reconcile(ctx context.Context, workloads clusters, cluster client.ObjectKey, wants bool) (ctrl.Result, error) {
	uncached, err := workloads.UncachedClient(ctx, cluster)
	if err != nil {
		return ctrl.Result{}, err
	}
	namespace, err := r.Namespace(ctx, uncached)
	if err != nil {
		return ctrl.Result{}, err
	}
	if !wants {
		return r.uninstall(ctx, cluster, uncached, namespace)
	}
	if err := workloads.WatchDaemonSets(ctx, cluster, r.controller, always(cluster)); err != nil {
		return ctrl.Result{}, err
	}
	return r.install(ctx, cluster, uncached, namespace)
}

func (r *Reconciler) install(ctx context.Context, cluster client.ObjectKey, uncached client.Client, namespace string) (ctrl.Result, error) {
	changed, err := r.opts.Installer.Install(ctx, uncached, namespace)
	if changed {
		ctrl.LoggerFrom(ctx).Info("Installed the reclaim agent, or repaired it", "cluster", cluster, "namespace", namespace)
	}
	if errors.Is(err, provision.ErrNewerInstalled) {
		// A newer manager looks after it.
		err = nil
	}
	r.keep(cluster, err)
	switch {
	case errors.Is(err, provision.ErrBeingDeleted):
		return ctrl.Result{RequeueAfter: r.untilGone(cluster)}, nil
	case errors.Is(err, provision.ErrPolicyUnsupported), errors.Is(err, provision.ErrForeign), errors.Is(err, provision.ErrRestrictedNamespace):
		// Somebody has to act, which no watch tells of.
		ctrl.LoggerFrom(ctx).Info("The reclaim agent cannot be installed", "cluster", cluster, "reason", err.Error())
		return ctrl.Result{RequeueAfter: checkAfter}, nil
	case err != nil:
		return ctrl.Result{}, fmt.Errorf("failed to install the reclaim agent in Cluster %s: %w", cluster, err)
	}
	jitter := time.Duration(rand.Float64() * checkJitter * float64(checkAfter)) //nolint:gosec // Jitter needs no secrecy.
	return ctrl.Result{RequeueAfter: checkAfter - jitter}, nil
}

func (r *Reconciler) uninstall(ctx context.Context, cluster client.ObjectKey, uncached client.Client, namespace string) (ctrl.Result, error) {
	done, err := r.opts.Installer.Uninstall(ctx, uncached, namespace)
	r.use(cluster, err == nil && done)
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("failed to take the reclaim agent out of Cluster %s: %w", cluster, err)
	}
	if !done {
		return ctrl.Result{RequeueAfter: r.untilGone(cluster)}, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.problems, cluster)
	r.clean[cluster] = struct{}{}
	return ctrl.Result{}, nil
}

// untilGone is when to look again for what is being deleted: after as long as it has been
// waited for. No watch tells when it is gone, and a finalizer may hold it for ever.
func (r *Reconciler) untilGone(cluster client.ObjectKey) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.opts.Clock.Now()
	since, waiting := r.going[cluster]
	if !waiting {
		since = now
		r.going[cluster] = now
	}
	return min(max(now.Sub(since), goneCheck), checkAfter)
}

// Problem is why the agent could not be installed in the cluster; nil when it could, or
// when nobody has tried here.
func (r *Reconciler) Problem(cluster client.ObjectKey) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.problems[cluster]
}

func (r *Reconciler) keep(cluster client.ObjectKey, problem error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.clean, cluster)
	r.inUse[cluster] = struct{}{}
	delete(r.problems, cluster)
	if problem != nil {
		r.problems[cluster] = problem
	}
	if !errors.Is(problem, provision.ErrBeingDeleted) {
		delete(r.going, cluster)
	}
}

// use notes whether there is an agent in the cluster.
func (r *Reconciler) use(cluster client.ObjectKey, out bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if out {
		delete(r.inUse, cluster)
		delete(r.going, cluster)
	} else {
		r.inUse[cluster] = struct{}{}
	}
}

func (r *Reconciler) isInUse(cluster client.ObjectKey) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, inUse := r.inUse[cluster]
	return inUse
}

func (r *Reconciler) isClean(cluster client.ObjectKey) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, clean := r.clean[cluster]
	return clean
}

func (r *Reconciler) workloads() clusters {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.clusters
}

// Namespace is where the agent is in the cluster of the client.
func (r *Reconciler) Namespace(ctx context.Context, reader client.Reader) (string, error) {
	here := r.management.Load()
	if here == nil {
		found, err := provision.ClusterUID(ctx, r.opts.Live)
		if err != nil {
			return "", err
		}
		here = &found
		r.management.Store(here)
	}
	there, err := provision.ClusterUID(ctx, reader)
	if err != nil {
		return "", err
	}
	return provision.Namespace(there, *here, r.opts.ManagerNamespace), nil
}

// isAgent is whether a DaemonSet is that of the agent.
func isAgent(obj client.Object) bool {
	_, isDaemonSet := obj.(*appsv1.DaemonSet)
	return isDaemonSet && obj.GetName() == provision.DaemonSetKey("").Name
}
