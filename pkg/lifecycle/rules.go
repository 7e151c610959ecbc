package lifecycle

import (
	"slices"

	"github.com/finos/five-spot/api/v1alpha1"
)

// rule is one row of the table in docs/lifecycle.md.
type rule struct {
	name   Rule
	holds  func(Observation) bool
	decide func(Observation) Decision
}

// rules are all rules in the order in which they are tried.
func rules() []rule {
	return []rule{
		{RulePaused, isPaused, stayPaused},
		{RuleDeleting, isDeleting, removeForGood},
		{RuleKillSwitch, isKilled, removeAtOnce},
		{RuleEmergencyReclaim, isReclaimed, giveBack},
		{RuleDisabled, isDisabled, removeDisabled},
		{RuleClusterGoing, isClusterGoing, removeFromCluster},
		{RuleInvalid, isInvalid, standStill},
		{RuleScheduleUnknown, isScheduleUnknown, holdPresent},
		{RuleWindowOpen, isWindowOpen, provide},
		{RuleWindowClosed, always, removeOutOfSchedule},
	}
}

// Decide tells what becomes of a ScheduledMachine. It changes nothing in o and
// decides the same for the same observation.
func Decide(o Observation) Decision {
	o.Object.Shutdown = settledShutdown(o)
	list := rules()
	first := list[slices.IndexFunc(list, func(r rule) bool { return r.holds(o) })]
	decision := first.decide(o)
	decision.Rule = first.name
	decision = withReminder(o, decision)
	decision.Message = bounded(decision.Message)
	if decision.RecentReclaims == nil {
		decision.RecentReclaims = slices.Clone(o.Object.RecentReclaims)
	}
	return decision
}

func always(Observation) bool { return true }

func isPaused(o Observation) bool { return o.Pause.Active() && !o.Object.KillSwitch }

// stayPaused leaves everything as it is, the clocks included: the time of the
// pause is added to them by the first decision after it.
func stayPaused(o Observation) Decision {
	reason, message := v1alpha1.PausedReason, "Paused by the annotation cluster.x-k8s.io/paused"
	if !o.Pause.Object {
		reason, message = v1alpha1.ClusterPausedReason, "Paused by spec.paused of the Cluster"
	}
	return Decision{Phase: o.Object.Phase, Reason: reason, Message: message, Shutdown: o.Object.Shutdown}
}

func isDeleting(o Observation) bool { return !o.Object.DeletedAt.IsZero() }

func removeForGood(o Observation) Decision {
	r := removal{
		reason:    v1alpha1.ShutdownDeleted,
		rest:      shown{v1alpha1.PhaseShuttingDown, v1alpha1.ReadyShuttingDownReason, "The ScheduledMachine is deleted and its Machine is gone"},
		cause:     "The ScheduledMachine is being deleted",
		limit:     deletionLimit(o),
		immediate: o.Object.KillSwitch || isReclaimed(o),
	}
	if o.Object.KillSwitch {
		r.reason = v1alpha1.ShutdownKillSwitch
	}
	return withFinalizer(o, r.decide(o))
}

func isKilled(o Observation) bool { return o.Object.KillSwitch }

func removeAtOnce(o Observation) Decision {
	r := removal{
		reason:    v1alpha1.ShutdownKillSwitch,
		underWay:  shown{phase: v1alpha1.PhaseTerminated, reason: v1alpha1.ReadyTerminatedReason},
		rest:      shown{v1alpha1.PhaseTerminated, v1alpha1.ReadyTerminatedReason, "The kill switch is on and there is no Machine"},
		cause:     "The kill switch is on",
		immediate: true,
	}
	if o.Pause.Cluster {
		r.cause = "The kill switch is on, but Cluster API ignores the deletion of the Machine while spec.paused of the Cluster is true"
	}
	return withScheduleDisabled(o, r.decide(o))
}

// isReclaimed trusts a request only on a Node that the status already names: a
// Node that has just appeared may still carry the request of its earlier life.
func isReclaimed(o Observation) bool {
	requested := o.Machine.Exists && o.Object.HasNodeRef && o.Node.Exists && o.Node.ReclaimRequested
	return requested || reclaimUnderWay(o)
}

func giveBack(o Observation) Decision {
	switch {
	case !reclaimUnderWay(o):
		return beginReclaim(o)
	case forcedDrainPossible(o):
		return withScheduleDisabled(o, drainForced(o))
	default:
		return withScheduleDisabled(o, withReclaimForgotten(o, reclaimRemoval(o).decide(o)))
	}
}

func isDisabled(o Observation) bool { return !o.Object.Enabled }

func removeDisabled(o Observation) Decision {
	return removal{
		reason: v1alpha1.ShutdownDisabled,
		rest:   shown{v1alpha1.PhaseDisabled, v1alpha1.ReadyDisabledReason, "spec.schedule.enabled is false"},
		cause:  "spec.schedule.enabled is false",
		limit:  o.Object.GracefulShutdownTimeout,
	}.decide(o)
}

func isClusterGoing(o Observation) bool { return o.Cluster.Deleting }

func removeFromCluster(o Observation) Decision {
	return removal{
		reason: v1alpha1.ShutdownClusterDeleting,
		rest:   shown{v1alpha1.PhaseInactive, v1alpha1.ReadyWaitingReason, "The Cluster is being deleted: nothing is created in it any more"},
		cause:  "The Cluster is being deleted",
		limit:  o.Object.GracefulShutdownTimeout,
	}.decide(o)
}

func isInvalid(o Observation) bool { return o.Object.Invalid != nil || o.Machine.Foreign != "" }

// standStill touches nothing, except that a shutdown which is under way goes on.
func standStill(o Observation) Decision {
	problem := shown{v1alpha1.PhaseError, v1alpha1.ReadyErrorReason, standstill(o)}
	if o.Object.Shutdown != nil {
		return goOn(o, problem).decide(o)
	}
	return Decision{Phase: problem.phase, Reason: problem.reason, Message: problem.message, WakeAt: standstillRetry(o)}
}

func isScheduleUnknown(o Observation) bool { return o.ScheduleUnknown != nil }

// holdPresent keeps a machine that is there and creates none that is not.
func holdPresent(o Observation) Decision {
	switch {
	case o.Object.Shutdown != nil:
		return goOn(o, unknown(o, v1alpha1.PhaseInactive)).decide(o)
	case o.Machine.Exists && !o.Machine.Deleting:
		return holdMachine(o)
	default:
		return holdAbsence(o)
	}
}

func isWindowOpen(o Observation) bool { return o.Schedule.Provision }

func provide(o Observation) Decision {
	switch {
	case o.Now.Before(HeldUntil(o.Object.RecentReclaims)):
		return holdActivation(o)
	case o.Machine.Exists && o.Machine.Deleting:
		return awaitGone(o)
	case o.Machine.Exists:
		return complete(o, keep(o))
	case o.Object.Shutdown != nil && !o.Machine.ConfirmedAbsent:
		return awaitConfirmation(o)
	default:
		return create(o)
	}
}

func removeOutOfSchedule(o Observation) Decision {
	cause := scheduleCause(o.Schedule)
	return removal{
		reason: v1alpha1.ShutdownWindowClosed,
		rest:   shown{v1alpha1.PhaseInactive, v1alpha1.ReadyInactiveReason, cause},
		cause:  cause,
		limit:  o.Object.GracefulShutdownTimeout,
	}.decide(o)
}
