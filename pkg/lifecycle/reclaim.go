package lifecycle

import (
	"slices"
	"time"

	"github.com/finos/five-spot/api/v1alpha1"
)

const (
	// forcedDrainTimeout bounds the drain of a Node that is being reclaimed.
	forcedDrainTimeout = time.Minute

	// maxRecentReclaims is how many reclaims are remembered.
	maxRecentReclaims = 10

	// loopReclaims reclaims within loopWindow hold activation for loopHold.
	loopReclaims = 3
	loopWindow   = 10 * time.Minute
	loopHold     = 30 * time.Minute
)

// HeldUntil is until when activation is held because of too many reclaims in a
// short time; zero when it is not. The reclaims are given oldest first.
func HeldUntil(reclaims []time.Time) time.Time {
	var until time.Time
	for i := range reclaims {
		if RapidReclaim(reclaims[:i+1]) {
			until = later(until, reclaims[i].Add(loopHold))
		}
	}
	return until
}

// RapidReclaim is whether the last reclaim is at least the third within ten
// minutes. The reclaims are given oldest first.
func RapidReclaim(reclaims []time.Time) bool {
	last := len(reclaims) - 1
	first := last - (loopReclaims - 1)
	return first >= 0 && reclaims[last].Sub(reclaims[first]).Abs() <= loopWindow
}

func reclaimUnderWay(o Observation) bool {
	return o.Object.Shutdown != nil && o.Object.Shutdown.Reason == v1alpha1.ShutdownEmergencyReclaim
}

func reclaimRemoval(o Observation) removal {
	cause := "The Node asked to be reclaimed"
	if o.Node.ReclaimReason != "" {
		cause += " (" + quoted(o.Node.ReclaimReason) + ")"
	}
	return removal{
		reason:   v1alpha1.ShutdownEmergencyReclaim,
		underWay: shown{phase: v1alpha1.PhaseEmergencyRemove, reason: v1alpha1.ReadyReclaimingReason},
		rest: shown{
			v1alpha1.PhaseDisabled, v1alpha1.ReadyDisabledReason,
			"The Node asked to be reclaimed and is; set spec.schedule.enabled to true to let it join again",
		},
		cause:     cause,
		immediate: true,
	}
}

// beginReclaim only persists the reason and the time. Earlier pauses no longer
// count: the limits from here on run from now.
func beginReclaim(o Observation) Decision {
	d := reclaimRemoval(o).step(o, "removing the machine")
	d.Shutdown = newShutdown(o, v1alpha1.ShutdownEmergencyReclaim)
	d.Shutdown.PausedSeconds = 0
	reclaims := append(slices.Clone(o.Object.RecentReclaims), clockNow(o).Time)
	d.RecentReclaims = reclaims[max(0, len(reclaims)-maxRecentReclaims):]
	d.WakeAt = o.Now
	return d
}

// withScheduleDisabled keeps the schedule from bringing a reclaimed machine back,
// before anything else is done. Should that fail for longer than a forced drain may
// take, or nothing may wait, it comes last instead, so that it holds nothing up.
func withScheduleDisabled(o Observation, d Decision) Decision {
	if !reclaimUnderWay(o) || !o.Object.Enabled {
		return d
	}
	deadline, disable := forcedDrainDeadline(o), Action{Kind: ActionDisableSchedule}
	if o.Object.KillSwitch || !o.Now.Before(deadline) {
		d.Actions = append(d.Actions, disable)
		return d
	}
	d.Actions = append([]Action{disable}, d.Actions...)
	d.WakeAt = sooner(d.WakeAt, deadline)
	return d
}

// withReclaimForgotten clears the request from a Node that outlives its Machine.
func withReclaimForgotten(o Observation, d Decision) Decision {
	if gone(o) && inReach(o) && o.Node.ReclaimRequested {
		d.Actions = append(d.Actions, Action{Kind: ActionForgetReclaim})
	}
	return d
}

// forcedDrainPossible is whether there is a Node to drain and time left.
func forcedDrainPossible(o Observation) bool {
	running := o.Machine.Exists && !o.Machine.Deleting && o.Machine.HasNodeRef
	return running && inReach(o) && !o.Object.Shutdown.Drained && o.Now.Before(forcedDrainDeadline(o))
}

func forcedDrainDeadline(o Observation) time.Time {
	start := o.Object.Shutdown.StartedAt.Time
	if reclaims := o.Object.RecentReclaims; len(reclaims) > 0 {
		start = later(start, reclaims[len(reclaims)-1])
	}
	return after(o.Object.Shutdown, start, forcedDrainTimeout)
}

func drainForced(o Observation) Decision {
	r := reclaimRemoval(o)
	if o.Object.Shutdown.DrainStartedAt == nil {
		return r.beginDrain(o)
	}
	deadline := forcedDrainDeadline(o)
	d := r.step(o, "draining Node "+quoted(o.Node.Name)+" without regard to PodDisruptionBudgets until "+stamp(deadline)+" at the latest", deadline)
	d.Actions = []Action{{Kind: ActionDrainNode, Forced: true, Until: deadline}}
	return d
}
