// Package scheduledmachine reconciles ScheduledMachines. It holds no policy: it
// observes, has pkg/lifecycle decide, executes what was decided, writes one status
// and announces what changed.
package scheduledmachine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/drain"
	"github.com/finos/five-spot/pkg/lifecycle"
	"github.com/finos/five-spot/pkg/machine"
	"github.com/finos/five-spot/pkg/metrics"
	"github.com/finos/five-spot/pkg/sharding"
	"github.com/finos/five-spot/pkg/status"
)

const (
	// maxSleep caps the time to the next look at an object, so that a clock that was
	// set or a host that was suspended heals.
	maxSleep = 5 * time.Minute

	// sleepJitter spreads the looks of many objects over this part of maxSleep.
	sleepJitter = 0.1

	// capiRetry is when to look again, after a start, whether it is known by now if
	// Cluster API is there. That takes one read.
	capiRetry = 250 * time.Millisecond

	// settleTime is how long after taking over a workload cluster that has not been
	// connected yet is no news, and settleRetry is when to look again meanwhile.
	settleTime  = 15 * time.Second
	settleRetry = time.Second

	// nodeRetry is when to look again for a Node that is not known.
	nodeRetry = 30 * time.Second

	// maxPasses bounds how often one reconcile decides again at once, after a decision
	// that only wrote down a clock.
	maxPasses = 4
)

// The spec is patched to add and release the finalizer and to disable a reclaimed
// machine's schedule:
//
// +kubebuilder:rbac:groups=5spot.finos.org,resources=scheduledmachines,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=5spot.finos.org,resources=scheduledmachines/status,verbs=patch
// +kubebuilder:rbac:groups=5spot.finos.org,resources=machinecalendars,verbs=list;watch
//
// Machines carry the ScheduledMachine as an owner that blocks its deletion, for which
// OpenShift asks for update on its finalizers:
//
// +kubebuilder:rbac:groups=5spot.finos.org,resources=scheduledmachines/finalizers,verbs=update
// +kubebuilder:rbac:groups=cluster.x-k8s.io,resources=clusters,verbs=get;list;watch
// +kubebuilder:rbac:groups=cluster.x-k8s.io,resources=machines,verbs=get;list;watch;create;patch;delete
//
// What people have said about how Nodes are drained:
//
// +kubebuilder:rbac:groups=cluster.x-k8s.io,resources=machinedrainrules,verbs=list;watch
//
// The kubeconfig of a workload cluster and what a secretRef names take get on Secrets.
// That is a role of its own in config/rbac, which can be bound in single namespaces.
//
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconciler reconciles ScheduledMachines.
type Reconciler struct {
	clock      clock.WithTicker
	client     client.Client
	live       client.Reader
	machines   *machine.Objects
	clusters   clusters // nil until Cluster API is there
	capi       CAPI
	recorder   events.EventRecorder
	metrics    *metrics.Metrics
	drainer    *drain.Drainer
	agents     Agents
	version    string
	shard      sharding.Shard
	settings   lifecycle.Settings
	validation machine.ValidateOptions

	maxOverride time.Duration

	installation Installation
	noAgentImage bool

	controller controller.Controller
	all        chan event.GenericEvent

	// tookOver is when the first object was decided on.
	tookOver atomic.Pointer[time.Time]

	creations *creations
	written   *written
	announced *announced
	armed     *armed
}

// New returns a Reconciler.
func New(opts Options) *Reconciler {
	return &Reconciler{
		clock:       opts.Clock,
		client:      opts.Client,
		live:        opts.Live,
		machines:    opts.Machines,
		capi:        opts.CAPI,
		recorder:    opts.Recorder,
		metrics:     opts.Metrics,
		drainer:     opts.Drainer,
		agents:      opts.Agents,
		version:     opts.Version,
		shard:       opts.Shard,
		settings:    opts.Settings,
		validation:  opts.Validation,
		maxOverride: opts.MaxOverride,
		creations:   newCreations(),
		written:     newWritten(),
		announced:   newAnnounced(),
		armed:       newArmed(),

		installation: opts.Installation,
		noAgentImage: opts.NoAgentImage,
	}
}

// Reconcile brings one ScheduledMachine one step on.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	started := r.clock.Now()
	sm, err := r.get(ctx, req.NamespacedName)
	if err != nil || sm == nil {
		return ctrl.Result{}, err
	}

	if !r.capi.Known() {
		return ctrl.Result{RequeueAfter: capiRetry, Priority: new(priority(sm))}, nil
	}
	result, err := r.reconcile(ctx, sm)
	r.metrics.Reconciled(sm.Status.Phase, err, r.clock.Since(started))
	if apierrors.IsConflict(err) {
		// Somebody else wrote first: decide again on what they wrote.
		retry := r.written.Doubt(sm.UID)
		ctrl.LoggerFrom(ctx).V(2).Info("Object was changed meanwhile, deciding again", "error", err.Error())
		return ctrl.Result{RequeueAfter: retry, Priority: new(priority(sm))}, nil
	}
	r.written.Accept(sm.UID)
	return result, err
}

// get reads the object. It returns nil when there is nothing to do for it here.
func (r *Reconciler) get(ctx context.Context, key types.NamespacedName) (*v1alpha1.ScheduledMachine, error) {
	sm := &v1alpha1.ScheduledMachine{}
	err := r.client.Get(ctx, key, sm)
	if err == nil && r.written.Stale(sm) {
		sm = &v1alpha1.ScheduledMachine{}
		err = r.live.Get(ctx, key, sm)
	}
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("failed to get ScheduledMachine %s: %w", key, err)
	case !r.shard.Owns(sm.UID):
		return nil, nil
	case sm.DeletionTimestamp != nil && !hasFinalizer(sm):
		r.forget(sm.UID)
		return nil, nil
	}
	return sm, nil
}

func (r *Reconciler) forget(uid types.UID) {
	r.creations.Forget(uid)
	r.written.Forget(uid)
	r.announced.Forget(uid)
	r.armed.Forget(uid)
	r.metrics.Forget(uid)
}

func (r *Reconciler) reconcile(ctx context.Context, sm *v1alpha1.ScheduledMachine) (ctrl.Result, error) {
	if sm.DeletionTimestamp == nil && !hasFinalizer(sm) {
		if err := r.addFinalizer(ctx, sm); err != nil {
			return ctrl.Result{}, err
		}
	}
	for range maxPasses {
		result, again, err := r.pass(ctx, sm)
		if err != nil || !again {
			return result, err
		}
	}
	return ctrl.Result{RequeueAfter: time.Millisecond, Priority: new(priority(sm))}, nil
}

// pass is one way through observe, decide, execute, describe and announce. It asks
// for another pass when it only wrote down a clock: what acts on the clock must
// happen after that write, and need not wait for the cache to show it.
func (r *Reconciler) pass(ctx context.Context, sm *v1alpha1.ScheduledMachine) (ctrl.Result, bool, error) {
	w, decision, err := r.decide(ctx, sm)
	if err != nil || w == nil {
		return ctrl.Result{}, false, err
	}
	if r.settling(w, decision) {
		return ctrl.Result{RequeueAfter: settleRetry, Priority: new(priority(sm))}, false, nil
	}
	before := sm.Status.DeepCopy()
	outcomes := r.execute(ctx, w, decision)
	decision = r.learn(w, decision)

	changed, err := r.describe(ctx, w, decision, outcomes)
	if err != nil {
		return ctrl.Result{}, false, errors.Join(err, outcomeErrors(outcomes))
	}
	r.announce(ctx, w, before, decision, outcomes)
	r.tidy(w, outcomes)
	if err := outcomeErrors(outcomes); err != nil {
		return ctrl.Result{}, false, err
	}
	again := changed && !decision.WakeAt.IsZero() && !decision.WakeAt.After(w.Now)
	return r.wake(w, decision, outcomes), again, nil
}

// settling is whether all that there would be to tell is that the workload cluster has
// not been connected yet, shortly after this process took over: a restart would show
// every running machine as not Ready for a moment otherwise.
func (r *Reconciler) settling(w *world, decision lifecycle.Decision) bool {
	r.tookOver.CompareAndSwap(nil, &w.Now)
	return w.Now.Before(r.tookOver.Load().Add(settleTime)) && w.unconnected &&
		decision.Phase == w.object.Status.Phase && decision.Shutdown == nil && len(decision.Actions) == 0
}

// tidy forgets what is kept in memory of an object that came to rest or went.
func (r *Reconciler) tidy(w *world, outcomes []lifecycle.Outcome) {
	now := w.object.Status
	if (lifecycle.Object{Phase: now.Phase, Shutdown: now.Shutdown, HasMachineRef: now.MachineRef != nil}).AtRest() {
		r.creations.Forget(w.object.UID)
	}
	for i := range outcomes {
		if outcomes[i].Action.Kind == lifecycle.ActionReleaseFinalizer && outcomes[i].State == lifecycle.OutcomeDone {
			r.forget(w.object.UID)
		}
	}
}

// decide observes and decides. What cannot be undone is decided once more on the
// object and the Cluster as they are in the API server, because the cache may not yet
// show that somebody just changed their mind or paused everything.
func (r *Reconciler) decide(ctx context.Context, sm *v1alpha1.ScheduledMachine) (*world, lifecycle.Decision, error) {
	w, decision, err := r.observeAndDecide(ctx, sm, r.client)
	if err != nil || !irrevocable(decision) {
		return w, decision, err
	}
	fresh := &v1alpha1.ScheduledMachine{}
	if err := r.live.Get(ctx, client.ObjectKeyFromObject(sm), fresh); err != nil {
		return nil, lifecycle.Decision{}, client.IgnoreNotFound(err)
	}
	if fresh.UID != sm.UID {
		return nil, lifecycle.Decision{}, nil
	}
	fresh.DeepCopyInto(sm)
	return r.observeAndDecide(ctx, sm, r.live)
}

func (r *Reconciler) observeAndDecide(
	ctx context.Context, sm *v1alpha1.ScheduledMachine, clusters client.Reader,
) (*world, lifecycle.Decision, error) {
	w, err := r.observe(ctx, sm, clusters)
	if err != nil {
		return nil, lifecycle.Decision{}, err
	}
	decision := lifecycle.Decide(w.Observation)
	ctrl.LoggerFrom(ctx).V(2).Info("Decided", "rule", decision.Rule, "phase", decision.Phase,
		"reason", decision.Reason, "actions", len(decision.Actions), "wakeAt", decision.WakeAt)
	return w, decision, nil
}

func irrevocable(decision lifecycle.Decision) bool {
	return decision.Has(lifecycle.ActionDeleteMachine) || decision.Has(lifecycle.ActionDeleteLeftovers) ||
		decision.Has(lifecycle.ActionDisableSchedule) || decision.Has(lifecycle.ActionReleaseFinalizer)
}

// learn decides again, for the phase only, on what executing brought to light: an
// object of the derived name that is not ours.
func (r *Reconciler) learn(w *world, decision lifecycle.Decision) lifecycle.Decision {
	if w.foreign() == "" || w.Machine.Foreign != "" {
		return decision
	}
	w.Machine.Foreign = w.foreign()
	learned := lifecycle.Decide(w.Observation)
	learned.Actions = decision.Actions
	return learned
}

// describe writes the status if it differs from the present one, and reports whether
// it did. The patch carries the resourceVersion, so that a decision on an old object
// cannot erase a clock.
func (r *Reconciler) describe(ctx context.Context, w *world, decision lifecycle.Decision, outcomes []lifecycle.Outcome) (bool, error) {
	described := status.Describe(w.statusInput(decision, outcomes))
	if equality.Semantic.DeepEqual(w.object.Status, described) {
		return false, nil
	}
	// On its own it is not worth a write: an upgrade would write every object.
	described.ManagerVersion = r.version
	after := w.object.DeepCopy()
	after.Status = described
	patch := client.MergeFromWithOptions(w.object.DeepCopy(), client.MergeFromWithOptimisticLock{})
	if err := r.client.Status().Patch(ctx, after, patch, client.FieldOwner(v1alpha1.FieldManager)); err != nil {
		if apierrors.IsNotFound(err) && decision.Has(lifecycle.ActionReleaseFinalizer) {
			// Nobody reads it any more, but what it says is still to be announced.
			w.object.Status = described
			return false, nil
		}
		return false, fmt.Errorf("failed to patch the status: %w", err)
	}
	r.written.Remember(w.object.UID, w.object.ResourceVersion, after.ResourceVersion)
	after.DeepCopyInto(w.object)
	return true, nil
}

// wake is when to look at the object again: at the earliest of what the decision and
// the outcomes ask for, and after maxSleep at the latest.
func (r *Reconciler) wake(w *world, decision lifecycle.Decision, outcomes []lifecycle.Outcome) ctrl.Result {
	if decision.Has(lifecycle.ActionReleaseFinalizer) {
		return ctrl.Result{}
	}
	sleep := maxSleep - time.Duration(rand.Float64()*sleepJitter*float64(maxSleep)) //nolint:gosec // Jitter needs no secrecy.
	earliest := func(at time.Time) {
		if !at.IsZero() {
			sleep = min(sleep, at.Sub(w.Now))
		}
	}
	earliest(decision.WakeAt)
	earliest(w.nodeRetryAt)
	for i := range outcomes {
		earliest(outcomes[i].RetryAt)
	}
	return ctrl.Result{RequeueAfter: max(sleep, time.Millisecond), Priority: new(priority(w.object))}
}

func (r *Reconciler) addFinalizer(ctx context.Context, sm *v1alpha1.ScheduledMachine) error {
	after := sm.DeepCopy()
	controllerutil.AddFinalizer(after, v1alpha1.Finalizer)
	if err := r.patchObject(ctx, sm, after); err != nil {
		return fmt.Errorf("failed to add the finalizer: %w", err)
	}
	return nil
}

func hasFinalizer(sm *v1alpha1.ScheduledMachine) bool {
	return controllerutil.ContainsFinalizer(sm, v1alpha1.Finalizer)
}

// priority is what orders objects of one namespace that are due at the same time.
func priority(sm *v1alpha1.ScheduledMachine) int {
	return int(ptr.Deref(sm.Spec.Priority, 50))
}

func outcomeErrors(outcomes []lifecycle.Outcome) error {
	var errs []error
	for i := range outcomes {
		errs = append(errs, outcomes[i].Err)
	}
	return errors.Join(errs...)
}
