package v1alpha1

// Keys that 5-Spot reads or writes on objects of the management cluster.
const (
	// Finalizer holds a ScheduledMachine until its Machine is seen to be gone.
	Finalizer = "5spot.finos.org/scheduledmachine"

	// ScheduledMachineLabel is on every object that 5-Spot creates for a
	// ScheduledMachine; its value is the name of the ScheduledMachine.
	ScheduledMachineLabel = "5spot.finos.org/scheduled-machine"

	// OwnerUIDAnnotation is on the Machine; its value is the UID of the
	// ScheduledMachine. The garbage collector may take the owner reference away from a
	// Machine, which has another owner in its Cluster, but not this.
	OwnerUIDAnnotation = "5spot.finos.org/owner-uid"

	// SpecHashAnnotation is on the Machine, bootstrap and infrastructure objects:
	// a hash of what the ScheduledMachine's spec asked for when they were created,
	// so that a later edit can be told from drift.
	SpecHashAnnotation = "5spot.finos.org/spec-hash"

	// SecretVersionAnnotation is on a bootstrap or infrastructure object with a
	// secretRef; its value is the resourceVersion of the Secret that was merged in.
	SecretVersionAnnotation = "5spot.finos.org/secret-version"

	// RemindedAtAnnotation is on a Machine that Cluster API did not look at again after
	// the end of a pause; its value is when it was changed for that, in RFC 3339.
	RemindedAtAnnotation = "5spot.finos.org/reminded-at"

	// ScheduledByAnnotation is accepted in spec.machineTemplate.annotations, as
	// manifests of the original 5-Spot carry it, and dropped.
	ScheduledByAnnotation = "5spot.finos.org/scheduled-by"

	// AllowSecretRefLabel with the value "true" allows a Secret to be named by a
	// secretRef.
	AllowSecretRefLabel = "5spot.finos.org/allow-secret-ref"

	// AllowRemovalAnnotation with the value "true" allows the CRD to be deleted.
	AllowRemovalAnnotation = "5spot.finos.org/allow-removal"
)

// Keys that 5-Spot reads or writes on Nodes of workload clusters.
const (
	// CordonedByAnnotation marks a cordon as ours; its value is the UID of the
	// ScheduledMachine. It is written together with the cordon.
	CordonedByAnnotation = "5spot.finos.org/cordoned-by"

	// AppliedTaintsAnnotation lists the taints on a Node that 5-Spot owns.
	AppliedTaintsAnnotation = "5spot.finos.org/applied-taints"

	// ReclaimRequestedAnnotation asks for emergency removal of the Node if and
	// only if its value is ReclaimRequestedValue.
	ReclaimRequestedAnnotation = "5spot.finos.org/reclaim-requested"

	// ReclaimReasonAnnotation says why the Node is to be reclaimed.
	ReclaimReasonAnnotation = "5spot.finos.org/reclaim-reason"

	// ReclaimRequestedAtAnnotation is the time of the request, in RFC 3339.
	ReclaimRequestedAtAnnotation = "5spot.finos.org/reclaim-requested-at"

	// ReclaimRequestedValue is the only value of ReclaimRequestedAnnotation that counts.
	ReclaimRequestedValue = "true"

	// ReclaimAgentLabel with the value ReclaimAgentEnabled lets the reclaim agent
	// run on a Node.
	ReclaimAgentLabel = "5spot.finos.org/reclaim-agent"

	// ReclaimAgentEnabled is the value of ReclaimAgentLabel that arms the agent.
	ReclaimAgentEnabled = "enabled"
)

// Field managers, so that managedFields and audit logs tell who wrote what.
const (
	// FieldManager writes ScheduledMachines and the objects made for them.
	FieldManager = "5spot-controller"

	// FieldManagerReclaimAgent writes what arms the reclaim agent on a Node.
	FieldManagerReclaimAgent = "5spot-controller-reclaim-agent"

	// FieldManagerNodeTaints writes the taints of spec.nodeTaints to a Node.
	FieldManagerNodeTaints = "5spot-controller-node-taints"

	// FieldManagerAgent is the reclaim agent itself.
	FieldManagerAgent = "5spot-reclaim-agent"
)

// Keys that 5-Spot reads or writes on what it installs beside itself.
const (
	// ManagedByLabel with the value ManagedByFiveSpot is on what 5-Spot keeps as it
	// should be, and removes. What lacks it is somebody else's and is left alone.
	ManagedByLabel = "app.kubernetes.io/managed-by"

	// ManagedByFiveSpot is the value of ManagedByLabel on what is ours.
	ManagedByFiveSpot = "five-spot"

	// VersionAnnotation is the version of the manager that wrote an object. An older
	// manager leaves it alone.
	VersionAnnotation = "5spot.finos.org/version"

	// CreatedUIDAnnotation is on a Namespace that 5-Spot created; its value is the
	// Namespace's own UID, so that a copy of it is not taken for ours.
	CreatedUIDAnnotation = "5spot.finos.org/created-uid"
)
