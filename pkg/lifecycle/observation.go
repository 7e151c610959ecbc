package lifecycle

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/schedule"
)

// Observation is everything that the rules may know: a value, gathered by reads
// only. What is not known is zero.
type Observation struct {
	// Now is the instant at which everything else was observed.
	Now time.Time

	// Settings are the manager's flags that bear on decisions.
	Settings Settings

	// Object is the ScheduledMachine.
	Object Object

	// Pause is whether the object is to be left alone.
	Pause Pause

	// Schedule is what the schedule says at Now. It is meaningless when
	// Object.Invalid or ScheduleUnknown is set.
	Schedule schedule.Evaluation

	// ScheduleUnknown is set when the schedule cannot be evaluated for a reason
	// outside the spec, such as a missing MachineCalendar: the present state is held.
	ScheduleUnknown *Problem

	// Cluster is the CAPI Cluster.
	Cluster Cluster

	// References is the first problem with what the machine needs in order to be
	// created: provider kinds, rights, Secrets. The Cluster is judged by Cluster.
	References *Problem

	// Machine is the CAPI Machine of the object's name.
	Machine Machine

	// Leftovers are bootstrap and infrastructure objects of ours that no Machine
	// ever adopted. Only looked for when there is no Machine and Object.AtRest does
	// not hold.
	Leftovers []v1alpha1.ObjectReference

	// Node is the Node behind the Machine, in the workload cluster.
	Node Node

	// CreateNotBefore is when the next attempt to create the Machine may be made;
	// zero when there is no back-off.
	CreateNotBefore time.Time
}

// Settings are the manager's flags that bear on decisions.
type Settings struct {
	// FinalizerTimeout is how long the deletion of a ScheduledMachine may take
	// before its finalizer is forced (--finalizer-timeout).
	FinalizerTimeout time.Duration

	// ForceFinalizer is --force-finalizer-on-timeout.
	ForceFinalizer bool

	// JoinTimeout is how long a Machine may take to join its cluster before that
	// is reported (--join-timeout).
	JoinTimeout time.Duration
}

// Problem is something that somebody has to mend.
type Problem struct {
	// Reason is a condition reason.
	Reason string

	// Message names the field or object and the rule.
	Message string
}

// Object is what the rules need of a ScheduledMachine.
type Object struct {
	UID          types.UID
	HasFinalizer bool

	// DeletedAt is the deletionTimestamp; zero when the object is not being deleted.
	DeletedAt time.Time

	KillSwitch bool
	Enabled    bool

	// Invalid is set when the spec is not valid. Durations below are then their
	// defaults where they could not be parsed.
	Invalid *Problem

	GracefulShutdownTimeout time.Duration
	NodeDrainTimeout        time.Duration

	// WantsTaints and WantsReclaimAgent are whether the spec lists node taints and
	// commands.
	WantsTaints       bool
	WantsReclaimAgent bool

	// Phase, Shutdown, RecentReclaims, Drain and HasMachineRef are persisted in the status.
	Phase          v1alpha1.Phase
	Shutdown       *v1alpha1.ShutdownStatus
	Drain          *v1alpha1.DrainStatus
	RecentReclaims []time.Time
	HasMachineRef  bool

	// HasNodeRef is whether the status already names a Node of the present Machine,
	// so that its first appearance can be told. It does so once ActionResetNode was
	// done for that Node, and no longer when the Machine is another one or names
	// another Node or none.
	HasNodeRef bool
}

// Pause is the CAPI pause.
type Pause struct {
	// Object is the annotation cluster.x-k8s.io/paused on the ScheduledMachine.
	Object bool

	// Cluster is spec.paused of the CAPI Cluster.
	Cluster bool

	// Since is when the present or just ended pause was first observed, from the
	// Paused condition; zero when the last status said that nothing is paused.
	Since time.Time

	// Ended is when the last pause was first observed to be over, from the Paused
	// condition; zero while the last status says that something is paused.
	Ended time.Time
}

// Active is whether anything is paused.
func (p Pause) Active() bool { return p.Object || p.Cluster }

// Cluster is what the rules need of the CAPI Cluster.
type Cluster struct {
	// APIMissing is set when the API server does not serve Cluster API v1beta2.
	APIMissing bool

	Exists   bool
	Deleting bool

	// InfrastructureProvisioned and ControlPlaneInitialized are the Cluster's
	// status.initialization.
	InfrastructureProvisioned bool
	ControlPlaneInitialized   bool

	// Reachable is whether there is a connection to the workload cluster.
	Reachable bool

	// Unreachable is why there is none, where somebody has to mend that; nil where it is
	// not known.
	Unreachable *Problem
}

// Machine is what the rules need of the CAPI Machine.
type Machine struct {
	// Exists is whether there is a Machine of ours.
	Exists bool

	// ConfirmedAbsent is set when an uncached read showed that there is no Machine
	// of the object's name, or one that is not ours. Without it, an absent Machine
	// is only likely absent. Only needed where Object.AtRest does not hold.
	ConfirmedAbsent bool

	// Foreign names an object of the derived name that is not ours; empty when
	// there is none.
	Foreign string

	Deleting  bool
	CreatedAt time.Time

	// Running is whether the Machine has reached the phase Running.
	Running bool

	// Failed is the Machine's own report of a failure; empty when there is none.
	Failed string

	// HasNodeRef is whether the Machine names its Node.
	HasNodeRef bool

	// SkipsDrain and SkipsVolumeDetach are whether the Machine carries the
	// annotations with which Cluster API leaves out these steps of the deletion.
	SkipsDrain        bool
	SkipsVolumeDetach bool

	// StillPaused is whether Cluster API says that it leaves the Machine alone although
	// the Machine itself is not paused: its Cluster is, or was when it last looked.
	// RemindedAt is when it was last reminded to look again; zero when it never was.
	StillPaused bool
	RemindedAt  time.Time

	// SpecChanged is whether the ScheduledMachine's spec has changed since the
	// Machine was created.
	SpecChanged bool
}

// Node is what the rules need of the Node in the workload cluster.
type Node struct {
	// Known is whether the workload cluster could be asked at all.
	Known bool

	Exists bool
	Ready  bool
	Name   string

	// Rival is another Machine of the Cluster that names this Node as its own; empty when
	// there is none. Then nothing else but Name is set: whose Node it is cannot be told,
	// so that nobody touches it.
	Rival string

	// Unschedulable is whether the Node is cordoned, and CordonedByUs whether that
	// cordon carries our mark.
	Unschedulable bool
	CordonedByUs  bool

	// HasOwnTaints is whether there are taints of ours on the Node, by what it says
	// itself or by the status, so that they are removed when the spec no longer wants
	// them.
	HasOwnTaints bool

	// HasReclaimAgent is whether the Node is marked for the reclaim agent, so that
	// the agent is disarmed when the spec no longer wants it.
	HasReclaimAgent bool

	// ReclaimRequested is whether the Node asks to be reclaimed, and ReclaimReason
	// why.
	ReclaimRequested bool
	ReclaimReason    string
}
