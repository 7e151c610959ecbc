package v1alpha1

// Ready sums up the other conditions.
const (
	// ReadyCondition is True while the machine is what its schedule wants it to be.
	ReadyCondition = "Ready"

	// ReadyAsScheduledReason surfaces when the Machine runs with a Ready Node and
	// the schedule is active.
	ReadyAsScheduledReason = "AsScheduled"

	// ReadySpecChangePendingReason surfaces when the machine is as scheduled, but
	// was created from an earlier spec. The change applies at the next activation.
	ReadySpecChangePendingReason = "SpecChangePending"

	// ReadyInactiveReason surfaces when the schedule is inactive and no Machine exists.
	ReadyInactiveReason = "Inactive"

	// ReadyDisabledReason surfaces when the schedule is disabled and no Machine exists.
	ReadyDisabledReason = "Disabled"

	// ReadyTerminatedReason surfaces when the kill switch is on.
	ReadyTerminatedReason = "KillSwitch"

	// ReadyProvisioningReason surfaces when the Machine is on its way.
	ReadyProvisioningReason = "Provisioning"

	// ReadyShuttingDownReason surfaces when the machine is on its way out.
	ReadyShuttingDownReason = "ShuttingDown"

	// ReadyReclaimingReason surfaces during an emergency reclaim.
	ReadyReclaimingReason = "EmergencyReclaim"

	// ReadyNodeNotReadyReason surfaces when the Node of an Active machine is not Ready.
	ReadyNodeNotReadyReason = "NodeNotReady"

	// ReadyWaitingReason surfaces when something that the machine needs is not there.
	ReadyWaitingReason = "Waiting"

	// ReadyErrorReason surfaces when somebody has to act.
	ReadyErrorReason = "Error"
)

// ScheduleValid tells whether the spec can be acted upon.
const (
	// ScheduleValidCondition is True when the whole spec is valid.
	ScheduleValidCondition = "ScheduleValid"

	// ScheduleValidReason surfaces when the spec is valid.
	ScheduleValidReason = "Valid"

	// OverrideBoundedReason surfaces when the spec is valid and its override ends so far
	// ahead that it does not count yet. The message tells from when it does.
	OverrideBoundedReason = "OverrideBounded"

	// ScheduleInvalidReason surfaces when the spec is not valid. The message names
	// the field and the rule.
	ScheduleInvalidReason = "InvalidSpec"
)

// Scheduled tells what the schedule says now.
const (
	// ScheduledCondition is True when the schedule wants the machine to be there.
	ScheduledCondition = "Scheduled"

	// ScheduledWindowOpenReason surfaces when a window is open.
	ScheduledWindowOpenReason = "WindowOpen"

	// ScheduledWindowClosedReason surfaces when no window is open.
	ScheduledWindowClosedReason = "WindowClosed"

	// ScheduledExceptionReason surfaces when one of the schedule's own exceptions decides.
	ScheduledExceptionReason = "Exception"

	// ScheduledCalendarReason surfaces when an exception of the MachineCalendar decides.
	ScheduledCalendarReason = "Calendar"

	// ScheduledOverrideReason surfaces when the override decides.
	ScheduledOverrideReason = "Override"

	// ScheduledLeadTimeReason surfaces when a window opens within the lead time.
	ScheduledLeadTimeReason = "LeadTime"

	// ScheduledDisabledReason surfaces when spec.schedule.enabled is false.
	ScheduledDisabledReason = "Disabled"

	// ScheduledKillSwitchReason surfaces when the kill switch is on.
	ScheduledKillSwitchReason = "KillSwitch"

	// ScheduledLoopProtectionReason surfaces when activation is held after too many
	// emergency reclaims.
	ScheduledLoopProtectionReason = "LoopProtection"

	// ScheduledUnknownReason surfaces when the schedule cannot be evaluated.
	ScheduledUnknownReason = "Unknown"
)

// ReferencesValid tells whether everything that the spec refers to is there.
const (
	// ReferencesValidCondition is True when Cluster, calendar, provider kinds and
	// Secrets are there and usable.
	ReferencesValidCondition = "ReferencesValid"

	// ReferencesResolvedReason surfaces when everything is there.
	ReferencesResolvedReason = "Resolved"

	// ClusterAPINotInstalledReason surfaces when the API server does not serve
	// Cluster API v1beta2.
	ClusterAPINotInstalledReason = "ClusterAPINotInstalled"

	// ClusterNotFoundReason surfaces when the Cluster does not exist.
	ClusterNotFoundReason = "ClusterNotFound"

	// ClusterDeletingReason surfaces when the Cluster is being deleted.
	ClusterDeletingReason = "ClusterDeleting"

	// ClusterInfrastructureNotReadyReason surfaces when the Cluster's
	// infrastructure is not yet provisioned.
	ClusterInfrastructureNotReadyReason = "ClusterInfrastructureNotReady"

	// ClusterControlPlaneNotReadyReason surfaces when the Cluster's control plane
	// is not yet initialized.
	ClusterControlPlaneNotReadyReason = "ClusterControlPlaneNotReady"

	// CalendarNotFoundReason surfaces when the MachineCalendar does not exist.
	CalendarNotFoundReason = "CalendarNotFound"

	// CalendarInvalidReason surfaces when the MachineCalendar cannot be evaluated.
	CalendarInvalidReason = "CalendarInvalid"

	// ProviderKindNotFoundReason surfaces when the API server does not serve the
	// kind of a provider object.
	ProviderKindNotFoundReason = "ProviderKindNotFound"

	// ProviderForbiddenReason surfaces when 5-Spot lacks the right to create a
	// provider object. The message names the right.
	ProviderForbiddenReason = "ProviderForbidden"

	// ProviderRefusedReason surfaces when the API server or a provider's webhook
	// refused a provider object.
	ProviderRefusedReason = "ProviderRefused"

	// SecretNotFoundReason surfaces when the Secret of a secretRef or its key does not exist.
	SecretNotFoundReason = "SecretNotFound"

	// SecretNotAllowedReason surfaces when the Secret of a secretRef lacks the label
	// that allows it to be named.
	SecretNotAllowedReason = "SecretNotAllowed"

	// SecretInvalidReason surfaces when the Secret's value is not one YAML or JSON
	// object without aliases, of at most 128 KiB and 64 levels.
	SecretInvalidReason = "SecretInvalid"

	// ForeignObjectReason surfaces when an object of the derived name exists that
	// 5-Spot did not create for this ScheduledMachine.
	ForeignObjectReason = "ForeignObject"
)

// MachineReady tells how the Machine is.
const (
	// MachineReadyCondition is True when the Machine is running and its Node is Ready.
	MachineReadyCondition = "MachineReady"

	// MachineRunningReason surfaces when the Machine is running and its Node is Ready.
	MachineRunningReason = "Running"

	// MachineAbsentReason surfaces when there is no Machine.
	MachineAbsentReason = "NoMachine"

	// MachineProvisioningReason surfaces when the Machine is being provisioned.
	MachineProvisioningReason = "Provisioning"

	// MachineNodeNotReadyReason surfaces when the Node is there but not Ready.
	MachineNodeNotReadyReason = "NodeNotReady"

	// MachineNodeContestedReason surfaces when another Machine of the Cluster names the
	// same Node, so that nobody can tell whose it is. It is not touched.
	MachineNodeContestedReason = "NodeContested"

	// MachineNodeUnknownReason surfaces when the workload cluster cannot be asked
	// for the Machine's Node.
	MachineNodeUnknownReason = "NodeUnknown"

	// MachineNodeMissingReason surfaces when the Machine's Node does not exist.
	MachineNodeMissingReason = "NodeMissing"

	// MachineDeletingReason surfaces when the Machine is being deleted.
	MachineDeletingReason = "Deleting"

	// MachineFailedReason surfaces when the Machine reports that it failed.
	MachineFailedReason = "Failed"

	// MachineCreateBackOffReason surfaces when the next attempt to create the
	// Machine waits.
	MachineCreateBackOffReason = "CreateBackOff"

	// MachineJoinTimeoutReason surfaces when the Machine has not joined its cluster
	// within --join-timeout.
	MachineJoinTimeoutReason = "JoinTimeout"
)

// WorkloadClusterReachable tells whether Nodes can be read and changed.
const (
	// WorkloadClusterReachableCondition is True while there is a connection to the
	// workload cluster.
	WorkloadClusterReachableCondition = "WorkloadClusterReachable"

	// WorkloadClusterConnectedReason surfaces when there is a connection.
	WorkloadClusterConnectedReason = "Connected"

	// WorkloadClusterNotConnectedReason surfaces when there is no connection.
	WorkloadClusterNotConnectedReason = "NotConnected"

	// WorkloadClusterKubeconfigForbiddenReason surfaces when there is no connection
	// because 5-Spot lacks the right to get the Secret with the kubeconfig. The message
	// names the right.
	WorkloadClusterKubeconfigForbiddenReason = "KubeconfigForbidden"

	// WorkloadClusterKubeconfigRefusedReason surfaces when there is no connection
	// because the kubeconfig does not hold what it logs in with, but names a program, a
	// plugin or a file for that. The message names the Secret.
	WorkloadClusterKubeconfigRefusedReason = "KubeconfigRefused"

	// WorkloadClusterNotNeededReason surfaces when there is no Machine and so no
	// connection is needed.
	WorkloadClusterNotNeededReason = "NotNeeded"
)

// NodeTainted tells whether the taints of the spec are on the Node.
const (
	// NodeTaintedCondition is True when all taints of the spec are on the Node.
	NodeTaintedCondition = "NodeTainted"

	// NodeTaintsAppliedReason surfaces when all taints are on the Node.
	NodeTaintsAppliedReason = "Applied"

	// NodeTaintsNoneReason surfaces when the spec has no taints.
	NodeTaintsNoneReason = "NoTaints"

	// NodeTaintsPendingReason surfaces when the Node is not there or not Ready.
	NodeTaintsPendingReason = "NodeNotReady"

	// NodeTaintsApplyingReason surfaces when the Node is Ready and the taints are not
	// yet known to be on it.
	NodeTaintsApplyingReason = "Applying"

	// NodeTaintsFailedReason surfaces when the taints could not be written.
	NodeTaintsFailedReason = "ApplyFailed"

	// TaintOwnershipConflictReason surfaces when somebody else put a taint of the
	// same key and effect on the Node.
	TaintOwnershipConflictReason = "TaintOwnershipConflict"
)

// Drained tells how far the drain of the Node is.
const (
	// DrainedCondition is True when every Pod that has to leave the Node has left it.
	DrainedCondition = "Drained"

	// DrainNotNeededReason surfaces when the machine is not shutting down.
	DrainNotNeededReason = "NotShuttingDown"

	// DrainingReason surfaces when Pods are being evicted.
	DrainingReason = "Draining"

	// DrainFailingReason surfaces when the last step of the drain failed: nothing could
	// be evicted, for a reason that the message tells. It is tried again.
	DrainFailingReason = "DrainFailing"

	// DrainCompletedReason surfaces when the drain is complete.
	DrainCompletedReason = "Completed"

	// DrainTimedOutReason surfaces when a timeout passed before the drain was complete.
	DrainTimedOutReason = "TimedOut"

	// DrainSkippedReason surfaces when the machine is removed without drain.
	DrainSkippedReason = "Skipped"

	// DrainDelegatedReason surfaces when somebody else has deleted the Machine: Cluster
	// API drains its Node.
	DrainDelegatedReason = "DelegatedToClusterAPI"

	// DrainClusterUnreachableReason surfaces when the workload cluster cannot be
	// reached, so that nothing can be drained.
	DrainClusterUnreachableReason = "WorkloadClusterUnreachable"
)

// ReclaimAgentReady tells whether the reclaim agent watches the Node.
const (
	// ReclaimAgentReadyCondition is True when the reclaim agent is armed on the Node.
	ReclaimAgentReadyCondition = "ReclaimAgentReady"

	// ReclaimAgentArmedReason surfaces when the agent is armed.
	ReclaimAgentArmedReason = "Armed"

	// ReclaimAgentNotNeededReason surfaces when the spec has no killIfCommands.
	ReclaimAgentNotNeededReason = "NoCommands"

	// ReclaimAgentPendingReason surfaces when there is no Node yet, or the agent
	// does not run on it yet.
	ReclaimAgentPendingReason = "Pending"

	// ReclaimAgentUnavailableReason surfaces when this manager cannot install the agent.
	ReclaimAgentUnavailableReason = "Unavailable"

	// ReclaimAgentPolicyUnsupportedReason surfaces when the workload cluster has no
	// admission policies, without which the agent is not armed.
	ReclaimAgentPolicyUnsupportedReason = "PolicyUnsupported"
)

// Paused tells whether the object is left alone.
const (
	// PausedCondition is True while the ScheduledMachine or its Cluster is paused.
	PausedCondition = "Paused"

	// NotPausedReason surfaces when neither is paused.
	NotPausedReason = "NotPaused"

	// PausedReason surfaces when the ScheduledMachine carries the annotation
	// cluster.x-k8s.io/paused.
	PausedReason = "Paused"

	// ClusterPausedReason surfaces when the Cluster is paused.
	ClusterPausedReason = "ClusterPaused"

	// KillSwitchBlockedReason surfaces when the kill switch is on, but Cluster API
	// ignores the deletion of the Machine while the Cluster is paused.
	KillSwitchBlockedReason = "KillSwitchBlocked"
)

// ConditionTypes are all conditions that 5-Spot owns, in the order in which they
// are shown.
func ConditionTypes() []string {
	return []string{
		ReadyCondition, ScheduleValidCondition, ScheduledCondition, ReferencesValidCondition,
		MachineReadyCondition, WorkloadClusterReachableCondition, NodeTaintedCondition,
		DrainedCondition, ReclaimAgentReadyCondition, PausedCondition,
	}
}
