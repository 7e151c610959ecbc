package lifecycle

import (
	"time"

	"github.com/finos/five-spot/api/v1alpha1"
)

// create asks for the machine, once everything is there that it needs. A shutdown
// that was under way has come to its end.
//
// An object at rest is not looked behind for what it may have left. So leaving rest
// is written down before anything is created: a process that stops between creating
// and writing the status leaves nothing that nobody looks for.
func create(o Observation) Decision {
	if problem := o.Cluster.Problem(); problem != nil {
		return pending(v1alpha1.ReadyWaitingReason, problem.Message, wake(o))
	}
	if o.References != nil {
		return pending(v1alpha1.ReadyWaitingReason, o.References.Message, wake(o, o.Now.Add(referencesRecheckAfter)))
	}
	if o.Now.Before(o.CreateNotBefore) {
		message := "The Machine could not be created or kept; the next attempt is at " + stamp(o.CreateNotBefore)
		return pending(v1alpha1.MachineCreateBackOffReason, message, wake(o, o.CreateNotBefore))
	}
	d := pending(v1alpha1.ReadyProvisioningReason, scheduleCause(o.Schedule)+"; creating the Machine", wake(o))
	if o.Object.AtRest() {
		d.WakeAt = o.Now
		return d
	}
	d.Actions = []Action{{Kind: ActionEnsureMachine}}
	return d
}

func pending(reason, message string, wakeAt time.Time) Decision {
	return Decision{Phase: v1alpha1.PhasePending, Reason: reason, Message: message, WakeAt: wakeAt}
}

// keep looks after a Machine that is to stay, and cancels a shutdown that was
// under way.
func keep(o Observation) Decision {
	now := present(o)
	d := Decision{
		Phase:   now.phase,
		Reason:  now.reason,
		Message: now.message,
		Actions: upkeep(o),
		WakeAt:  wake(o),
	}
	if now.phase == v1alpha1.PhasePending {
		d.WakeAt = wake(o, joinDeadline(o))
	}
	if now.reason == v1alpha1.MachineJoinTimeoutReason {
		d.Timeouts = []Timeout{TimeoutJoin}
	}
	return d
}

// complete creates again what a Machine on its way still waits for, should somebody
// have deleted it.
func complete(o Observation, d Decision) Decision {
	joining := !o.Machine.HasNodeRef && o.Machine.Failed == ""
	if joining && o.Cluster.Problem() == nil && o.References == nil {
		d.Actions = append(d.Actions, Action{Kind: ActionEnsureMachine})
	}
	return d
}

// present tells how a Machine that is to stay is doing.
func present(o Observation) shown {
	active := o.Object.Phase == v1alpha1.PhaseActive || isUp(o)
	problem := o.Cluster.Problem()
	switch {
	case problem != nil:
		return shown{v1alpha1.PhasePending, v1alpha1.ReadyWaitingReason, problem.Message}
	case active && o.Machine.Failed != "":
		return shown{v1alpha1.PhaseActive, v1alpha1.ReadyErrorReason, failure(o)}
	case active:
		return presentActive(o)
	case o.Machine.Failed != "":
		return shown{v1alpha1.PhasePending, v1alpha1.ReadyErrorReason, failure(o)}
	case joinTimedOut(o):
		message := "The Machine has not joined its cluster within " + o.Settings.JoinTimeout.String() + " (--join-timeout)"
		return shown{v1alpha1.PhasePending, v1alpha1.MachineJoinTimeoutReason, message}
	default:
		message := scheduleCause(o.Schedule) + "; waiting until the Machine is running and its Node is Ready"
		return shown{v1alpha1.PhasePending, v1alpha1.ReadyProvisioningReason, message}
	}
}

// presentActive tells how a Machine is doing that was once running with a Ready
// Node: it stays Active, whatever becomes of the Node.
func presentActive(o Observation) shown {
	switch {
	case o.Node.Rival != "":
		return shown{v1alpha1.PhaseActive, v1alpha1.ReadyNodeNotReadyReason, outOfReach(o) + ", so it is not touched"}
	case !o.Cluster.Reachable || !o.Node.Known:
		return shown{v1alpha1.PhaseActive, v1alpha1.ReadyNodeNotReadyReason, "The workload cluster cannot be reached, so the state of the Node is not known"}
	case !isUp(o):
		return shown{v1alpha1.PhaseActive, v1alpha1.ReadyNodeNotReadyReason, "The Machine is not running or its Node is not Ready"}
	case o.Machine.SpecChanged:
		return shown{v1alpha1.PhaseActive, v1alpha1.ReadySpecChangePendingReason, scheduleCause(o.Schedule) + "; a change of the spec applies at the next activation"}
	default:
		return shown{v1alpha1.PhaseActive, v1alpha1.ReadyAsScheduledReason, scheduleCause(o.Schedule)}
	}
}

func isUp(o Observation) bool { return o.Machine.Running && inReach(o) && o.Node.Ready }

func failure(o Observation) string { return "The Machine has failed: " + quoted(o.Machine.Failed) }

// upkeep makes the Node of a Machine that is to stay what the spec wants.
func upkeep(o Observation) []Action {
	if !inReach(o) {
		return nil
	}
	var actions []Action
	switch {
	case !o.Object.HasNodeRef:
		actions = append(actions, Action{Kind: ActionResetNode})
	case o.Object.Shutdown != nil || o.Node.CordonedByUs:
		actions = append(actions, Action{Kind: ActionUncordonNode})
	}
	if o.Node.Ready && (o.Object.WantsTaints || o.Node.HasOwnTaints) {
		actions = append(actions, Action{Kind: ActionApplyTaints})
	}
	if o.Object.WantsReclaimAgent || o.Node.HasReclaimAgent {
		actions = append(actions, Action{Kind: ActionArmReclaimAgent})
	}
	return actions
}

// joinDeadline is when --join-timeout passes; zero when it cannot.
func joinDeadline(o Observation) time.Time {
	if o.Settings.JoinTimeout <= 0 || o.Machine.CreatedAt.IsZero() {
		return time.Time{}
	}
	return o.Machine.CreatedAt.Add(o.Settings.JoinTimeout)
}

func joinTimedOut(o Observation) bool {
	deadline := joinDeadline(o)
	return !deadline.IsZero() && !o.Now.Before(deadline)
}

// awaitGone waits for a Machine that is being deleted although it is wanted:
// only when it is gone can the next one be created under its name.
func awaitGone(o Observation) Decision {
	if o.Object.Shutdown == nil {
		return pending(v1alpha1.ReadyWaitingReason, scheduleCause(o.Schedule)+"; waiting until the previous Machine is gone", wake(o))
	}
	return replacement(o).hurry(o)
}

// awaitConfirmation waits for the end of a shutdown before the next Machine.
func awaitConfirmation(o Observation) Decision {
	return replacement(o).finish(o)
}

// replacement is the rest of a shutdown whose need has gone, too late to cancel it.
func replacement(o Observation) removal {
	r := goOn(o, shown{message: scheduleCause(o.Schedule)})
	r.underWay = shown{phase: v1alpha1.PhasePending, reason: v1alpha1.ReadyWaitingReason}
	return r
}

// holdActivation breaks a loop of reclaims and activations.
func holdActivation(o Observation) Decision {
	until := HeldUntil(o.Object.RecentReclaims)
	cause := "Activation is held until " + stamp(until) + " after three or more emergency reclaims within 10 minutes"
	d := removal{
		reason: v1alpha1.ShutdownWindowClosed,
		rest:   shown{v1alpha1.PhaseInactive, v1alpha1.ScheduledLoopProtectionReason, cause},
		cause:  cause,
		limit:  o.Object.GracefulShutdownTimeout,
	}.decide(o)
	d.WakeAt = sooner(d.WakeAt, until)
	return d
}
