package scheduledmachine

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/controllers/clustercache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/controllers/fairqueue"
	"github.com/finos/five-spot/pkg/workload"
)

const (
	// controllerName is what logs and metrics call this controller.
	controllerName = "scheduledmachine"

	// reconcileTimeout bounds one reconcile. Nothing in it waits, so only an API server
	// that does not answer comes near it.
	reconcileTimeout = time.Minute

	// firstRetry and lastRetry bound the wait after an error.
	firstRetry = 50 * time.Millisecond
	lastRetry  = 2 * time.Minute
)

// ClusterIndex is the field by which the cache of ScheduledMachines is indexed for those
// of one Cluster, in their namespace.
const ClusterIndex = "spec.clusterName"

// Other fields of a ScheduledMachine that the cache is indexed by, and of a Machine.
const (
	calendarIndex = "spec.schedule.calendarRef.name"
	nodeIndex     = "status.nodeRef.name"
)

// clients are clients for workload clusters.
type clients interface {
	Client(ctx context.Context, cluster client.ObjectKey) (client.Client, error)
	UncachedClient(ctx context.Context, cluster client.ObjectKey) (client.Client, error)
}

// connections make connections to workload clusters, and tell what became of them.
type connections interface {
	Connect(cluster client.ObjectKey)
	Tried(ctx context.Context, cluster client.ObjectKey) bool
	KubeconfigProblem(cluster client.ObjectKey) error
}

// clusters are the workload clusters.
type clusters interface {
	clients
	connections
	Node(ctx context.Context, cluster client.ObjectKey, name, providerID string) (*corev1.Node, error)
	WatchNodes(ctx context.Context, cluster client.ObjectKey, watcher clustercache.SourceWatcher[reconcile.Request],
		toRequests func(ctx context.Context, node client.Object) []reconcile.Request) error
}

// SetupWithManager adds the controller. It watches Cluster API only after
// WatchClusterAPI.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager, concurrency int) error {
	if err := indexObjects(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	r.all = make(chan event.GenericEvent, 1)
	built, err := ctrl.NewControllerManagedBy(mgr).
		Named(controllerName).
		Watches(&v1alpha1.ScheduledMachine{}, byPriority(r.forget), builder.WithPredicates(r.shard.Predicate(), specOrMetadataChanged())).
		Watches(&v1alpha1.MachineCalendar{}, handler.EnqueueRequestsFromMapFunc(r.calendarToObjects),
			builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WatchesRawSource(source.Channel(r.all, handler.EnqueueRequestsFromMapFunc(r.everyObject))).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: concurrency,
			LogConstructor:          logConstructor(mgr.GetLogger()),
			ReconciliationTimeout:   reconcileTimeout,
			EnableWarmup:            new(true),
			NewQueue:                fairqueue.WithClock(r.clock),
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
		}).
		Build(r)
	if err != nil {
		return fmt.Errorf("failed to set up the ScheduledMachine controller: %w", err)
	}
	r.controller = built
	return nil
}

// byPriority enqueues objects with their own priority, so that also after a fail-over,
// when all are listed at once, those that matter most go first. Of an object that is
// gone there is nothing to reconcile; forget drops what is kept of it in memory, also
// when somebody else took its finalizer away.
func byPriority(forget func(uid types.UID)) handler.EventHandler {
	add := func(obj client.Object, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
		request := reconcile.Request{NamespacedName: client.ObjectKeyFromObject(obj)}
		sm, isObject := obj.(*v1alpha1.ScheduledMachine)
		ordered, isOrdered := queue.(priorityqueue.PriorityQueue[reconcile.Request])
		if !isObject || !isOrdered {
			queue.Add(request)
			return
		}
		ordered.AddWithOpts(priorityqueue.AddOpts{Priority: new(priority(sm))}, request)
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			add(e.Object, queue)
		},
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			add(e.ObjectNew, queue)
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, _ workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			forget(e.Object.GetUID())
		},
	}
}

// logConstructor puts the object on every line of its reconcile.
func logConstructor(log logr.Logger) func(*reconcile.Request) logr.Logger {
	return func(request *reconcile.Request) logr.Logger {
		if request == nil {
			return log.WithValues("controller", controllerName)
		}
		return log.WithValues("controller", controllerName, "ScheduledMachine", klog.KRef(request.Namespace, request.Name))
	}
}

func indexObjects(ctx context.Context, indexer client.FieldIndexer) error {
	err := indexer.IndexField(ctx, &v1alpha1.ScheduledMachine{}, ClusterIndex, func(obj client.Object) []string {
		sm, ok := obj.(*v1alpha1.ScheduledMachine)
		if !ok {
			return nil
		}
		return []string{sm.Spec.ClusterName}
	})
	if err != nil {
		return fmt.Errorf("failed to index ScheduledMachines by Cluster: %w", err)
	}
	err = indexer.IndexField(ctx, &v1alpha1.ScheduledMachine{}, calendarIndex, func(obj client.Object) []string {
		sm, ok := obj.(*v1alpha1.ScheduledMachine)
		if !ok || sm.Spec.Schedule.CalendarRef == nil {
			return nil
		}
		return []string{sm.Spec.Schedule.CalendarRef.Name}
	})
	if err != nil {
		return fmt.Errorf("failed to index ScheduledMachines by MachineCalendar: %w", err)
	}
	return nil
}

// WatchClusterAPI adds the watches of Machines, Clusters and workload clusters. It is
// called once, when Cluster API is there.
func (r *Reconciler) WatchClusterAPI(ctx context.Context, informers cache.Cache, workloads *workload.Clusters) error {
	if err := informers.IndexField(ctx, &clusterv1.Machine{}, nodeIndex, nodeNamed); err != nil {
		return fmt.Errorf("failed to index Machines by Node: %w", err)
	}
	r.clusters = workloads
	sources := []source.Source{
		source.Kind(informers, client.Object(&clusterv1.Machine{}), handler.EnqueueRequestsFromMapFunc(machineToObject),
			predicate.ResourceVersionChangedPredicate{}),
		source.Kind(informers, client.Object(&clusterv1.Cluster{}), handler.EnqueueRequestsFromMapFunc(r.clusterToObjects),
			clusterChanged()),
		workloads.Source(controllerName, r.clusterToObjects),
	}
	for _, src := range sources {
		if err := r.controller.Watch(src); err != nil {
			return fmt.Errorf("failed to watch Cluster API: %w", err)
		}
	}
	return nil
}

// nodeNamed is the Node that a Machine names.
func nodeNamed(obj client.Object) []string {
	live, ok := obj.(*clusterv1.Machine)
	if !ok || live.Status.NodeRef.Name == "" {
		return nil
	}
	return []string{live.Status.NodeRef.Name}
}

// ReconcileAll has every object looked at again.
func (r *Reconciler) ReconcileAll() {
	select {
	case r.all <- event.GenericEvent{Object: &v1alpha1.ScheduledMachine{}}:
	default: // One such event is on its way already.
	}
}

// WantsCluster is whether a ScheduledMachine of this instance belongs to the cluster.
func (r *Reconciler) WantsCluster(cluster *clusterv1.Cluster) bool {
	return len(r.clusterToObjects(context.Background(), cluster)) > 0
}

// watchNodes has the cluster's Nodes watched, for the objects whose Machines they are.
func (r *Reconciler) watchNodes(ctx context.Context, cluster client.ObjectKey) error {
	return r.clusters.WatchNodes(ctx, cluster, r.controller, func(ctx context.Context, node client.Object) []reconcile.Request {
		machines := &clusterv1.MachineList{}
		err := r.client.List(ctx, machines, client.InNamespace(cluster.Namespace), client.MatchingFields{nodeIndex: node.GetName()})
		if err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "Failed to find the Machine of a Node", "node", node.GetName())
			return nil
		}
		var requests []reconcile.Request
		for i := range machines.Items {
			if machines.Items[i].Spec.ClusterName == cluster.Name {
				requests = append(requests, machineToObject(ctx, &machines.Items[i])...)
			}
		}
		return requests
	})
}

func machineToObject(_ context.Context, obj client.Object) []reconcile.Request {
	name := obj.GetLabels()[v1alpha1.ScheduledMachineLabel]
	if name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: obj.GetNamespace(), Name: name}}}
}

func (r *Reconciler) clusterToObjects(ctx context.Context, cluster client.Object) []reconcile.Request {
	return r.objects(ctx, client.InNamespace(cluster.GetNamespace()), client.MatchingFields{ClusterIndex: cluster.GetName()})
}

func (r *Reconciler) calendarToObjects(ctx context.Context, calendar client.Object) []reconcile.Request {
	return r.objects(ctx, client.MatchingFields{calendarIndex: calendar.GetName()})
}

func (r *Reconciler) everyObject(ctx context.Context, _ client.Object) []reconcile.Request {
	return r.objects(ctx)
}

func (r *Reconciler) objects(ctx context.Context, opts ...client.ListOption) []reconcile.Request {
	list := &v1alpha1.ScheduledMachineList{}
	if err := r.client.List(ctx, list, opts...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Failed to list ScheduledMachines")
		return nil
	}
	var requests []reconcile.Request
	for i := range list.Items {
		if r.shard.Owns(list.Items[i].UID) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
	}
	return requests
}

// Phases yields the phase of every object of this instance, from the cache.
func (r *Reconciler) Phases() (iter.Seq[v1alpha1.Phase], error) {
	list := &v1alpha1.ScheduledMachineList{}
	// A cache that is not filled makes its reader wait; nobody who scrapes does.
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := r.client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("failed to list ScheduledMachines: %w", err)
	}
	return func(yield func(v1alpha1.Phase) bool) {
		for i := range list.Items {
			if r.shard.Owns(list.Items[i].UID) && !yield(list.Items[i].Status.Phase) {
				return
			}
		}
	}, nil
}

// specOrMetadataChanged drops events of status changes: they are our own.
func specOrMetadataChanged() predicate.Predicate {
	return predicate.Or[client.Object](
		predicate.GenerationChangedPredicate{},
		predicate.AnnotationChangedPredicate{},
		predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
			// After a gap in the watch, an object that was deleted and created again comes
			// as a change of its UID.
			return e.ObjectOld.GetUID() != e.ObjectNew.GetUID() ||
				e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero()
		}},
	)
}

// clusterChanged lets those changes of a Cluster pass that can matter, and drops the
// resyncs that the cluster cache needs.
func clusterChanged() predicate.Predicate {
	type relevant struct{ paused, deleting, infrastructure, controlPlane bool }
	of := func(obj client.Object) relevant {
		cluster, ok := obj.(*clusterv1.Cluster)
		if !ok {
			return relevant{}
		}
		return relevant{
			paused:         ptr.Deref(cluster.Spec.Paused, false),
			deleting:       cluster.DeletionTimestamp != nil,
			infrastructure: ptr.Deref(cluster.Status.Initialization.InfrastructureProvisioned, false),
			controlPlane:   ptr.Deref(cluster.Status.Initialization.ControlPlaneInitialized, false),
		}
	}
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool { return of(e.ObjectOld) != of(e.ObjectNew) }}
}
