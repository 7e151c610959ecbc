package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// ScheduledMachineSpec says which machine joins which cluster, and when.
//
// +kubebuilder:validation:XValidation:rule="self.bootstrapSpec.kind != self.infrastructureSpec.kind || self.bootstrapSpec.apiVersion.split('/')[0] != self.infrastructureSpec.apiVersion.split('/')[0]",fieldPath=".infrastructureSpec.kind",message="must not be the kind of bootstrapSpec: both objects have the same name"
type ScheduledMachineSpec struct {
	// clusterName is the Cluster API Cluster, in the same namespace, that the
	// machine joins. It cannot be changed.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="clusterName cannot be changed"
	ClusterName string `json:"clusterName"`

	// schedule says when the machine should be part of the cluster.
	// +required
	Schedule Schedule `json:"schedule"`

	// bootstrapSpec is the bootstrap config that is created for the Machine.
	// +required
	BootstrapSpec ProviderObject `json:"bootstrapSpec"`

	// infrastructureSpec is the infrastructure machine that is created for the
	// Machine.
	// +required
	InfrastructureSpec ProviderObject `json:"infrastructureSpec"`

	// machineTemplate is metadata for the Machine.
	// +optional
	MachineTemplate *MachineTemplate `json:"machineTemplate,omitempty"`

	// priority orders machines of one namespace that are due at the same time:
	// higher goes first.
	// +optional
	// +kubebuilder:default=50
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=255
	Priority *int32 `json:"priority,omitempty"`

	// gracefulShutdownTimeout bounds the whole shutdown, from when the need for it
	// is first seen until the Machine is deleted without further waiting. Time
	// during which the object or its Cluster is paused does not count.
	// +optional
	// +kubebuilder:default="5m"
	GracefulShutdownTimeout Duration `json:"gracefulShutdownTimeout,omitempty"`

	// nodeDrainTimeout bounds the drain of the Node within the shutdown.
	// +optional
	// +kubebuilder:default="5m"
	NodeDrainTimeout Duration `json:"nodeDrainTimeout,omitempty"`

	// killSwitch set to true removes the machine at once, without drain, in every
	// phase. Setting it back to false lets the schedule decide again.
	// +optional
	// +kubebuilder:default=false
	KillSwitch bool `json:"killSwitch,omitempty"`

	// nodeTaints are applied to the Node once it is Ready. Taints that others put
	// on the Node are left alone.
	// +optional
	// +listType=map
	// +listMapKey=key
	// +listMapKey=effect
	// +kubebuilder:validation:MaxItems=50
	NodeTaints []NodeTaint `json:"nodeTaints,omitempty"`

	// killIfCommands arms the reclaim agent on the Node: when one of these programs
	// starts there, the machine is given back at once. A pattern without blank or
	// slash is the name of a program; one with is searched for in command lines.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	KillIfCommands []string `json:"killIfCommands,omitempty"`
}

// ProviderObject is an object of a Cluster API provider, given inline. It is
// created under the name and in the namespace of the ScheduledMachine.
type ProviderObject struct {
	// apiVersion of the object, such as bootstrap.cluster.x-k8s.io/v1beta1.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:XValidation:rule="self.indexOf('/') <= 253",message="the group before the slash must be at most 253 characters"
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/v[0-9]+((alpha|beta)[0-9]+)?$`
	APIVersion string `json:"apiVersion"`

	// kind of the object, such as K0sWorkerConfig.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
	Kind string `json:"kind"`

	// spec of the object. What it may hold is for its provider to say, but for
	// providerID, which is refused: only the provider may tell which host it is.
	// +optional
	// +kubebuilder:validation:Type=object
	// +kubebuilder:validation:MaxProperties=256
	// +kubebuilder:pruning:PreserveUnknownFields
	Spec *runtime.RawExtension `json:"spec,omitempty"`

	// secretRef names a Secret whose value is merged over spec when the object is
	// created, so that credentials stay out of the ScheduledMachine.
	// +optional
	SecretRef *SecretReference `json:"secretRef,omitempty"`
}

// SecretReference names a key of a Secret in the same namespace. The Secret must
// carry the label 5spot.finos.org/allow-secret-ref: "true".
type SecretReference struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name"`

	// key whose value is a YAML or JSON object, merged over spec as an RFC 7386
	// merge patch.
	// +optional
	// +kubebuilder:default=spec
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[.]?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$`
	Key string `json:"key,omitempty"`
}

// MachineTemplate is metadata for the Machine. Keys of the domains kubernetes.io,
// k8s.io, cluster.x-k8s.io and 5spot.finos.org and of their subdomains are
// refused, but for labels that Cluster API carries to the Node.
type MachineTemplate struct {
	// labels for the Machine.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 317)",message="a key must be at most 317 characters"
	Labels map[string]LabelValue `json:"labels,omitempty"`

	// annotations for the Machine.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) <= 317)",message="a key must be at most 317 characters"
	Annotations map[string]AnnotationValue `json:"annotations,omitempty"`
}

// LabelValue is the value of a label.
//
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$`
type LabelValue string

// AnnotationValue is the value of an annotation.
//
// +kubebuilder:validation:MaxLength=4096
type AnnotationValue string

// NodeTaint is a taint that 5-Spot owns on the Node. Its identity is its key
// together with its effect.
type NodeTaint struct {
	// key of the taint. The prefixes 5spot.finos.org/, kubernetes.io/,
	// node.kubernetes.io/ and node-role.kubernetes.io/ are refused.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:XValidation:rule="self.indexOf('/') <= 253",message="the domain before the slash must be at most 253 characters"
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`
	Key string `json:"key"`

	// value of the taint.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$`
	Value string `json:"value,omitempty"`

	// effect of the taint on Pods that do not tolerate it.
	// +required
	// +kubebuilder:validation:Enum=NoSchedule;PreferNoSchedule;NoExecute
	Effect corev1.TaintEffect `json:"effect"`
}

// ScheduledMachine is a physical machine that joins a Cluster API cluster and
// leaves it again on a schedule.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=sm
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="InSchedule",type=boolean,JSONPath=`.status.inSchedule`
// +kubebuilder:printcolumn:name="Enabled",type=boolean,JSONPath=`.spec.schedule.enabled`
// +kubebuilder:printcolumn:name="Node",type=string,JSONPath=`.status.nodeRef.name`
// +kubebuilder:printcolumn:name="Next",type=string,format=date-time,JSONPath=`.status.nextTransitions[0].time`
// +kubebuilder:printcolumn:name="KillSwitch",type=boolean,JSONPath=`.spec.killSwitch`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Schedule",type=string,priority=1,JSONPath=`.status.resolvedSchedule`
// +kubebuilder:printcolumn:name="Cluster",type=string,priority=1,JSONPath=`.spec.clusterName`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.message`
// +kubebuilder:metadata:labels="clusterctl.cluster.x-k8s.io="
// +kubebuilder:metadata:labels="clusterctl.cluster.x-k8s.io/move-hierarchy="
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="metadata.name must be at most 63 characters"
type ScheduledMachine struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is standard object metadata. The name is at most 63 characters: it
	// becomes the name of the Machine and a label value.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what is wanted.
	// +required
	Spec ScheduledMachineSpec `json:"spec"`

	// status is what is.
	// +optional
	Status ScheduledMachineStatus `json:"status,omitempty"`
}

// ScheduledMachineList is a list of ScheduledMachines.
//
// +kubebuilder:object:root=true
type ScheduledMachineList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []ScheduledMachine `json:"items"`
}
