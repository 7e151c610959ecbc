package scheduledmachine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/lifecycle"
)

// Reasons of events. They are listed in docs/reference/events.md.
const (
	eventKillSwitchActivated      = "KillSwitchActivated"
	eventEmergencyReclaim         = "EmergencyReclaim"
	eventReclaimDisabledSchedule  = "EmergencyReclaimDisabledSchedule"
	eventRapidReReclaim           = "RapidReReclaim"
	eventShutdownStarted          = "ShutdownStarted"
	eventShutdownCancelled        = "ShutdownCancelled"
	eventShutdownTimedOut         = "ShutdownTimedOut"
	eventNodeDrained              = "NodeDrained"
	eventMachineCreated           = "MachineCreated"
	eventMachineActive            = "MachineActive"
	eventMachineDeleted           = "MachineDeleted"
	eventMachineGone              = "MachineGone"
	eventJoinTimedOut             = "JoinTimedOut"
	eventFinalizerCleanupTimedOut = "FinalizerCleanupTimedOut"
	eventSpecInvalid              = "SpecInvalid"
	eventSpecValid                = "SpecValid"
	eventPaused                   = "Paused"
	eventResumed                  = "Resumed"
)

// announcement is one event to be.
type announcement struct {
	eventType string
	reason    string
	action    string
	note      string
}

func normal(reason, action, note string) announcement {
	return announcement{corev1.EventTypeNormal, reason, action, note}
}

func warning(reason, action, note string) announcement {
	return announcement{corev1.EventTypeWarning, reason, action, note}
}

// change is what one pass made of an object.
type change struct {
	before, after *v1alpha1.ScheduledMachineStatus
	object        *v1alpha1.ScheduledMachine
	machine       lifecycle.Machine
	decision      lifecycle.Decision
	outcomes      []lifecycle.Outcome

	// timeouts are those of the decision that were not announced before.
	timeouts []lifecycle.Timeout

	reconcileID string
}

// announcements are the events for a change: transitions only, so that the same
// state is never told twice.
func announcements(c change) []announcement {
	var all []announcement
	all = append(all, announceBeginning(c)...)
	all = append(all, announceOutcomes(c)...)
	all = append(all, announceTimeouts(c)...)
	all = append(all, announceMachine(c)...)
	return append(all, announceConditions(c)...)
}

// announceBeginning tells that the kill switch, a reclaim or a shutdown began, or
// that a shutdown was called off.
func announceBeginning(c change) []announcement {
	switch {
	case c.killSwitchActivated():
		return []announcement{warning(eventKillSwitchActivated, "Remove",
			fmt.Sprintf("The kill switch is on, set by field manager %q (reconcile %s): removing the machine without drain",
				killSwitchManager(c.object), c.reconcileID))}
	case c.reclaimBegun():
		all := []announcement{warning(eventEmergencyReclaim, "Reclaim", c.decision.Message)}
		if c.rapidReReclaim() {
			all = append(all, warning(eventRapidReReclaim, "Reclaim",
				"The Node asked to be reclaimed three times within ten minutes: activation is held for thirty minutes; end the program that conflicts before enabling the schedule again"))
		}
		return all
	case c.shutdownBegun():
		return []announcement{normal(eventShutdownStarted, "ShutDown", c.decision.Message+c.closedWindow())}
	case c.before.Shutdown != nil && c.after.Shutdown == nil && c.machine.Exists && !c.machine.Deleting:
		return []announcement{normal(eventShutdownCancelled, "Keep", "The machine stays: "+c.decision.Message)}
	}
	return nil
}

// killSwitchActivated is whether the kill switch took effect just now, also on an
// object that is being deleted already.
func (c change) killSwitchActivated() bool {
	switch c.decision.Rule { //nolint:exhaustive // No other rule heeds the kill switch.
	case lifecycle.RuleKillSwitch:
		return c.before.Phase != v1alpha1.PhaseTerminated
	case lifecycle.RuleDeleting:
		return isKilled(c.after.Shutdown) && !isKilled(c.before.Shutdown) && c.before.Phase != v1alpha1.PhaseTerminated
	}
	return false
}

func isKilled(shutdown *v1alpha1.ShutdownStatus) bool {
	return shutdown != nil && shutdown.Reason == v1alpha1.ShutdownKillSwitch
}

func (c change) shutdownBegun() bool { return c.before.Shutdown == nil && c.after.Shutdown != nil }

// closedWindow names the window that has just closed, as the last status knew it.
func (c change) closedWindow() string {
	window, shutdown := c.before.Window, c.after.Shutdown
	if shutdown.Reason != v1alpha1.ShutdownWindowClosed || window == nil || window.Start == nil || window.End == nil ||
		shutdown.StartedAt.Before(window.End) {
		return ""
	}
	return fmt.Sprintf(" (the window from %s to %s has closed)", window.Start.UTC().Format(time.RFC3339), window.End.UTC().Format(time.RFC3339))
}

func (c change) reclaimBegun() bool {
	return len(c.after.RecentReclaims) > 0 &&
		(len(c.before.RecentReclaims) == 0 || !slices.Equal(c.before.RecentReclaims, c.after.RecentReclaims))
}

func (c change) rapidReReclaim() bool {
	times := make([]time.Time, 0, len(c.after.RecentReclaims))
	for i := range c.after.RecentReclaims {
		times = append(times, c.after.RecentReclaims[i].Time)
	}
	return lifecycle.RapidReclaim(times)
}

// announceOutcomes tells what was written.
func announceOutcomes(c change) []announcement {
	var all []announcement
	for i := range c.outcomes {
		outcome := &c.outcomes[i]
		if !outcome.Changed {
			continue
		}
		switch outcome.Action.Kind {
		case lifecycle.ActionEnsureMachine:
			if outcome.State == lifecycle.OutcomeDone {
				all = append(all, normal(eventMachineCreated, "Create", "Created Machine "+c.object.Name+": "+c.decision.Message))
			}
		case lifecycle.ActionDeleteMachine:
			if c.machine.Deleting {
				continue // It was only hurried.
			}
			all = append(all, normal(eventMachineDeleted, "Delete", "Deleted Machine "+c.object.Name+": "+c.decision.Message))
		case lifecycle.ActionDisableSchedule:
			all = append(all, normal(eventReclaimDisabledSchedule, "Disable",
				"Set spec.schedule.enabled to false, so that the machine stays with its owner; set it to true to let it join again"))
		case lifecycle.ActionDrainNode:
			if outcome.Drained {
				all = append(all, normal(eventNodeDrained, "Drain", fmt.Sprintf("Every Pod that had to leave the Node has left it, %d in all", outcome.Drain.PodsTotal)))
			}
		case lifecycle.ActionResetNode, lifecycle.ActionApplyTaints, lifecycle.ActionArmReclaimAgent,
			lifecycle.ActionUncordonNode, lifecycle.ActionDeleteLeftovers,
			lifecycle.ActionForgetReclaim, lifecycle.ActionReleaseFinalizer, lifecycle.ActionRemindClusterAPI:
		}
	}
	return all
}

func announceTimeouts(c change) []announcement {
	var all []announcement
	for _, timeout := range c.timeouts {
		switch timeout {
		case lifecycle.TimeoutDrain, lifecycle.TimeoutShutdown:
			all = append(all, warning(eventShutdownTimedOut, "ShutDown",
				fmt.Sprintf("%s has passed: removing the machine without further waiting%s", timeout, cutOff(c.before.Drain))))
		case lifecycle.TimeoutFinalizer:
			all = append(all, warning(eventFinalizerCleanupTimedOut, "Delete", "--finalizer-timeout has passed: "+c.decision.Message))
		case lifecycle.TimeoutJoin:
			all = append(all, warning(eventJoinTimedOut, "Join", "--join-timeout has passed: "+c.decision.Message))
		}
	}
	return all
}

// told is whether the last status told of a timeout already, so that a restart does
// not announce it again. Those of a shutdown end with what they lead to.
func (c change) told(timeout lifecycle.Timeout) bool {
	lasting := timeout == lifecycle.TimeoutJoin || timeout == lifecycle.TimeoutFinalizer
	return lasting && c.before.Phase == c.after.Phase && c.before.Message == c.after.Message
}

// cutOff tells what is left on the Node. Pods that take long to end block nothing, and
// are only counted.
func cutOff(drain *v1alpha1.DrainStatus) string {
	if drain == nil || drain.PodsRemaining == 0 {
		return ""
	}
	text := fmt.Sprintf("; %d of %d Pods remain", drain.PodsRemaining, drain.PodsTotal)
	if len(drain.BlockedBy) > 0 {
		text += ", still there: " + strings.Join(drain.BlockedBy, "; ")
	}
	return text
}

func announceMachine(c change) []announcement {
	var all []announcement
	if c.becameActive() {
		note := "The Machine is running and its Node is Ready"
		if c.after.NodeRef != nil {
			note = "The Machine is running and its Node " + c.after.NodeRef.Name + " is Ready"
		}
		all = append(all, normal(eventMachineActive, "Join", note))
	}
	if c.before.MachineRef != nil && c.after.MachineRef == nil {
		all = append(all, normal(eventMachineGone, "Delete", "Machine "+c.before.MachineRef.Name+" is gone"))
	}
	return all
}

func (c change) becameActive() bool {
	return c.after.Phase == v1alpha1.PhaseActive && c.before.Phase != v1alpha1.PhaseActive && c.before.Phase != v1alpha1.PhaseShuttingDown
}

// joined is whether the Machine is up for the first time, and not merely shown as
// such again.
func (c change) joined() bool {
	known := meta.FindStatusCondition(c.before.Conditions, v1alpha1.MachineReadyCondition)
	wasUp := known != nil && known.Status == metav1.ConditionTrue && c.before.MachineRef != nil
	return c.becameActive() && !wasUp
}

func announceConditions(c change) []announcement {
	var all []announcement
	if condition := c.flipped(v1alpha1.ScheduleValidCondition); condition != nil {
		if condition.Status == metav1.ConditionFalse {
			all = append(all, warning(eventSpecInvalid, "Validate", condition.Message))
		} else if c.had(v1alpha1.ScheduleValidCondition) {
			all = append(all, normal(eventSpecValid, "Validate", "The spec is valid again"))
		}
	}
	if condition := c.flipped(v1alpha1.ReferencesValidCondition); condition != nil && condition.Status == metav1.ConditionFalse {
		all = append(all, warning(condition.Reason, "Resolve", condition.Message))
	}
	if condition := c.flipped(v1alpha1.NodeTaintedCondition); condition != nil && condition.Reason == v1alpha1.TaintOwnershipConflictReason {
		all = append(all, warning(condition.Reason, "Taint", condition.Message))
	}
	if condition := c.flipped(v1alpha1.PausedCondition); condition != nil {
		if condition.Status == metav1.ConditionTrue {
			all = append(all, normal(eventPaused, "Pause", condition.Message))
		} else if c.had(v1alpha1.PausedCondition) {
			all = append(all, normal(eventResumed, "Resume", "No longer paused"))
		}
	}
	return all
}

// flipped returns the condition if its status or reason changed; nil otherwise.
func (c change) flipped(conditionType string) *metav1.Condition {
	before := meta.FindStatusCondition(c.before.Conditions, conditionType)
	after := meta.FindStatusCondition(c.after.Conditions, conditionType)
	if after == nil || before != nil && before.Status == after.Status && before.Reason == after.Reason {
		return nil
	}
	return after
}

func (c change) had(conditionType string) bool {
	return meta.FindStatusCondition(c.before.Conditions, conditionType) != nil
}

// killSwitchManager is the field manager that last set the kill switch. It is a hint
// only: clients choose their name themselves.
func killSwitchManager(sm *v1alpha1.ScheduledMachine) string {
	manager, latest := "unknown", time.Time{}
	for i := range sm.ManagedFields {
		entry := &sm.ManagedFields[i]
		if entry.Subresource != "" || entry.FieldsV1 == nil || !strings.Contains(entry.FieldsV1.GetRawString(), `"f:killSwitch"`) {
			continue
		}
		if entry.Time == nil || entry.Time.Time.Before(latest) {
			continue
		}
		manager, latest = entry.Manager, entry.Time.Time
	}
	return manager
}
