package status

import (
	"fmt"
	"time"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/lifecycle"
)

// scheduleValid tells whether the spec can be acted upon.
func scheduleValid(in Input) verdict {
	if invalid := in.Observation.Object.Invalid; invalid != nil {
		return problem(invalid, v1alpha1.ScheduleInvalidReason)
	}
	if from := in.Observation.Schedule.OverrideFrom; !from.IsZero() {
		return yes(v1alpha1.OverrideBoundedReason, "spec.schedule.override ends later than the manager's --max-override allows: it counts from "+stamp(from))
	}
	return yes(v1alpha1.ScheduleValidReason, "The spec is valid")
}

// scheduled tells whether the machine is wanted now.
func scheduled(in Input) verdict {
	object := in.Observation.Object
	held := lifecycle.HeldUntil(in.Decision.RecentReclaims)
	switch {
	case object.KillSwitch:
		return no(v1alpha1.ScheduledKillSwitchReason, "spec.killSwitch is true")
	case !object.Enabled:
		return no(v1alpha1.ScheduledDisabledReason, "spec.schedule.enabled is false")
	case object.Invalid != nil:
		return open(v1alpha1.ScheduledUnknownReason, "The spec is not valid; see the condition "+v1alpha1.ScheduleValidCondition)
	case in.Observation.ScheduleUnknown != nil:
		return open(v1alpha1.ScheduledUnknownReason, in.Observation.ScheduleUnknown.Message)
	case in.Observation.Schedule.Provision && in.Observation.Now.Before(held):
		return no(v1alpha1.ScheduledLoopProtectionReason,
			"Activation is held until "+stamp(held)+" after three or more emergency reclaims within 10 minutes")
	}
	return scheduleSays(in)
}

func scheduleSays(in Input) verdict {
	e := in.Observation.Schedule
	switch {
	case e.Active:
		return yes(causeReason(e.Cause, v1alpha1.ScheduledWindowOpenReason), causeText(in, "Active", e.NextCleanup))
	case e.Provision:
		return yes(v1alpha1.ScheduledLeadTimeReason, "A window opens at "+stamp(e.NextActivation)+", which is within spec.schedule.leadTime")
	default:
		return no(causeReason(e.Cause, v1alpha1.ScheduledWindowClosedReason), causeText(in, "Inactive", e.NextActivation))
	}
}

func causeReason(cause v1alpha1.TransitionCause, window string) string {
	switch cause {
	case v1alpha1.CauseException:
		return v1alpha1.ScheduledExceptionReason
	case v1alpha1.CauseCalendar:
		return v1alpha1.ScheduledCalendarReason
	case v1alpha1.CauseOverride:
		return v1alpha1.ScheduledOverrideReason
	case v1alpha1.CauseWindow:
	}
	return window
}

func causeText(in Input, state string, until time.Time) string {
	e := in.Observation.Schedule
	text := state + " by " + map[v1alpha1.TransitionCause]string{
		v1alpha1.CauseException: "an exception of the schedule",
		v1alpha1.CauseCalendar:  "an exception of the MachineCalendar",
		v1alpha1.CauseOverride:  "spec.schedule.override",
	}[e.Cause]
	if causeReason(e.Cause, "") == "" {
		text = state + " by the windows of the schedule"
	}
	if e.Reason != "" {
		text += fmt.Sprintf(" (%.128q)", e.Reason)
	}
	if until.IsZero() {
		return text
	}
	return text + " until " + stamp(until)
}
