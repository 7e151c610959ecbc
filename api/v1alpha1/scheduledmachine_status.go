package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ScheduledMachineStatus is what 5-Spot observed and decided.
type ScheduledMachineStatus struct {
	// conditions are the details behind phase. Every condition that 5-Spot owns is
	// always present.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// phase sums up where the machine stands.
	// +optional
	Phase Phase `json:"phase,omitempty"`

	// message says in one sentence why the phase is what it is.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// observedGeneration is the generation of the spec that this status reflects.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// inSchedule is whether the schedule is active now. Lead time does not count.
	// +optional
	InSchedule *bool `json:"inSchedule,omitempty"`

	// window is the active span that now lies in, or else the next one.
	// +optional
	Window *ScheduleWindow `json:"window,omitempty"`

	// nextActivation is when the schedule next becomes active.
	// +optional
	NextActivation *metav1.Time `json:"nextActivation,omitempty"`

	// nextCleanup is when the schedule next becomes inactive.
	// +optional
	NextCleanup *metav1.Time `json:"nextCleanup,omitempty"`

	// nextTransitions are the next changes of the schedule, soonest first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=5
	NextTransitions []ScheduleTransition `json:"nextTransitions,omitempty"`

	// resolvedSchedule is the schedule in one line for people, such as
	// "Mon-Fri 09:00-18:00 America/New_York".
	// +optional
	// +kubebuilder:validation:MaxLength=512
	ResolvedSchedule string `json:"resolvedSchedule,omitempty"`

	// lastScheduledTime is when 5-Spot last created the Machine.
	// +optional
	LastScheduledTime *metav1.Time `json:"lastScheduledTime,omitempty"`

	// machineRef is the Machine, while there is one.
	// +optional
	MachineRef *ObjectReference `json:"machineRef,omitempty"`

	// bootstrapRef is the bootstrap config, while there is one.
	// +optional
	BootstrapRef *ObjectReference `json:"bootstrapRef,omitempty"`

	// infrastructureRef is the infrastructure machine, while there is one.
	// +optional
	InfrastructureRef *ObjectReference `json:"infrastructureRef,omitempty"`

	// nodeRef is the Node in the workload cluster, while there is one.
	// +optional
	NodeRef *ObjectReference `json:"nodeRef,omitempty"`

	// providerID is the provider's identifier of the machine.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	ProviderID string `json:"providerID,omitempty"`

	// shutdown holds the clocks of a shutdown that is under way, so that a restart
	// of the controller neither restarts nor skips a timeout.
	// +optional
	Shutdown *ShutdownStatus `json:"shutdown,omitempty"`

	// drain is the progress of the drain of the Node.
	// +optional
	Drain *DrainStatus `json:"drain,omitempty"`

	// appliedNodeTaints are the taints on the Node that 5-Spot owns.
	// +optional
	// +listType=map
	// +listMapKey=key
	// +listMapKey=effect
	// +kubebuilder:validation:MaxItems=50
	AppliedNodeTaints []NodeTaint `json:"appliedNodeTaints,omitempty"`

	// recentReclaims are the times of the last emergency reclaims, oldest first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	RecentReclaims []metav1.Time `json:"recentReclaims,omitempty"`

	// managerVersion is the version of the manager that last changed this status. A
	// manager of another version that changes nothing else leaves it as it is.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	ManagerVersion string `json:"managerVersion,omitempty"`
}

// ScheduleWindow is the span [start, end). A missing end means that the schedule
// stays active as far ahead as it can be foreseen.
type ScheduleWindow struct {
	// start is the first instant of the window.
	// +optional
	Start *metav1.Time `json:"start,omitempty"`

	// end is the first instant after the window.
	// +optional
	End *metav1.Time `json:"end,omitempty"`
}

// TransitionCause names the rule of the schedule that makes it change.
//
// +kubebuilder:validation:Enum=Window;Exception;Calendar;Override
type TransitionCause string

const (
	// CauseWindow is a window, days and hours, or cron.
	CauseWindow TransitionCause = "Window"

	// CauseException is one of the schedule's own exceptions.
	CauseException TransitionCause = "Exception"

	// CauseCalendar is an exception of the MachineCalendar.
	CauseCalendar TransitionCause = "Calendar"

	// CauseOverride is the override.
	CauseOverride TransitionCause = "Override"
)

// ScheduleTransition is a change of the schedule.
type ScheduleTransition struct {
	// time of the change.
	// +required
	Time metav1.Time `json:"time"`

	// state from that time on.
	// +required
	State ScheduleState `json:"state"`

	// cause is what decides the state from that time on.
	// +required
	Cause TransitionCause `json:"cause"`
}

// ObjectReference identifies an object, in the same namespace where it has one.
type ObjectReference struct {
	// apiVersion of the object.
	// +required
	// +kubebuilder:validation:MaxLength=317
	APIVersion string `json:"apiVersion"`

	// kind of the object.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind"`

	// name of the object.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// uid of the object.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	UID string `json:"uid,omitempty"`
}

// ShutdownReason is the rule for which a shutdown was begun.
//
// +kubebuilder:validation:Enum=WindowClosed;Disabled;Deleted;ClusterDeleting;KillSwitch;EmergencyReclaim
type ShutdownReason string

const (
	// ShutdownWindowClosed means that the schedule became inactive.
	ShutdownWindowClosed ShutdownReason = "WindowClosed"

	// ShutdownDisabled means that spec.schedule.enabled was set to false.
	ShutdownDisabled ShutdownReason = "Disabled"

	// ShutdownDeleted means that the ScheduledMachine is being deleted.
	ShutdownDeleted ShutdownReason = "Deleted"

	// ShutdownClusterDeleting means that the Cluster is being deleted.
	ShutdownClusterDeleting ShutdownReason = "ClusterDeleting"

	// ShutdownKillSwitch means that the kill switch was turned on.
	ShutdownKillSwitch ShutdownReason = "KillSwitch"

	// ShutdownEmergencyReclaim means that the Node asked to be reclaimed. It stays
	// until the machine is gone, whatever becomes of the Node's annotations.
	ShutdownEmergencyReclaim ShutdownReason = "EmergencyReclaim"
)

// ShutdownStatus are the clocks of a shutdown.
type ShutdownStatus struct {
	// startedAt is when the need to shut down was first observed.
	// +required
	StartedAt metav1.Time `json:"startedAt"`

	// drainStartedAt is when the drain of the Node began.
	// +optional
	DrainStartedAt *metav1.Time `json:"drainStartedAt,omitempty"`

	// drained is whether every Pod that has to leave the Node has left it.
	// +optional
	Drained bool `json:"drained,omitempty"`

	// reason is the rule for which the shutdown was begun.
	// +required
	Reason ShutdownReason `json:"reason"`

	// pausedSeconds is how long the object was paused since startedAt. That time
	// does not count towards any timeout.
	// +optional
	// +kubebuilder:validation:Minimum=0
	PausedSeconds int64 `json:"pausedSeconds,omitempty"`
}

// DrainStatus is the progress of the drain of a Node.
type DrainStatus struct {
	// podsTotal is the highest number of Pods that had to leave at any time.
	// +optional
	// +kubebuilder:validation:Minimum=0
	PodsTotal int32 `json:"podsTotal"`

	// podsRemaining is how many of them are still there.
	// +optional
	// +kubebuilder:validation:Minimum=0
	PodsRemaining int32 `json:"podsRemaining"`

	// blockedBy names Pods that may not be evicted now, and what holds them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MaxLength=512
	BlockedBy []string `json:"blockedBy,omitempty"`
}
