package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// MachineCalendarSpec is a list of exceptions that many schedules share.
type MachineCalendarSpec struct {
	// timezone is the IANA name of the zone in which the days of the exceptions
	// are meant.
	// +optional
	// +kubebuilder:default=UTC
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z][A-Za-z0-9_+\-/]*$`
	// +kubebuilder:validation:XValidation:rule="self != 'Local' && timestamp('2024-01-01T00:00:00Z').getHours(self) >= 0",message="must be an IANA time zone that the API server knows, such as Europe/Berlin"
	Timezone string `json:"timezone,omitempty"`

	// exceptions are whole local days, such as bank holidays, that overrule the
	// windows of every schedule that refers to this calendar. The first exception
	// that holds for an instant wins.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	Exceptions []ScheduleException `json:"exceptions,omitempty"`
}

// MachineCalendar is a calendar of exceptions, such as the bank holidays of a
// country, for the schedules that refer to it.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=mcal
// +kubebuilder:printcolumn:name="Timezone",type=string,JSONPath=`.spec.timezone`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:metadata:labels="clusterctl.cluster.x-k8s.io="
// +kubebuilder:metadata:labels="clusterctl.cluster.x-k8s.io/move="
type MachineCalendar struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the calendar.
	// +required
	Spec MachineCalendarSpec `json:"spec"`
}

// MachineCalendarList is a list of MachineCalendars.
//
// +kubebuilder:object:root=true
type MachineCalendarList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []MachineCalendar `json:"items"`
}
