package scheduledmachine

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/lifecycle"
	"github.com/finos/five-spot/pkg/machine"
	"github.com/finos/five-spot/pkg/nodetaint"
	"github.com/finos/five-spot/pkg/schedule"
)

// Defaults for durations that an invalid spec does not tell.
const defaultTimeout = 5 * time.Minute

// world is an Observation together with the objects behind it, which the executor
// acts on.
type world struct {
	lifecycle.Observation

	object   *v1alpha1.ScheduledMachine
	schedule *schedule.Schedule // nil when it cannot be evaluated
	cluster  *clusterv1.Cluster // nil when there is none
	machine  *clusterv1.Machine // nil when there is none of ours
	state    machine.State      // what the Machine says about itself
	ensured  machine.Result     // how far Ensure came, after ActionEnsureMachine
	node     *corev1.Node       // nil when it is not there or not known

	// appliedTaints are the taints on the Node that are ours.
	appliedTaints []v1alpha1.NodeTaint

	// unconnected is whether it was not even tried yet to connect to the workload cluster.
	unconnected bool

	// nodeRetryAt is when to look again for a Node that is not known; zero when it is
	// known or not needed.
	nodeRetryAt time.Time

	// bootstrap and infrastructure are what the Machine refers to; nil when there is
	// no Machine.
	bootstrap, infrastructure *v1alpha1.ObjectReference
}

// foreign names the object that was in the way of creating and is not ours; empty
// when there was none.
func (w *world) foreign() string {
	if w.ensured.Problem == nil {
		return ""
	}
	return w.ensured.Problem.Foreign
}

// observe gathers what the rules decide on. It only reads, and it reads from caches
// wherever a stale answer does no harm. The Cluster, which tells whether everything is
// paused, comes from the given reader.
func (r *Reconciler) observe(ctx context.Context, sm *v1alpha1.ScheduledMachine, clusters client.Reader) (*world, error) {
	w := &world{object: sm}
	w.Now = r.clock.Now()
	w.Settings = r.settings
	r.observeObject(w)
	if err := r.observeSchedule(ctx, w); err != nil {
		return nil, err
	}
	if err := r.observeCluster(ctx, w, clusters); err != nil {
		return nil, err
	}
	w.Pause = observePause(sm, w.cluster)
	if err := r.observeMachine(ctx, w); err != nil {
		return nil, err
	}
	r.observeParts(ctx, w)
	r.observeNode(ctx, w)
	if w.machine == nil {
		w.CreateNotBefore = r.creations.NotBefore(sm.UID, w.Now)
		if w.Machine.Foreign == "" {
			w.Machine.Foreign = r.creations.Foreign(sm.UID, w.Now)
		}
	}
	return w, r.observeReferences(ctx, w)
}

// observeReferences looks for what a machine that is to be created needs, while an
// earlier attempt holds back the next: what was missing may come without any event,
// and its coming should not have to wait for the back-off.
func (r *Reconciler) observeReferences(ctx context.Context, w *world) error {
	if w.CreateNotBefore.IsZero() || w.Object.Invalid != nil || !w.Schedule.Provision || w.cluster == nil {
		return nil
	}
	problem, err := r.machines.References(ctx, w.object)
	if err != nil {
		return fmt.Errorf("failed to look for what the machine needs: %w", err)
	}
	if problem != nil {
		w.References = &lifecycle.Problem{Reason: problem.Reason, Message: problem.Message}
	}
	return nil
}

func (r *Reconciler) observeObject(w *world) {
	sm := w.object
	o := lifecycle.Object{
		UID:               sm.UID,
		HasFinalizer:      hasFinalizer(sm),
		KillSwitch:        sm.Spec.KillSwitch,
		Enabled:           ptr.Deref(sm.Spec.Schedule.Enabled, true),
		WantsTaints:       len(sm.Spec.NodeTaints) > 0,
		WantsReclaimAgent: len(sm.Spec.KillIfCommands) > 0,
		Phase:             sm.Status.Phase,
		Shutdown:          sm.Status.Shutdown,
		Drain:             sm.Status.Drain,
		HasMachineRef:     sm.Status.MachineRef != nil,
	}
	if sm.DeletionTimestamp != nil {
		o.DeletedAt = sm.DeletionTimestamp.Time
	}
	for i := range sm.Status.RecentReclaims {
		o.RecentReclaims = append(o.RecentReclaims, sm.Status.RecentReclaims[i].Time)
	}

	path := field.NewPath("spec")
	parsed, invalid := schedule.Parse(&sm.Spec.Schedule, path.Child("schedule"))
	invalid = append(invalid, machine.Validate(&sm.Spec, r.validation, path)...)
	invalid = append(invalid, nodetaint.Validate(sm.Spec.NodeTaints, path.Child("nodeTaints"))...)
	if len(invalid) > 0 {
		o.Invalid = &lifecycle.Problem{Reason: v1alpha1.ScheduleInvalidReason, Message: firstErrors(invalid)}
	} else {
		w.schedule = parsed.WithMaxOverride(r.maxOverride)
	}
	o.GracefulShutdownTimeout = durationOr(sm.Spec.GracefulShutdownTimeout, defaultTimeout)
	o.NodeDrainTimeout = durationOr(sm.Spec.NodeDrainTimeout, defaultTimeout)
	w.Object = o
}

// firstErrors is as much of a list of errors as fits into a condition: nobody mends
// a hundred exceptions from a message.
func firstErrors(list field.ErrorList) string {
	const shown = 5
	if len(list) <= shown {
		return list.ToAggregate().Error()
	}
	return fmt.Sprintf("%s, and %d more", list[:shown].ToAggregate(), len(list)-shown)
}

func durationOr(d v1alpha1.Duration, fallback time.Duration) time.Duration {
	parsed, err := d.ParseOr(fallback)
	if err != nil {
		return fallback
	}
	return parsed
}

// observeSchedule evaluates the schedule, with its calendar where it has one.
func (r *Reconciler) observeSchedule(ctx context.Context, w *world) error {
	if w.schedule == nil {
		return nil
	}
	if ref := w.object.Spec.Schedule.CalendarRef; ref != nil {
		calendar, problem, err := r.calendar(ctx, ref.Name)
		if err != nil {
			return err
		}
		if problem != nil {
			w.ScheduleUnknown = problem
			w.schedule = nil
			return nil
		}
		w.schedule = w.schedule.WithCalendar(calendar)
	}
	w.Schedule = w.schedule.Evaluate(w.Now)
	return nil
}

func (r *Reconciler) calendar(ctx context.Context, name string) (*schedule.Calendar, *lifecycle.Problem, error) {
	obj := &v1alpha1.MachineCalendar{}
	if err := r.client.Get(ctx, client.ObjectKey{Name: name}, obj); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, &lifecycle.Problem{
				Reason:  v1alpha1.CalendarNotFoundReason,
				Message: fmt.Sprintf("spec.schedule.calendarRef: MachineCalendar %q does not exist; the machine stays as it is", name),
			}, nil
		}
		return nil, nil, fmt.Errorf("failed to get MachineCalendar %s: %w", name, err)
	}
	calendar, invalid := schedule.ParseCalendar(&obj.Spec, field.NewPath("spec"))
	if len(invalid) > 0 {
		return nil, &lifecycle.Problem{
			Reason:  v1alpha1.CalendarInvalidReason,
			Message: fmt.Sprintf("MachineCalendar %q: %s; the machine stays as it is", name, firstErrors(invalid)),
		}, nil
	}
	return calendar, nil, nil
}

func (r *Reconciler) observeCluster(ctx context.Context, w *world, clusters client.Reader) error {
	if !r.capi.Ready() {
		w.Cluster.APIMissing = true
		return nil
	}
	cluster := &clusterv1.Cluster{}
	if err := clusters.Get(ctx, clusterKey(w.object), cluster); err != nil {
		if apierrors.IsNotFound(err) {
			r.metrics.ForgetCluster(clusterKey(w.object))
			return nil
		}
		return fmt.Errorf("failed to get Cluster %s: %w", clusterKey(w.object), err)
	}
	w.cluster = cluster
	w.Cluster = lifecycle.Cluster{
		Exists:                    true,
		Deleting:                  cluster.DeletionTimestamp != nil,
		InfrastructureProvisioned: ptr.Deref(cluster.Status.Initialization.InfrastructureProvisioned, false),
		ControlPlaneInitialized:   ptr.Deref(cluster.Status.Initialization.ControlPlaneInitialized, false),
	}
	return nil
}

// observeMachine reads the Machine from the cache. An absence that an object comes
// to rest on is confirmed by an uncached read: the cache may be older than our own
// creation.
func (r *Reconciler) observeMachine(ctx context.Context, w *world) error {
	if w.Cluster.APIMissing {
		w.Machine.ConfirmedAbsent = r.capi.MachinesImpossible()
		return nil
	}
	found := &clusterv1.Machine{}
	err := r.client.Get(ctx, machine.Key(w.object), found)
	switch {
	// Of a Machine that does not look like ours the cache holds little.
	case apierrors.IsNotFound(err), err == nil && found.Labels[v1alpha1.ScheduledMachineLabel] == "":
		return r.confirmMachineAbsent(ctx, w)
	case err != nil:
		return fmt.Errorf("failed to get Machine %s: %w", machine.Key(w.object), err)
	}
	r.takeMachine(w, found)
	return r.observeLeftovers(ctx, w)
}

func (r *Reconciler) confirmMachineAbsent(ctx context.Context, w *world) error {
	if w.Object.AtRest() {
		return nil
	}
	found, err := r.machines.Confirm(ctx, w.object)
	if err != nil {
		return err
	}
	if found != nil {
		r.takeMachine(w, found)
	} else {
		w.Machine.ConfirmedAbsent = true
	}
	return r.observeLeftovers(ctx, w)
}

// observeLeftovers looks for objects of ours that are there without a Machine of
// ours, also where somebody else's has taken its name.
func (r *Reconciler) observeLeftovers(ctx context.Context, w *world) error {
	if w.machine != nil || w.Object.AtRest() {
		return nil
	}
	leftovers, err := r.machines.Leftovers(ctx, w.object)
	if err != nil {
		return fmt.Errorf("failed to look for leftovers: %w", err)
	}
	w.Leftovers = leftovers
	return nil
}

func (r *Reconciler) takeMachine(w *world, found *clusterv1.Machine) {
	w.state = machine.Observe(w.object, found)
	if w.state.Foreign != "" {
		w.Machine = lifecycle.Machine{ConfirmedAbsent: true, Foreign: w.state.Foreign}
		return
	}
	w.machine = found
	w.Object.HasNodeRef = namesNode(&w.object.Status, w.state)
	w.Machine = lifecycle.Machine{
		Exists:            true,
		Deleting:          w.state.Deleting,
		CreatedAt:         w.state.CreatedAt,
		Running:           w.state.Running,
		Failed:            w.state.Failed,
		HasNodeRef:        w.state.NodeName != "",
		SkipsDrain:        w.state.SkipsDrain,
		SkipsVolumeDetach: w.state.SkipsVolumeDetach,
		StillPaused:       w.state.StillPaused,
		RemindedAt:        w.state.RemindedAt,
		SpecChanged:       w.state.SpecChanged,
	}
}

// namesNode is whether the status names the Node of this Machine, and so has seen it
// before.
func namesNode(known *v1alpha1.ScheduledMachineStatus, state machine.State) bool {
	return known.MachineRef != nil && known.MachineRef.UID == string(state.UID) &&
		known.NodeRef != nil && known.NodeRef.Name == state.NodeName
}

func clusterKey(sm *v1alpha1.ScheduledMachine) client.ObjectKey {
	return client.ObjectKey{Namespace: sm.Namespace, Name: sm.Spec.ClusterName}
}
