package lifecycle

import (
	"time"

	"github.com/finos/five-spot/api/v1alpha1"
)

// shown is what a decision shows of itself.
type shown struct {
	phase   v1alpha1.Phase
	reason  string
	message string
}

// removal is how a rule takes the machine away.
type removal struct {
	// reason is persisted with the clocks.
	reason v1alpha1.ShutdownReason

	// underWay is shown while there is something to remove, ShuttingDown when it is
	// empty; rest when everything is gone.
	underWay, rest shown

	// cause says why, as the first half of every message.
	cause string

	// limit bounds the removal from the start of the shutdown.
	limit time.Duration

	// immediate leaves out drain and every other wait.
	immediate bool
}

// goOn is the removal that was begun, for rules that begin none themselves.
func goOn(o Observation, rest shown) removal {
	return removal{
		reason: o.Object.Shutdown.Reason,
		rest:   rest,
		cause:  rest.message,
		limit:  o.Object.GracefulShutdownTimeout,
	}
}

func (r removal) decide(o Observation) Decision {
	switch {
	case gone(o):
		return Decision{Phase: r.rest.phase, Reason: r.rest.reason, Message: r.rest.message, WakeAt: wake(o)}
	case o.Object.Shutdown == nil:
		return r.begin(o)
	case !o.Machine.Exists:
		return r.finish(o)
	case o.Machine.Deleting:
		return r.hurry(o)
	default:
		return r.takeDown(o)
	}
}

// begin only persists the clock: were it acted upon at once, a crash before the
// status is written would start the timeouts anew.
func (r removal) begin(o Observation) Decision {
	d := r.step(o, "shutting down")
	d.Shutdown = newShutdown(o, r.reason)
	d.WakeAt = o.Now
	return d
}

// finish waits until nothing is left. A Machine that the cache does not show may
// still be there, so only an uncached read counts.
func (r removal) finish(o Observation) Decision {
	d := r.step(o, "making sure that the Machine is gone", recheck(o))
	if o.Machine.ConfirmedAbsent {
		d.Message = r.cause + "; deleting objects that no Machine adopted: " + names(o.Leftovers)
		d.Actions = []Action{{Kind: ActionDeleteLeftovers}}
	}
	return d
}

// hurry waits for a deletion that Cluster API is carrying out, and at the
// deadline makes it leave out what it may be waiting for.
func (r removal) hurry(o Observation) Decision {
	deadline := r.deadline(o)
	d := r.step(o, "waiting until the Machine is gone", deadline)
	late := !o.Now.Before(deadline)
	if (r.immediate || late) && !(o.Machine.SkipsDrain && o.Machine.SkipsVolumeDetach) {
		d.Actions = []Action{deletion(true, true)}
		if !r.immediate {
			d.Timeouts = []Timeout{TimeoutShutdown}
		}
	}
	return d
}

// takeDown brings a Machine that runs to its deletion.
func (r removal) takeDown(o Observation) Decision {
	clocks := o.Object.Shutdown
	switch {
	case r.immediate:
		return r.delete(o, "deleting the Machine without drain", deletion(true, true))
	case !o.Now.Before(r.deadline(o)):
		return r.timedOut(o, TimeoutShutdown, "gracefulShutdownTimeout has passed")
	case nothingToDrain(o):
		return r.delete(o, "deleting the Machine, which has no Node", deletion(false, false))
	case clocks.Drained:
		return r.delete(o, "the Node is drained; deleting the Machine", deletion(true, false))
	case drainTimedOut(o):
		return r.timedOut(o, TimeoutDrain, "nodeDrainTimeout has passed")
	default:
		return r.drain(o)
	}
}

// drain takes the next step towards an empty Node.
func (r removal) drain(o Observation) Decision {
	deadline := earliest(o.Now, r.deadline(o), drainDeadline(o))
	switch {
	case !inReach(o):
		return r.step(o, outOfReach(o)+": the Machine is deleted without drain at "+stamp(deadline), deadline)
	case o.Object.Shutdown.DrainStartedAt == nil:
		return r.beginDrain(o)
	default:
		d := r.step(o, "draining Node "+quoted(o.Node.Name)+" until "+stamp(deadline)+" at the latest", deadline)
		d.Actions = []Action{{Kind: ActionDrainNode}}
		return d
	}
}

// beginDrain only persists the clock, as begin does.
func (r removal) beginDrain(o Observation) Decision {
	d := r.step(o, "draining Node "+quoted(o.Node.Name))
	d.Shutdown.DrainStartedAt = clockNow(o)
	d.WakeAt = o.Now
	return d
}

func (r removal) timedOut(o Observation, timeout Timeout, what string) Decision {
	d := r.delete(o, what+"; deleting the Machine without further drain"+blockers(o.Object.Drain), deletion(true, true))
	d.Timeouts = []Timeout{timeout}
	return d
}

func (r removal) delete(o Observation, step string, action Action) Decision {
	d := r.step(o, step, r.deadline(o))
	d.Actions = []Action{action}
	return d
}

// step is a decision on the way, without effects, that wakes at the first of the
// given instants and of the schedule's next change.
func (r removal) step(o Observation, step string, wakes ...time.Time) Decision {
	underWay := r.underWay
	if underWay.phase == "" {
		underWay = shown{phase: v1alpha1.PhaseShuttingDown, reason: v1alpha1.ReadyShuttingDownReason}
	}
	return Decision{
		Phase:    underWay.phase,
		Reason:   underWay.reason,
		Message:  r.cause + "; " + step,
		Shutdown: continued(o.Object.Shutdown, r.reason),
		WakeAt:   wake(o, wakes...),
	}
}

// deadline is when the Machine is deleted without further waiting; zero where
// nothing is waited for.
func (r removal) deadline(o Observation) time.Time {
	if r.immediate {
		return time.Time{}
	}
	return after(o.Object.Shutdown, o.Object.Shutdown.StartedAt.Time, r.limit)
}

func deletion(skipDrain, skipVolumeDetach bool) Action {
	return Action{Kind: ActionDeleteMachine, SkipDrain: skipDrain, SkipVolumeDetach: skipVolumeDetach}
}

// nothingToDrain is whether the Machine has no Node: none ever joined, or the
// workload cluster says that it is gone.
func nothingToDrain(o Observation) bool {
	missing := o.Cluster.Reachable && o.Node.Known && !o.Node.Exists
	return !o.Machine.HasNodeRef || missing
}

// outOfReach is why the Node cannot be read or must not be changed.
func outOfReach(o Observation) string {
	if o.Node.Rival != "" {
		return "Machine " + quoted(o.Node.Rival) + " names the same Node"
	}
	return "the workload cluster cannot be reached"
}

// inReach is whether the Node can be read and changed.
func inReach(o Observation) bool {
	return o.Cluster.Reachable && o.Node.Known && o.Node.Exists
}
