package scheduledmachine

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/lifecycle"
	"github.com/finos/five-spot/pkg/metrics"
)

// announce emits events and counts, after the status has landed.
func (r *Reconciler) announce(
	ctx context.Context, w *world, before *v1alpha1.ScheduledMachineStatus, decision lifecycle.Decision, outcomes []lifecycle.Outcome,
) {
	c := change{
		before:      before,
		after:       &w.object.Status,
		object:      w.object,
		machine:     w.Machine,
		decision:    decision,
		outcomes:    outcomes,
		timeouts:    r.announced.News(w.object.UID, decision.Timeouts),
		reconcileID: string(controller.ReconcileIDFromContext(ctx)),
	}
	c.timeouts = slices.DeleteFunc(c.timeouts, c.told)
	if c.before.Phase != c.after.Phase {
		ctrl.LoggerFrom(ctx).Info("Phase changed", "from", c.before.Phase, "to", c.after.Phase, "rule", decision.Rule, "reason", decision.Reason)
	}
	for _, a := range announcements(c) {
		r.recorder.Eventf(w.object, nil, a.eventType, a.reason, a.action, "%s", shortened(a.note))
	}
	r.measure(w, c)
}

// maxNote is how many bytes of a note the API server takes; it refuses an event with
// more.
const maxNote = 1024

// shortened is a note that the API server takes, cut between two characters.
func shortened(note string) string {
	const more = "..."
	if len(note) <= maxNote {
		return note
	}
	return strings.ToValidUTF8(note[:maxNote-len(more)], "") + more
}

// measure counts what a change is worth counting.
func (r *Reconciler) measure(w *world, c change) {
	r.metrics.ScheduleEvaluated(evaluationResult(w))
	r.metrics.Observed(w.object.UID, metrics.Sample{
		At:          w.Now,
		Up:          w.Machine.Running && w.Node.Ready,
		Scheduled:   w.Schedule.Active,
		WindowStart: w.Schedule.WindowStart,
		WindowEnd:   w.Schedule.WindowEnd,
	})
	if w.machine != nil {
		r.metrics.SetClusterReachable(clusterKey(w.object), w.Cluster.Reachable)
	}
	if c.killSwitchActivated() {
		r.metrics.KillSwitchActivated()
	}
	if c.reclaimBegun() {
		r.metrics.Reclaimed(client.ObjectKeyFromObject(w.object), c.rapidReReclaim())
	}
	if slices.Contains(c.timeouts, lifecycle.TimeoutFinalizer) {
		r.metrics.FinalizerCleanupTimedOut()
	}
	if c.joined() && w.machine != nil {
		r.metrics.MachineJoined(w.Now.Sub(w.machine.CreationTimestamp.Time))
	}
	if result, begun := c.drainEnded(); result != "" {
		r.metrics.NodeDrained(result, w.Now.Sub(begun))
	}
	r.measureLag(w, c)
}

// measureLag tells how long after a boundary of the schedule it was acted on. The
// boundary is the one that the last status foresaw.
func (r *Reconciler) measureLag(w *world, c change) {
	if at := c.before.NextActivation; at != nil && c.creationBegun() {
		if boundary := at.Add(-w.leadTime()); !boundary.After(w.Now) {
			r.metrics.TransitionActedUpon(metrics.DirectionActivate, w.Now.Sub(boundary))
		}
	}
	if at := c.before.NextCleanup; at != nil && !at.After(w.Now) && c.shutdownBegun() &&
		c.after.Shutdown.Reason == v1alpha1.ShutdownWindowClosed {
		r.metrics.TransitionActedUpon(metrics.DirectionDeactivate, w.Now.Sub(at.Time))
	}
}

// drainEnded is how a drain ended just now and when it had begun; empty when none did.
func (c change) drainEnded() (result metrics.DrainResult, begun time.Time) {
	shutdown := c.before.Shutdown
	if shutdown == nil || shutdown.DrainStartedAt == nil || !underDrain(c.before) || underDrain(c.after) {
		return "", time.Time{}
	}
	begun = shutdown.DrainStartedAt.Time
	switch meta.FindStatusCondition(c.after.Conditions, v1alpha1.DrainedCondition).Reason {
	case v1alpha1.DrainCompletedReason:
		return metrics.DrainCompleted, begun
	case v1alpha1.DrainTimedOutReason:
		return metrics.DrainTimedOut, begun
	}
	if c.after.Shutdown == nil && c.machine.Exists && !c.machine.Deleting {
		return metrics.DrainCancelled, begun
	}
	return metrics.DrainAbandoned, begun
}

// underDrain is whether a status tells of a drain that goes on, or that would if the
// workload cluster could be reached.
func underDrain(status *v1alpha1.ScheduledMachineStatus) bool {
	drained := meta.FindStatusCondition(status.Conditions, v1alpha1.DrainedCondition)
	if drained == nil {
		return false
	}
	switch drained.Reason {
	case v1alpha1.DrainingReason, v1alpha1.DrainFailingReason, v1alpha1.DrainClusterUnreachableReason:
		return true
	}
	return false
}

// creationBegun is whether the object just left rest. Its Machine is created by the
// next pass of the same reconcile, when the status foresees the next boundary already.
func (c change) creationBegun() bool {
	return c.before.Phase == v1alpha1.PhaseInactive && c.after.Phase == v1alpha1.PhasePending &&
		c.decision.Reason == v1alpha1.ReadyProvisioningReason
}

func evaluationResult(w *world) metrics.EvaluationResult {
	switch {
	case w.Object.Invalid != nil:
		return metrics.EvaluationInvalid
	case w.ScheduleUnknown != nil:
		return metrics.EvaluationUnknown
	case w.Schedule.Active:
		return metrics.EvaluationActive
	case w.Schedule.Provision:
		return metrics.EvaluationLeadTime
	}
	return metrics.EvaluationInactive
}

// announced remembers which timeouts of an object were announced, since a timeout
// that has passed stays passed.
type announced struct {
	mu       sync.Mutex
	timeouts map[types.UID]sets.Set[lifecycle.Timeout]
}

func newAnnounced() *announced {
	return &announced{timeouts: map[types.UID]sets.Set[lifecycle.Timeout]{}}
}

// News returns those of the timeouts that were not announced before, and forgets
// the ones that no longer hold.
func (a *announced) News(uid types.UID, timeouts []lifecycle.Timeout) []lifecycle.Timeout {
	a.mu.Lock()
	defer a.mu.Unlock()
	known := a.timeouts[uid]
	if len(timeouts) == 0 {
		delete(a.timeouts, uid)
		return nil
	}
	a.timeouts[uid] = sets.New(timeouts...)
	return slices.DeleteFunc(slices.Clone(timeouts), known.Has)
}

// Forget drops what is known of an object.
func (a *announced) Forget(uid types.UID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.timeouts, uid)
}
