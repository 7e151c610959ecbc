package machine

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"github.com/finos/five-spot/api/v1alpha1"
)

// Ours is whether obj was created for sm: sm's UID is among its owners or in its
// annotation, or the status of sm recorded its UID. Owners that others added do not
// matter. After clusterctl move all UIDs are new, but the owner reference was
// rewritten along. A foreground deletion of sm makes the garbage collector take sm off
// the owners of a Machine; the annotation stays.
func Ours(sm *v1alpha1.ScheduledMachine, obj metav1.Object) bool {
	if sm.UID != "" && obj.GetAnnotations()[v1alpha1.OwnerUIDAnnotation] == string(sm.UID) {
		return true
	}
	for _, owner := range obj.GetOwnerReferences() {
		if owner.UID != "" && owner.UID == sm.UID {
			return true
		}
	}
	return recorded(sm, obj.GetUID())
}

func recorded(sm *v1alpha1.ScheduledMachine, uid types.UID) bool {
	refs := []*v1alpha1.ObjectReference{sm.Status.MachineRef, sm.Status.BootstrapRef, sm.Status.InfrastructureRef}
	for _, ref := range refs {
		if uid != "" && ref != nil && types.UID(ref.UID) == uid {
			return true
		}
	}
	return false
}

// adoption is how a provider object stands to the Machines of its namespace.
type adoption int

const (
	// adoptedByNone means that no Machine owns the object, or only one that is gone:
	// the garbage collector may leave such an owner reference behind for a while.
	adoptedByNone adoption = iota

	// adoptedByOurs means that the live Machine of our name owns the object.
	adoptedByOurs

	// adoptedByOther means that a Machine of another name owns the object.
	adoptedByOther
)

// adopted judges obj against live, the Machine of our name as an uncached read
// showed it; nil when there is none.
func adopted(sm *v1alpha1.ScheduledMachine, obj metav1.Object, live *clusterv1.Machine) adoption {
	found := adoptedByNone
	for _, owner := range obj.GetOwnerReferences() {
		switch {
		case !isMachine(owner):
		case owner.Name != Name(sm):
			return adoptedByOther
		case live != nil && owner.UID == live.UID:
			found = adoptedByOurs
		}
	}
	return found
}

func isMachine(owner metav1.OwnerReference) bool {
	gv, err := schema.ParseGroupVersion(owner.APIVersion)
	return err == nil && gv.Group == clusterv1.GroupVersion.Group && owner.Kind == "Machine"
}
