package schedule

import "time"

// Evaluate returns all that the schedule says at now. Times are in UTC. An
// override has no beginning, so that a window which it opened has no known start, but
// for one that WithMaxOverride holds back.
func (s *Schedule) Evaluate(now time.Time) Evaluation {
	t := now.Unix()
	v := s.at(t)
	changes := s.changes(t)

	e := Evaluation{
		Active:      v.active,
		Provision:   v.active,
		Cause:       v.cause,
		Reason:      v.reason,
		Transitions: make([]Transition, 0, len(changes)),
	}
	if t < s.override.from {
		e.OverrideFrom = instant(s.override.from)
	}
	for _, c := range changes {
		e.foresee(c.transition())
	}
	if v.active {
		e.WindowStart, e.WindowEnd = instant(s.since(t)), e.NextCleanup
	} else {
		e.WindowStart = e.NextActivation
		if len(changes) > 1 {
			e.WindowEnd = e.Transitions[1].Time
		}
	}
	if len(changes) > 0 {
		e.NextChange = e.Transitions[0].Time
		s.anticipate(&e, t, changes[0])
	}
	return e
}

// changes returns the next MaxTransitions changes after t.
func (s *Schedule) changes(t int64) []change {
	changes := make([]change, 0, MaxTransitions)
	for len(changes) < MaxTransitions {
		c, ok := s.change(t)
		if !ok {
			break
		}
		changes = append(changes, c)
		t = c.at
	}
	return changes
}

// foresee adds a transition.
func (e *Evaluation) foresee(t Transition) {
	e.Transitions = append(e.Transitions, t)
	switch {
	case t.Active && e.NextActivation.IsZero():
		e.NextActivation = t.Time
	case !t.Active && e.NextCleanup.IsZero():
		e.NextCleanup = t.Time
	}
}

// anticipate applies the lead time before the first change, if that is an
// activation. Lead time never reaches back over an exception or an override: where
// one that is Inactive lies in between, it begins when that ends.
func (s *Schedule) anticipate(e *Evaluation, t int64, first change) {
	if !first.active {
		return
	}
	lead := max(first.at-s.lead, first.leadFrom)
	if lead <= t {
		e.Provision = true
		return
	}
	e.NextChange = instant(lead)
}

// instant converts Unix seconds; ever and never become the zero time.
func instant(t int64) time.Time {
	if t <= ever || t >= never {
		return time.Time{}
	}
	return time.Unix(t, 0).UTC()
}
