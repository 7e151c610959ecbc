package lifecycle

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/finos/five-spot/api/v1alpha1"
)

// newShutdown starts the clock of a shutdown, or gives one that runs a new
// reason. The clock itself never starts anew.
func newShutdown(o Observation, reason v1alpha1.ShutdownReason) *v1alpha1.ShutdownStatus {
	if o.Object.Shutdown != nil {
		return continued(o.Object.Shutdown, reason)
	}
	return &v1alpha1.ShutdownStatus{StartedAt: *clockNow(o), Reason: reason}
}

// continued is a copy of a shutdown with another reason. A reclaim keeps its
// reason until the machine is gone.
func continued(shutdown *v1alpha1.ShutdownStatus, reason v1alpha1.ShutdownReason) *v1alpha1.ShutdownStatus {
	if shutdown == nil {
		return nil
	}
	next := shutdown.DeepCopy()
	if next.Reason != v1alpha1.ShutdownEmergencyReclaim {
		next.Reason = reason
	}
	return next
}

// clockNow is now in the whole seconds in which the API server keeps times, so
// that a decision equals what is read back.
func clockNow(o Observation) *metav1.Time {
	now := metav1.NewTime(o.Now.Truncate(time.Second))
	return &now
}

// settledShutdown is a copy of the persisted shutdown to which a pause that has
// just ended was added. It is rounded up: paused time never counts.
func settledShutdown(o Observation) *v1alpha1.ShutdownStatus {
	shutdown := o.Object.Shutdown.DeepCopy()
	if shutdown == nil || o.Pause.Active() || o.Pause.Since.IsZero() {
		return shutdown
	}
	since := later(o.Pause.Since, shutdown.StartedAt.Time)
	if paused := o.Now.Sub(since); paused > 0 {
		shutdown.PausedSeconds += int64((paused + time.Second - 1) / time.Second)
	}
	return shutdown
}

// after is the instant at which a timeout has passed that began at start, not
// counting the time for which the shutdown was paused.
func after(shutdown *v1alpha1.ShutdownStatus, start time.Time, timeout time.Duration) time.Time {
	return start.Add(time.Duration(shutdown.PausedSeconds)*time.Second + timeout)
}

// drainDeadline is when nodeDrainTimeout passes; zero while no drain has begun.
func drainDeadline(o Observation) time.Time {
	shutdown := o.Object.Shutdown
	if shutdown == nil || shutdown.DrainStartedAt == nil {
		return time.Time{}
	}
	return after(shutdown, shutdown.DrainStartedAt.Time, o.Object.NodeDrainTimeout)
}

func drainTimedOut(o Observation) bool {
	deadline := drainDeadline(o)
	return !deadline.IsZero() && !o.Now.Before(deadline)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
