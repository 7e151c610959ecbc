package lifecycle

import "time"

const (
	// reminderRetry is how long Cluster API gets to notice a reminder. It may have been
	// looking at a Cluster that, for its cache, was still paused.
	reminderRetry = time.Minute

	// reminderEnd is how long after the end of a pause Cluster API is reminded of it at
	// most. After this time it looks at every Machine by itself.
	reminderEnd = 10 * time.Minute
)

// withReminder has Cluster API look at a Machine that it left alone during a pause.
// Cluster API does not watch the end of a pause, so that what it was to do with the
// Machine would wait until it looks at all of them again.
func withReminder(o Observation, d Decision) Decision {
	standing := d.Rule == RulePaused || (d.Rule == RuleInvalid && o.Object.Shutdown == nil)
	if standing || !forgotten(o) {
		return d
	}
	ended := pauseEnded(o)
	retry := o.Machine.RemindedAt.Add(reminderRetry)
	switch {
	case o.Machine.RemindedAt.Before(ended):
	case !o.Now.Before(ended.Add(reminderEnd)):
		return d
	case o.Now.Before(retry):
		d.WakeAt = sooner(d.WakeAt, retry)
		return d
	}
	d.Actions = append(d.Actions, Action{Kind: ActionRemindClusterAPI})
	return d
}

// forgotten is whether Cluster API still takes a Machine for paused that nobody pauses
// and that it has something to do with. One that runs can wait.
func forgotten(o Observation) bool {
	busy := o.Machine.Deleting || !o.Machine.HasNodeRef
	return o.Machine.Exists && o.Machine.StillPaused && busy && o.Cluster.Exists && !o.Pause.Cluster
}

// pauseEnded is when the last pause was first observed to be over; zero when there has
// been none.
func pauseEnded(o Observation) time.Time {
	if !o.Pause.Active() && !o.Pause.Since.IsZero() {
		return o.Now
	}
	return o.Pause.Ended
}
