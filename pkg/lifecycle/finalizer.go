package lifecycle

import "time"

// finalizerReserve is what the shutdown of a deleted ScheduledMachine leaves of
// --finalizer-timeout to Cluster API for the deletion itself.
const finalizerReserve = 2 * time.Minute

// deletionLimit is gracefulShutdownTimeout, or what --finalizer-timeout leaves of it.
func deletionLimit(o Observation) time.Duration {
	limit := o.Object.GracefulShutdownTimeout
	if o.Settings.FinalizerTimeout <= 0 {
		return limit
	}
	return max(0, min(limit, o.Settings.FinalizerTimeout-finalizerReserve))
}

// finalizerDeadline is when --finalizer-timeout passes; zero when it cannot.
func finalizerDeadline(o Observation) time.Time {
	if o.Object.Shutdown == nil || o.Settings.FinalizerTimeout <= 0 {
		return time.Time{}
	}
	start := later(o.Object.Shutdown.StartedAt.Time, o.Object.DeletedAt)
	return after(o.Object.Shutdown, start, o.Settings.FinalizerTimeout)
}

// withFinalizer lets the ScheduledMachine go when nothing is left, or when
// --finalizer-timeout has passed and Cluster API is sure to finish the job.
func withFinalizer(o Observation, d Decision) Decision {
	deadline := finalizerDeadline(o)
	switch {
	case gone(o):
		return released(o, d)
	case deadline.IsZero():
		return d
	case o.Now.Before(deadline):
		d.WakeAt = sooner(d.WakeAt, deadline)
		return d
	default:
		return overdue(o, d)
	}
}

// overdue forces the finalizer, but never before the DELETE of the Machine was
// accepted: from then on nothing is orphaned.
func overdue(o Observation, d Decision) Decision {
	d.Timeouts = append(d.Timeouts, TimeoutFinalizer)
	d.Message = "The deletion has taken longer than --finalizer-timeout; left: " + left(o)
	accepted := o.Machine.Deleting || (!o.Machine.Exists && o.Machine.ConfirmedAbsent)
	if o.Settings.ForceFinalizer && accepted {
		// What is still tried comes after it: it has failed for as long as this took,
		// and one effect that fails ends all that follow.
		d.Actions = append(released(o, Decision{}).Actions, d.Actions...)
	}
	return d
}

func released(o Observation, d Decision) Decision {
	if o.Object.HasFinalizer {
		d.Actions = append(d.Actions, Action{Kind: ActionReleaseFinalizer})
	}
	return d
}

// left names what is still there of the machine.
func left(o Observation) string {
	if o.Machine.Exists {
		return "the Machine and what it owns"
	}
	if len(o.Leftovers) > 0 {
		return names(o.Leftovers)
	}
	return "perhaps the Machine, whose absence is not confirmed"
}
