package lifecycle

import "time"

const (
	// boundarySlack is how long after a change of the schedule it is looked at, so
	// that a timer that fires early does not see the old state.
	boundarySlack = 100 * time.Millisecond

	// recheckAfter is how soon something is looked at again that no event tells
	// about: the absence of a Machine and objects on their way out. What takes long
	// is looked at less often, down to once in maxRecheckAfter.
	recheckAfter    = 2 * time.Second
	maxRecheckAfter = 30 * time.Second

	// referencesRecheckAfter is how soon Secrets, rights and kinds are looked at
	// again; no watch tells about them.
	referencesRecheckAfter = 30 * time.Second

	// foreignRecheckAfter is how soon an object that is in the way is looked at again.
	foreignRecheckAfter = time.Minute
)

// recheck is when to look again for the end of a shutdown: a thirtieth of what it has
// taken so far.
func recheck(o Observation) time.Time {
	taken := o.Now.Sub(o.Object.Shutdown.StartedAt.Time)
	return o.Now.Add(min(max(taken/30, recheckAfter), maxRecheckAfter))
}

// wake is the first instant after now among those given and the schedule's next
// change; zero when there is none.
func wake(o Observation, instants ...time.Time) time.Time {
	if o.Object.Invalid == nil && o.ScheduleUnknown == nil && !o.Schedule.NextChange.IsZero() {
		instants = append(instants, o.Schedule.NextChange.Add(boundarySlack))
	}
	return earliest(o.Now, instants...)
}

// earliest is the first of the instants that lies after now; zero when none does.
func earliest(now time.Time, instants ...time.Time) time.Time {
	var first time.Time
	for _, instant := range instants {
		if instant.After(now) {
			first = sooner(first, instant)
		}
	}
	return first
}

// sooner is the first of two instants, of which a zero one does not count.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
