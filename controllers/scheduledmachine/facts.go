package scheduledmachine

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/lifecycle"
	"github.com/finos/five-spot/pkg/status"
)

func (w *world) statusInput(decision lifecycle.Decision, outcomes []lifecycle.Outcome) status.Input {
	return status.Input{
		Old:         w.object.Status,
		Generation:  w.object.Generation,
		Observation: w.Observation,
		Decision:    decision,
		Outcomes:    outcomes,
		Facts:       w.facts(),
	}
}

// facts are what the rules do not need and people want to see.
func (w *world) facts() status.Facts {
	facts := status.Facts{
		MachineRef:        firstOf(w.state.Ref, w.ensured.Machine),
		BootstrapRef:      firstOf(w.ensured.Bootstrap, w.bootstrap),
		InfrastructureRef: firstOf(w.ensured.Infrastructure, w.infrastructure),
		ProviderID:        w.state.ProviderID,
		AppliedNodeTaints: w.appliedTaints,
	}
	if w.schedule != nil {
		facts.ResolvedSchedule = w.schedule.String()
	}
	if w.node != nil {
		facts.NodeRef = &v1alpha1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: w.node.Name, UID: string(w.node.UID)}
	}
	known := w.object.Status
	for i := range w.Leftovers {
		leftover := &w.Leftovers[i]
		switch schema.FromAPIVersionAndKind(leftover.APIVersion, leftover.Kind).GroupKind() {
		case groupKind(w.object.Spec.BootstrapSpec), groupKindOf(known.BootstrapRef):
			facts.BootstrapRef = firstOf(facts.BootstrapRef, leftover)
		default:
			facts.InfrastructureRef = firstOf(facts.InfrastructureRef, leftover)
		}
	}
	return facts
}

// leadTime is the schedule's lead time; 0 where it cannot be told.
func (w *world) leadTime() time.Duration {
	return durationOr(w.object.Spec.Schedule.LeadTime, 0)
}

func firstOf(refs ...*v1alpha1.ObjectReference) *v1alpha1.ObjectReference {
	for _, ref := range refs {
		if ref != nil {
			return ref
		}
	}
	return nil
}

// observeParts names what the Machine refers to. It reads only what the status does
// not know: a process may have stopped between creating and writing down.
func (r *Reconciler) observeParts(ctx context.Context, w *world) {
	if w.machine == nil {
		return
	}
	spec, known := w.object.Spec, w.object.Status
	w.bootstrap = referenceTo(w.machine.Spec.Bootstrap.ConfigRef, known.BootstrapRef, spec.BootstrapSpec)
	w.infrastructure = referenceTo(w.machine.Spec.InfrastructureRef, known.InfrastructureRef, spec.InfrastructureSpec)
	r.identify(ctx, w, w.bootstrap)
	r.identify(ctx, w, w.infrastructure)
}

// identify adds the UID that a reference lacks, if that can be told. A provider whose
// kind cannot be read, for example because its conversion webhook is down, must not
// hold up what is decided about the Machine.
func (r *Reconciler) identify(ctx context.Context, w *world, ref *v1alpha1.ObjectReference) {
	if ref == nil || ref.UID != "" {
		return
	}
	found := &metav1.PartialObjectMetadata{}
	found.SetGroupVersionKind(schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind))
	err := r.live.Get(ctx, client.ObjectKey{Namespace: w.object.Namespace, Name: ref.Name}, found)
	switch {
	case err == nil:
		ref.UID = string(found.UID)
	case !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err) && !meta.IsNoMatchError(err):
		r.metrics.Failed(err)
		ctrl.LoggerFrom(ctx).Error(err, "Failed to read what the Machine refers to, going on without its UID", "kind", ref.Kind)
	}
}

// referenceTo completes what a Machine says of a provider object, which lacks version
// and UID, by what the status said before or the spec says now.
func referenceTo(ref clusterv1.ContractVersionedObjectReference, known *v1alpha1.ObjectReference, spec v1alpha1.ProviderObject) *v1alpha1.ObjectReference {
	target := schema.GroupKind{Group: ref.APIGroup, Kind: ref.Kind}
	switch {
	case ref.Name == "":
		return nil
	case known != nil && known.Name == ref.Name && groupKindOf(known) == target:
		return known.DeepCopy()
	case groupKind(spec) == target:
		return &v1alpha1.ObjectReference{APIVersion: spec.APIVersion, Kind: spec.Kind, Name: ref.Name}
	}
	return &v1alpha1.ObjectReference{APIVersion: ref.APIGroup, Kind: ref.Kind, Name: ref.Name}
}

func groupKind(spec v1alpha1.ProviderObject) schema.GroupKind {
	return schema.FromAPIVersionAndKind(spec.APIVersion, spec.Kind).GroupKind()
}

func groupKindOf(ref *v1alpha1.ObjectReference) schema.GroupKind {
	if ref == nil {
		return schema.GroupKind{}
	}
	return schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind).GroupKind()
}
