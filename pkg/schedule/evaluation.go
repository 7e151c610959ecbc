package schedule

import (
	"time"

	"github.com/finos/five-spot/api/v1alpha1"
)

// Evaluation is what a schedule says at one instant. It is a value: the lifecycle
// decides on it without knowing how it came about.
type Evaluation struct {
	// Active is whether the schedule is active. Lead time does not count.
	Active bool

	// Provision is whether the machine should be there: the schedule is active, or
	// becomes active within the lead time.
	Provision bool

	// Cause is the rule that decides, and Reason its text where the user gave one.
	Cause  v1alpha1.TransitionCause
	Reason string

	// WindowStart and WindowEnd are the active span that now lies in, or else the
	// next one; zero where it is not known or has no end in sight.
	WindowStart, WindowEnd time.Time

	// NextActivation and NextCleanup are the next changes to active and to
	// inactive; zero when there is none in sight.
	NextActivation, NextCleanup time.Time

	// Transitions are the next changes of Active, soonest first, at most
	// MaxTransitions.
	Transitions []Transition

	// OverrideFrom is when an override that ends too far ahead begins to count; zero
	// when there is none, or it counts.
	OverrideFrom time.Time

	// NextChange is the next instant at which Active or Provision changes; zero
	// when there is none in sight.
	NextChange time.Time
}

// MaxTransitions is how many changes an Evaluation foresees.
const MaxTransitions = 5

// Transition is a change of a schedule.
type Transition struct {
	Time   time.Time
	Active bool
	Cause  v1alpha1.TransitionCause
}
