package lifecycle

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/finos/five-spot/api/v1alpha1"
)

// invariant holds for every decision. Its check returns what is broken.
type invariant struct {
	name  string
	check func(Observation, Decision) string
}

func invariants() []invariant {
	return []invariant{
		{"nothing is both created and removed", neverBoth},
		{"the kill switch never creates and always removes", killSwitchRemoves},
		{"a paused object is left alone", pausedIsLeftAlone},
		{"the finalizer goes only when the Machine is gone or its deletion accepted", finalizerWaits},
		{"an invalid spec creates nothing and begins no shutdown", invalidStandsStill},
		{"clocks are kept while their shutdown lasts", clocksAreKept},
		{"a clock is persisted before it is acted upon", clocksComeFirst},
		{"rest is confirmed", restIsConfirmed},
		{"something wakes every decision that waits", somethingWakes},
		{"a running drain is bounded and its own", drainIsBounded},
		{"nothing is created where it cannot be", createsOnlyWhenPossible},
		{"a machine that is to stay keeps no shutdown", stayingIsClean},
		{"Cluster API is reminded only of a pause that is over", remindsInTime},
		{"an Error is never absorbing", errorRecovers},
		{"the phase is known and the message fits", describesItself},
		{"deciding twice decides the same", deterministic},
	}
}

func neverBoth(_ Observation, d Decision) string {
	creates := has(d, ActionEnsureMachine, ActionApplyTaints, ActionArmReclaimAgent, ActionUncordonNode)
	removes := shutsDown(d) || has(d, ActionDeleteLeftovers, ActionReleaseFinalizer)
	return brokenIf(creates && removes, "creates and removes")
}

func killSwitchRemoves(o Observation, d Decision) string {
	if !o.Object.KillSwitch {
		return ""
	}
	switch {
	case has(d, ActionEnsureMachine, ActionDrainNode):
		return "creates or drains"
	case d.Rule == RuleKillSwitch && d.Phase != v1alpha1.PhaseTerminated:
		return "phase is not Terminated"
	case o.Machine.Exists && o.Object.Shutdown != nil && !o.Machine.SkipsDrain && !d.Has(ActionDeleteMachine):
		return "does not delete a Machine that is there"
	}
	return brokenIf(slices.ContainsFunc(d.Actions, func(a Action) bool {
		return a.Kind == ActionDeleteMachine && !(a.SkipDrain && a.SkipVolumeDetach)
	}), "deletes with a wait")
}

func pausedIsLeftAlone(o Observation, d Decision) string {
	if !o.Pause.Active() || o.Object.KillSwitch {
		return ""
	}
	kept := (d.Shutdown == nil) == (o.Object.Shutdown == nil) && (d.Shutdown == nil || *d.Shutdown == *withSamePointer(d, o))
	return brokenIf(len(d.Actions) > 0 || d.Phase != o.Object.Phase || !d.WakeAt.IsZero() || !kept, "something happens")
}

// withSamePointer makes the clocks of o comparable with those of d.
func withSamePointer(d Decision, o Observation) *v1alpha1.ShutdownStatus {
	same := o.Object.Shutdown.DeepCopy()
	if same.DrainStartedAt != nil && d.Shutdown.DrainStartedAt.Equal(same.DrainStartedAt) {
		same.DrainStartedAt = d.Shutdown.DrainStartedAt
	}
	return same
}

func finalizerWaits(o Observation, d Decision) string {
	if !d.Has(ActionReleaseFinalizer) {
		return ""
	}
	forced := slices.Contains(d.Timeouts, TimeoutFinalizer) && o.Settings.ForceFinalizer
	absent := !o.Machine.Exists && o.Machine.ConfirmedAbsent
	switch {
	case o.Object.DeletedAt.IsZero() || !o.Object.HasFinalizer:
		return "nobody asked for it"
	case absent && (len(o.Leftovers) == 0 || forced):
		return ""
	}
	return brokenIf(!o.Machine.Deleting || !forced, "something is left")
}

func invalidStandsStill(o Observation, d Decision) string {
	if d.Rule != RuleInvalid && d.Rule != RuleScheduleUnknown {
		return ""
	}
	switch {
	case d.Has(ActionEnsureMachine):
		return "creates"
	case o.Object.Shutdown == nil && (d.Shutdown != nil || shutsDown(d) || d.Has(ActionDeleteLeftovers)):
		return "begins a shutdown"
	case o.Object.Shutdown != nil && !gone(o) && d.Shutdown == nil:
		return "ends a shutdown that is under way"
	}
	return brokenIf(d.Rule == RuleInvalid && len(d.Actions) > 0 && o.Object.Shutdown == nil, "touches something")
}

func clocksAreKept(o Observation, d Decision) string {
	before, now := o.Object.Shutdown, d.Shutdown
	if before == nil || now == nil {
		cancelled := d.Rule == RuleWindowOpen && o.Machine.Exists && !o.Machine.Deleting
		held := d.Rule == RuleScheduleUnknown
		return brokenIf(before != nil && now == nil && !gone(o) && !cancelled && !held && !o.Machine.ConfirmedAbsent, "a shutdown is forgotten")
	}
	switch {
	case !before.StartedAt.Equal(&now.StartedAt):
		return "startedAt changed"
	case before.DrainStartedAt != nil && !before.DrainStartedAt.Equal(now.DrainStartedAt):
		return "drainStartedAt changed"
	case before.Drained && !now.Drained:
		return "drained is forgotten"
	case before.Reason == reclaim && now.Reason != reclaim:
		return "a reclaim is forgotten"
	}
	begins := before.Reason != reclaim && now.Reason == reclaim
	return brokenIf(now.PausedSeconds < before.PausedSeconds && !begins, "paused time is forgotten")
}

func clocksComeFirst(o Observation, d Decision) string {
	before, now := o.Object.Shutdown, d.Shutdown
	begun := now != nil && (before == nil ||
		before.DrainStartedAt == nil && now.DrainStartedAt != nil ||
		before.Reason != reclaim && now.Reason == reclaim)
	if begun && (shutsDown(d) || d.Has(ActionDeleteLeftovers) || !d.WakeAt.Equal(o.Now)) {
		return "acts, or does not come back at once"
	}
	return brokenIf(before == nil && (shutsDown(d) || d.Has(ActionDeleteLeftovers)), "removes without a persisted clock")
}

func restIsConfirmed(o Observation, d Decision) string {
	resting := d.Phase == v1alpha1.PhaseInactive || d.Phase == v1alpha1.PhaseDisabled ||
		d.Phase == v1alpha1.PhaseTerminated && d.Shutdown == nil
	if d.Rule == RulePaused || !resting {
		return ""
	}
	confirmed := !o.Machine.Exists && (o.Machine.ConfirmedAbsent || o.Object.AtRest())
	return brokenIf(!confirmed || d.Shutdown != nil, "rests although something may be left")
}

// somethingWakes lists what may be waited for without a timer: an event on the
// ScheduledMachine (paused, invalid, at rest without a next change), its Machine or
// Node (on the way up or down), its Cluster or its calendar.
func somethingWakes(o Observation, d Decision) string {
	if !d.WakeAt.IsZero() {
		return brokenIf(d.WakeAt.Before(o.Now), "wakes in the past")
	}
	object := d.Rule == RulePaused || d.Rule == RuleInvalid || gone(o)
	machine := o.Machine.Exists || d.Has(ActionEnsureMachine)
	others := o.Cluster.Problem() != nil || d.Rule == RuleScheduleUnknown
	return brokenIf(!object && !machine && !others, "nothing wakes it")
}

func drainIsBounded(o Observation, d Decision) string {
	if !d.Has(ActionDrainNode) {
		return ""
	}
	last := d.Actions[len(d.Actions)-1]
	forced := last.Forced
	switch {
	case o.Machine.Deleting || !o.Machine.Exists || !inReach(o):
		return "drains what it must not"
	case forced != (d.Rule == RuleEmergencyReclaim):
		return "forces the wrong drain"
	case d.WakeAt.IsZero() || d.WakeAt.After(o.Now.Add(max(o.Object.NodeDrainTimeout, o.Object.GracefulShutdownTimeout))):
		return "drains without end"
	}
	endless := last.Until.After(o.Now.Add(forcedDrainTimeout)) || !last.Until.After(o.Now) || d.WakeAt.After(last.Until)
	return brokenIf(forced && endless, "forces for too long")
}

func createsOnlyWhenPossible(o Observation, d Decision) string {
	if !d.Has(ActionEnsureMachine) {
		return ""
	}
	impossible := o.Cluster.Problem() != nil || o.References != nil || HeldUntil(o.Object.RecentReclaims).After(o.Now) ||
		!o.Machine.Exists && o.Object.AtRest() || o.Machine.Deleting || o.Machine.HasNodeRef || !o.Machine.Exists && o.CreateNotBefore.After(o.Now)
	return brokenIf(d.Rule != RuleWindowOpen || d.Shutdown != nil || impossible, "creates")
}

func stayingIsClean(o Observation, d Decision) string {
	active := d.Phase == v1alpha1.PhaseActive && d.Rule != RulePaused
	if active && (d.Shutdown != nil || !o.Machine.Exists || o.Machine.Deleting) {
		return "is Active on its way out"
	}
	reset := d.Has(ActionResetNode)
	return brokenIf(reset && (d.Shutdown != nil || o.Object.HasNodeRef), "clears the marks of a Node that is known or leaving")
}

func remindsInTime(o Observation, d Decision) string {
	if !d.Has(ActionRemindClusterAPI) {
		return ""
	}
	busy := o.Machine.Deleting || !o.Machine.HasNodeRef
	return brokenIf(o.Pause.Cluster || !o.Machine.StillPaused || !busy, "reminds without need")
}

func errorRecovers(o Observation, d Decision) string {
	if d.Phase != v1alpha1.PhaseError || d.Rule == RulePaused {
		return ""
	}
	o.Object.Phase = v1alpha1.PhaseError
	o.Object.Invalid, o.Machine.Foreign = nil, ""
	mended := Decide(o)
	return brokenIf(mended.Phase == v1alpha1.PhaseError, "stays Error after its cause has gone")
}

func describesItself(_ Observation, d Decision) string {
	known := slices.Contains(v1alpha1.Phases(), d.Phase) || d.Rule == RulePaused
	switch {
	case !known:
		return fmt.Sprintf("phase %q", d.Phase)
	case d.Reason == "" || d.Message == "" || len(d.Message) > maxMessage || !utf8.ValidString(d.Message):
		return "reason or message"
	case strings.Contains(d.Message, "0001-01-01"):
		return "the message names an instant that is not known"
	}
	return ""
}

// deterministic also sees to it that the message has no running time in it.
func deterministic(o Observation, d Decision) string {
	if len(d.Actions) == 0 {
		return "" // Half of the walk is enough for what costs most.
	}
	if d.Message != Decide(o).Message {
		return "another message"
	}
	if d.WakeAt.IsZero() || d.WakeAt.Sub(o.Now) < 2*time.Millisecond || !o.Pause.Since.IsZero() {
		return ""
	}
	o.Now = o.Now.Add(time.Millisecond)
	return brokenIf(Decide(o).Message != d.Message, "the message changes with time")
}

func brokenIf(broken bool, how string) string {
	if broken {
		return how
	}
	return ""
}
