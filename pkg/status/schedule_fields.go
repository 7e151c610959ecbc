package status

import "github.com/finos/five-spot/api/v1alpha1"

// maxTransitions bounds status.nextTransitions.
const maxTransitions = 5

// describeSchedule writes what the schedule says. Nothing is said while it cannot
// be evaluated, and nothing is foreseen while it is disabled: it will not change
// by itself then.
func describeSchedule(in Input, next *v1alpha1.ScheduledMachineStatus) {
	next.InSchedule, next.Window = nil, nil
	next.NextActivation, next.NextCleanup, next.NextTransitions = nil, nil, nil
	next.ResolvedSchedule = escaped(in.Facts.ResolvedSchedule, maxResolvedSchedule)
	if in.scheduleUnknown() {
		return
	}
	evaluation := in.Observation.Schedule
	next.InSchedule = new(evaluation.Active && in.Observation.Object.Enabled)
	if !in.Observation.Object.Enabled {
		return
	}
	next.Window = window(in)
	next.NextActivation = moment(evaluation.NextActivation)
	next.NextCleanup = moment(evaluation.NextCleanup)
	next.NextTransitions = transitions(in)
}

func (in Input) scheduleUnknown() bool {
	return in.Observation.Object.Invalid != nil || in.Observation.ScheduleUnknown != nil
}

func window(in Input) *v1alpha1.ScheduleWindow {
	start, end := in.Observation.Schedule.WindowStart, in.Observation.Schedule.WindowEnd
	if start.IsZero() && end.IsZero() {
		return nil
	}
	return &v1alpha1.ScheduleWindow{Start: moment(start), End: moment(end)}
}

func transitions(in Input) []v1alpha1.ScheduleTransition {
	foreseen := in.Observation.Schedule.Transitions
	var next []v1alpha1.ScheduleTransition
	for _, transition := range foreseen[:min(maxTransitions, len(foreseen))] {
		state := v1alpha1.ScheduleInactive
		if transition.Active {
			state = v1alpha1.ScheduleActive
		}
		next = append(next, v1alpha1.ScheduleTransition{
			Time: seconds(transition.Time), State: state, Cause: transition.Cause,
		})
	}
	return next
}
