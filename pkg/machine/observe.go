package machine

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"github.com/finos/five-spot/api/v1alpha1"
)

// State is what a Machine says about itself, as far as a ScheduledMachine cares.
type State struct {
	// Exists is whether there is a Machine of ours.
	Exists bool

	// Foreign names a Machine of the derived name that is not ours, such as
	// `Machine "desk-7"`; then nothing else is set.
	Foreign string

	UID       types.UID
	CreatedAt time.Time
	Deleting  bool

	// Running is whether the Machine has a Node and a provisioned host and is not
	// being deleted.
	Running bool

	// Failed is the Machine's own report of a failure, quoted and bounded; empty when
	// there is none. Where a secretRef takes part the report is not repeated.
	Failed string

	// NodeName is the Node in the workload cluster, and ProviderID the provider's
	// identifier of the host; empty while not known.
	NodeName   string
	ProviderID string

	// SkipsDrain and SkipsVolumeDetach are whether Cluster API leaves out these steps
	// of the deletion.
	SkipsDrain        bool
	SkipsVolumeDetach bool

	// StillPaused is whether Cluster API says that the Machine is paused although it is
	// not paused itself. RemindedAt is when Remind was last called for it; zero when it
	// never was, or that cannot be told.
	StillPaused bool
	RemindedAt  time.Time

	// SpecChanged is whether sm asks for something else than what the Machine was
	// created from.
	SpecChanged bool

	// Ref names the Machine for the status.
	Ref *v1alpha1.ObjectReference
}

// Observe reads the State off live, the Machine of sm's name; nil when there is none.
func Observe(sm *v1alpha1.ScheduledMachine, live *clusterv1.Machine) State {
	switch {
	case live == nil:
		return State{}
	case !Ours(sm, live):
		return State{Foreign: fmt.Sprintf("%s %q", machineKind.Kind, live.Name)}
	}
	return State{
		Exists:            true,
		UID:               live.UID,
		CreatedAt:         live.CreationTimestamp.Time,
		Deleting:          !live.DeletionTimestamp.IsZero(),
		Running:           isRunning(live),
		Failed:            failure(sm, live),
		NodeName:          live.Status.NodeRef.Name,
		ProviderID:        live.Spec.ProviderID,
		SkipsDrain:        hasAnnotation(live, clusterv1.ExcludeNodeDrainingAnnotation),
		SkipsVolumeDetach: hasAnnotation(live, clusterv1.ExcludeWaitForNodeVolumeDetachAnnotation),
		StillPaused:       stillPaused(live),
		RemindedAt:        remindedAt(live),
		SpecChanged:       SpecChanged(sm, live),
		Ref:               reference(machineKind, live),
	}
}

// SpecChanged is whether the spec of sm differs from the one that live was created
// from. A Machine that does not tell is taken to be unchanged.
func SpecChanged(sm *v1alpha1.ScheduledMachine, live *clusterv1.Machine) bool {
	hash, told := live.Annotations[v1alpha1.SpecHashAnnotation]
	return told && hash != SpecHash(sm)
}

// isRunning counts a Machine that is updated in place as running: it was before.
func isRunning(live *clusterv1.Machine) bool {
	phase := live.Status.GetTypedPhase()
	return live.DeletionTimestamp.IsZero() &&
		(phase == clusterv1.MachinePhaseRunning || phase == clusterv1.MachinePhaseUpdating)
}

// hasAnnotation ignores the value, as Cluster API does.
func hasAnnotation(live *clusterv1.Machine, key string) bool {
	_, found := live.Annotations[key]
	return found
}

func failure(sm *v1alpha1.ScheduledMachine, live *clusterv1.Machine) string {
	report := failureReport(live)
	switch {
	case report == "":
		return ""
	case sm.Spec.BootstrapSpec.SecretRef != nil || sm.Spec.InfrastructureSpec.SecretRef != nil:
		return "the Machine reports a failure (not shown, since a secretRef took part)"
	case SpecChanged(sm, live):
		return "the Machine reports a failure (not shown, since it was created from an earlier spec, which may have had a secretRef)"
	}
	return "the Machine reports " + quoted(report)
}

// failureReport is how a provider says that it gives up on a host. The older
// contract has fields for it; the present one has no such notion.
//
//nolint:staticcheck // Deprecated, and still all that there is.
func failureReport(live *clusterv1.Machine) string {
	if live.Status.Deprecated == nil || live.Status.Deprecated.V1Beta1 == nil {
		return ""
	}
	older := live.Status.Deprecated.V1Beta1
	reason, message := string(ptr.Deref(older.FailureReason, "")), ptr.Deref(older.FailureMessage, "")
	return strings.Trim(reason+": "+message, ": ")
}
