package lifecycle

import (
	"time"

	"github.com/finos/five-spot/api/v1alpha1"
)

// Rule names a rule. The same name is used in docs/lifecycle.md, in logs, in
// metrics and in tests.
type Rule string

// The rules, in the order in which they are tried. The first that holds wins.
const (
	RulePaused           Rule = "paused"
	RuleDeleting         Rule = "deleting"
	RuleKillSwitch       Rule = "killSwitch"
	RuleEmergencyReclaim Rule = "emergencyReclaim"
	RuleDisabled         Rule = "disabled"
	RuleClusterGoing     Rule = "clusterGoing"
	RuleInvalid          Rule = "invalid"
	RuleScheduleUnknown  Rule = "scheduleUnknown"
	RuleWindowOpen       Rule = "windowOpen"
	RuleWindowClosed     Rule = "windowClosed"
)

// ActionKind is one kind of effect.
type ActionKind string

const (
	// ActionEnsureMachine creates the bootstrap, infrastructure and Machine objects
	// that are missing: all of them, or those that a Machine on its way waits for.
	ActionEnsureMachine ActionKind = "EnsureMachine"

	// ActionResetNode clears marks of an earlier life from a Node that has just
	// appeared: our cordon, owned taints, reclaim annotations. The status may name
	// the Node only once this is done: a Node that it names is one whose requests
	// are taken as fresh.
	ActionResetNode ActionKind = "ResetNode"

	// ActionApplyTaints makes the taints of the spec true on the Node.
	ActionApplyTaints ActionKind = "ApplyTaints"

	// ActionArmReclaimAgent makes the reclaim agent watch the Node, or disarms it.
	ActionArmReclaimAgent ActionKind = "ArmReclaimAgent"

	// ActionDrainNode cordons the Node and takes one bounded step of its drain.
	ActionDrainNode ActionKind = "DrainNode"

	// ActionUncordonNode takes our own cordon off the Node.
	ActionUncordonNode ActionKind = "UncordonNode"

	// ActionDisableSchedule sets spec.schedule.enabled to false. It comes before
	// the other actions of a reclaim, but no longer than for a minute.
	ActionDisableSchedule ActionKind = "DisableSchedule"

	// ActionDeleteMachine deletes the Machine, or tells Cluster API to go on faster
	// with a deletion that is under way.
	ActionDeleteMachine ActionKind = "DeleteMachine"

	// ActionRemindClusterAPI makes Cluster API look at a Machine that it still takes for
	// paused.
	ActionRemindClusterAPI ActionKind = "RemindClusterAPI"

	// ActionDeleteLeftovers deletes bootstrap and infrastructure objects that no
	// Machine ever adopted.
	ActionDeleteLeftovers ActionKind = "DeleteLeftovers"

	// ActionForgetReclaim clears the reclaim annotations from the Node.
	ActionForgetReclaim ActionKind = "ForgetReclaim"

	// ActionReleaseFinalizer takes our finalizer off the ScheduledMachine.
	ActionReleaseFinalizer ActionKind = "ReleaseFinalizer"
)

// Action is one effect to be executed. Every action is idempotent.
type Action struct {
	Kind ActionKind

	// Forced is for ActionDrainNode: PodDisruptionBudgets do not count. Until is when
	// such a drain is given up.
	Forced bool
	Until  time.Time

	// SkipDrain and SkipVolumeDetach are for ActionDeleteMachine: the steps that
	// Cluster API is to leave out.
	SkipDrain        bool
	SkipVolumeDetach bool
}

// Decision is what the first rule that holds makes of an Observation.
type Decision struct {
	// Rule is the rule that decided.
	Rule Rule

	// Phase is the phase to show.
	Phase v1alpha1.Phase

	// Reason is the reason of the Ready condition: one of its own, or that of the
	// condition which stands in the way (Paused, ClusterPaused, LoopProtection,
	// CreateBackOff, JoinTimeout).
	Reason string

	// Message says in one sentence why, for people. It does not change while
	// nothing changes: it holds no running time and no counter.
	Message string

	// Actions are the effects to execute, in this order.
	Actions []Action

	// Shutdown are the clocks to persist; nil when no shutdown is under way. A clock
	// that is first set here is persisted before anything acts on it: such a
	// decision has no action that shuts down, and its WakeAt is now.
	Shutdown *v1alpha1.ShutdownStatus

	// RecentReclaims is the history to persist.
	RecentReclaims []time.Time

	// Timeouts are the timeouts that this decision acts upon, for events and
	// metrics. They are named again for as long as they have an effect.
	Timeouts []Timeout

	// WakeAt is when to decide again without any event; zero when only events
	// matter.
	WakeAt time.Time
}

// Timeout names a timeout that has passed.
type Timeout string

const (
	// TimeoutDrain is spec.nodeDrainTimeout.
	TimeoutDrain Timeout = "nodeDrainTimeout"

	// TimeoutShutdown is spec.gracefulShutdownTimeout, or what the finalizer
	// timeout leaves of it.
	TimeoutShutdown Timeout = "gracefulShutdownTimeout"

	// TimeoutFinalizer is --finalizer-timeout.
	TimeoutFinalizer Timeout = "finalizerTimeout"

	// TimeoutJoin is --join-timeout.
	TimeoutJoin Timeout = "joinTimeout"
)

// Has is whether the decision asks for an action of the given kind.
func (d Decision) Has(kind ActionKind) bool {
	for _, action := range d.Actions {
		if action.Kind == kind {
			return true
		}
	}
	return false
}

// OutcomeState is how an action went.
type OutcomeState string

const (
	// OutcomeDone means that the effect is there.
	OutcomeDone OutcomeState = "Done"

	// OutcomePending means that the effect is on its way.
	OutcomePending OutcomeState = "Pending"

	// OutcomeFailed means that the effect could not be had.
	OutcomeFailed OutcomeState = "Failed"
)

// Outcome is how an action went.
type Outcome struct {
	Action Action
	State  OutcomeState

	// Changed is whether anything was written.
	Changed bool

	// Problem is what stands in the way; nil when nothing does.
	Problem *Problem

	// Drain is the progress of a drain, after ActionDrainNode.
	Drain *v1alpha1.DrainStatus

	// Drained is whether a drain is complete, after ActionDrainNode.
	Drained bool

	// Err is the error behind a failure, for the log and the retry.
	Err error

	// RetryAt is when to try again; zero to leave it to WakeAt and events.
	RetryAt time.Time
}
