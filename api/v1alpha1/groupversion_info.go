// Package v1alpha1 is the contract of 5-Spot: the ScheduledMachine and
// MachineCalendar types, their phases, condition types and reasons, and every
// label, annotation, taint and finalizer key that 5-Spot reads or writes.
// It imports no other package of this project.
//
// +kubebuilder:object:generate=true
// +groupName=5spot.finos.org
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of every type in this package.
var GroupVersion = schema.GroupVersion{Group: "5spot.finos.org", Version: "v1alpha1"}

var (
	schemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

	// AddToScheme adds the types of this package to a scheme.
	AddToScheme = schemeBuilder.AddToScheme
)

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&ScheduledMachine{}, &ScheduledMachineList{},
		&MachineCalendar{}, &MachineCalendarList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
