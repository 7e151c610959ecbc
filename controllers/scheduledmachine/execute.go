package scheduledmachine

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/lifecycle"
	"github.com/finos/five-spot/pkg/machine"
)

var errNoExecutor = errors.New("there is no executor for action")

// goneCheck is when to look again for an object that is on its way out and that no
// watch tells of.
const goneCheck = 5 * time.Second

// execute has every effect that the decision asks for, in its order. It decides
// nothing: it stops at the first effect that fails, because later ones may rely on it. On
// taints none does, and an owner is to get the machine back whatever refuses them.
func (r *Reconciler) execute(ctx context.Context, w *world, decision lifecycle.Decision) []lifecycle.Outcome {
	var outcomes []lifecycle.Outcome
	for _, action := range decision.Actions {
		outcome := r.perform(ctx, w, action)
		outcome.Action = action
		if outcome.Changed {
			ctrl.LoggerFrom(ctx).Info("Performed action", "action", action.Kind, "rule", decision.Rule, "state", outcome.State)
		}
		outcomes = append(outcomes, outcome)
		if outcome.State == lifecycle.OutcomeFailed && action.Kind != lifecycle.ActionApplyTaints {
			break
		}
	}
	return outcomes
}

func (r *Reconciler) perform(ctx context.Context, w *world, action lifecycle.Action) lifecycle.Outcome {
	switch action.Kind { //nolint:exhaustive // The others are performed on the Node.
	case lifecycle.ActionEnsureMachine:
		return r.ensureMachine(ctx, w)
	case lifecycle.ActionDeleteMachine:
		return r.deleteMachine(ctx, w, action)
	case lifecycle.ActionRemindClusterAPI:
		return r.remindClusterAPI(ctx, w)
	case lifecycle.ActionDeleteLeftovers:
		return r.deleteLeftovers(ctx, w)
	case lifecycle.ActionDisableSchedule:
		return r.disableSchedule(ctx, w)
	case lifecycle.ActionReleaseFinalizer:
		return r.releaseFinalizer(ctx, w)
	}
	if w.node == nil {
		return lifecycle.Outcome{State: lifecycle.OutcomeDone}
	}
	return r.performOnNode(ctx, w, action)
}

func (r *Reconciler) performOnNode(ctx context.Context, w *world, action lifecycle.Action) lifecycle.Outcome {
	ctx, cancel := context.WithTimeout(ctx, nodeEffectTimeout)
	defer cancel()
	switch action.Kind { //nolint:exhaustive // The others are performed above.
	case lifecycle.ActionResetNode, lifecycle.ActionUncordonNode, lifecycle.ActionForgetReclaim:
		return r.clearMarks(ctx, w, action.Kind)
	case lifecycle.ActionApplyTaints:
		return r.applyTaints(ctx, w)
	case lifecycle.ActionDrainNode:
		return r.drainNode(ctx, w, action)
	case lifecycle.ActionArmReclaimAgent:
		return r.armReclaimAgent(ctx, w)
	}
	return failed(fmt.Errorf("%w %s", errNoExecutor, action.Kind))
}

func (r *Reconciler) ensureMachine(ctx context.Context, w *world) lifecycle.Outcome {
	result, err := r.machines.Ensure(ctx, w.object, w.cluster)
	w.ensured = result
	outcome := lifecycle.Outcome{State: lifecycle.OutcomeDone, Changed: result.Changed, Err: err}
	switch {
	case err != nil:
		outcome.State = lifecycle.OutcomeFailed
	case result.Problem != nil:
		outcome.State = lifecycle.OutcomeFailed
		outcome.Problem = &lifecycle.Problem{Reason: result.Problem.Reason, Message: result.Problem.Message}
	case result.Waiting != "":
		// No watch tells when a provider is done with an object.
		outcome.State, outcome.RetryAt = lifecycle.OutcomePending, w.Now.Add(goneCheck)
		return outcome
	}
	if result.MachineCreated || outcome.State == lifecycle.OutcomeFailed {
		r.creations.Count(w.object.UID, w.Now, w.foreign())
		outcome.RetryAt = r.creations.NotBefore(w.object.UID, w.Now)
	}
	return outcome
}

func (r *Reconciler) deleteMachine(ctx context.Context, w *world, action lifecycle.Action) lifecycle.Outcome {
	if w.machine == nil {
		return lifecycle.Outcome{State: lifecycle.OutcomeDone}
	}
	removal, err := r.machines.Delete(ctx, w.object, w.machine, machine.DeleteOptions{
		SkipDrain:        action.SkipDrain,
		SkipVolumeDetach: action.SkipVolumeDetach,
	})
	if err != nil {
		return failed(err)
	}
	return lifecycle.Outcome{State: lifecycle.OutcomePending, Changed: removal.Changed}
}

func (r *Reconciler) deleteLeftovers(ctx context.Context, w *world) lifecycle.Outcome {
	if err := r.machines.DeleteLeftovers(ctx, w.object, w.Leftovers); err != nil {
		return failed(err)
	}
	return lifecycle.Outcome{State: lifecycle.OutcomePending, Changed: true}
}

// disableSchedule turns the schedule off in the spec, so that it stays off until
// somebody turns it on again.
func (r *Reconciler) disableSchedule(ctx context.Context, w *world) lifecycle.Outcome {
	if !ptr.Deref(w.object.Spec.Schedule.Enabled, true) {
		return lifecycle.Outcome{State: lifecycle.OutcomeDone}
	}
	after := w.object.DeepCopy()
	after.Spec.Schedule.Enabled = new(false)
	if err := r.patchObject(ctx, w.object, after); err != nil {
		return failed(fmt.Errorf("failed to disable the schedule: %w", err))
	}
	return lifecycle.Outcome{State: lifecycle.OutcomeDone, Changed: true}
}

func (r *Reconciler) releaseFinalizer(ctx context.Context, w *world) lifecycle.Outcome {
	after := w.object.DeepCopy()
	if !controllerutil.RemoveFinalizer(after, v1alpha1.Finalizer) {
		return lifecycle.Outcome{State: lifecycle.OutcomeDone}
	}
	if err := r.patchObject(ctx, w.object, after); err != nil && !apierrors.IsNotFound(err) {
		return failed(fmt.Errorf("failed to release the finalizer: %w", err))
	}
	return lifecycle.Outcome{State: lifecycle.OutcomeDone, Changed: true}
}

// patchObject writes spec or metadata under an optimistic lock and keeps w.object in
// step, so that the status patch that follows carries the new resourceVersion.
func (r *Reconciler) patchObject(ctx context.Context, object, after *v1alpha1.ScheduledMachine) error {
	patch := client.MergeFromWithOptions(object.DeepCopy(), client.MergeFromWithOptimisticLock{})
	if err := r.client.Patch(ctx, after, patch, client.FieldOwner(v1alpha1.FieldManager)); err != nil {
		return err
	}
	r.written.Remember(object.UID, object.ResourceVersion, after.ResourceVersion)
	after.DeepCopyInto(object)
	return nil
}

// failed is an outcome that is tried again with back-off. That a right is missing is said
// in a condition as well.
func failed(err error) lifecycle.Outcome {
	outcome := lifecycle.Outcome{State: lifecycle.OutcomeFailed, Err: err}
	if denied := machine.DeniedBy(err); denied != nil {
		outcome.Problem = &lifecycle.Problem{Reason: denied.Reason, Message: denied.Message}
	}
	return outcome
}
