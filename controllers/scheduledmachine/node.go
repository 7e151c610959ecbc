package scheduledmachine

import (
	"context"
	"regexp"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/drain"
	"github.com/finos/five-spot/pkg/lifecycle"
	"github.com/finos/five-spot/pkg/metrics"
	"github.com/finos/five-spot/pkg/nodemark"
	"github.com/finos/five-spot/pkg/nodetaint"
)

const (
	// drainRetry is when to go on with a drain of which a step failed.
	drainRetry = 5 * time.Second

	// nodeEffectTimeout bounds each effect on a Node, so that a workload cluster that is
	// slow to answer does not hold up the others.
	nodeEffectTimeout = 1500 * time.Millisecond
)

// drainNode takes one step of the Node's drain.
func (r *Reconciler) drainNode(ctx context.Context, w *world, action lifecycle.Action) lifecycle.Outcome {
	workloadClient, err := r.clusters.Client(ctx, clusterKey(w.object))
	if err != nil {
		return r.nodeFailed(ctx, w, action.Kind, err)
	}
	request := drain.Request{
		Workload: workloadClient,
		Cluster:  w.cluster,
		Machine:  w.machine,
		Node:     w.node,
		Owner:    w.object.UID,
		Previous: drainSoFar(w.object.Status.Drain),
	}
	step := r.drainer.Step
	if action.Forced {
		step = func(ctx context.Context, request drain.Request) (drain.Progress, error) {
			return r.drainer.ForceStep(ctx, request, action.Until.Sub(w.Now))
		}
	}
	progress, err := step(ctx, request)
	r.metrics.PodsEvicted(metrics.EvictionAccepted, progress.Evictions.Accepted)
	r.metrics.PodsEvicted(metrics.EvictionRefused, progress.Evictions.Refused)
	r.metrics.PodsEvicted(metrics.EvictionFailed, progress.Evictions.Failed)
	if err != nil {
		return r.nodeFailed(ctx, w, action.Kind, err)
	}
	return drainOutcome(w.Now, progress)
}

func drainSoFar(persisted *v1alpha1.DrainStatus) drain.Progress {
	if persisted == nil {
		return drain.Progress{}
	}
	return drain.Progress{
		PodsTotal:     persisted.PodsTotal,
		PodsRemaining: persisted.PodsRemaining,
		BlockedBy:     persisted.BlockedBy,
	}
}

// drainOutcome asks for the next look at once when the drain is complete: it is to be
// on record before the Machine is deleted without another drain.
func drainOutcome(now time.Time, progress drain.Progress) lifecycle.Outcome {
	outcome := lifecycle.Outcome{
		State:   lifecycle.OutcomePending,
		Changed: progress.Cordoned,
		Drained: progress.Drained,
		RetryAt: now.Add(progress.RetryAfter),
	}
	if counted := progress.PodsTotal > 0 || progress.Drained; counted {
		outcome.Drain = &v1alpha1.DrainStatus{
			PodsTotal:     progress.PodsTotal,
			PodsRemaining: progress.PodsRemaining,
			BlockedBy:     progress.BlockedBy,
		}
	}
	if progress.Drained {
		outcome.State, outcome.Changed = lifecycle.OutcomeDone, true
	}
	return outcome
}

// applyTaints makes the taints of the spec true on the Node.
func (r *Reconciler) applyTaints(ctx context.Context, w *world) lifecycle.Outcome {
	workloadClient, err := r.clusters.Client(ctx, clusterKey(w.object))
	if err != nil {
		return r.nodeFailed(ctx, w, lifecycle.ActionApplyTaints, err)
	}
	result, err := nodetaint.Reconcile(ctx, workloadClient, w.node, w.object.Spec.NodeTaints, w.recordedTaints())
	if err != nil {
		return r.nodeFailed(ctx, w, lifecycle.ActionApplyTaints, err)
	}
	w.appliedTaints = result.Owned
	outcome := lifecycle.Outcome{State: lifecycle.OutcomeDone, Changed: result.Changed}
	if len(result.Conflicts) > 0 {
		outcome.Problem = &lifecycle.Problem{
			Reason:  v1alpha1.TaintOwnershipConflictReason,
			Message: "Not ours on Node " + w.node.Name + ", and left as they are: " + taintNames(result.Conflicts),
		}
	}
	return outcome
}

// taintNames names taints by what tells them apart.
func taintNames(taints []v1alpha1.NodeTaint) string {
	names := make([]string, 0, len(taints))
	for _, taint := range taints {
		names = append(names, taint.Key+":"+string(taint.Effect))
	}
	return strings.Join(names, ", ")
}

// recordedTaints are the taints that the status lists for this very Node. A Node of
// the same name that came later has none of them from us.
func (w *world) recordedTaints() []v1alpha1.NodeTaint {
	known := w.object.Status
	if w.node == nil || known.NodeRef == nil || known.NodeRef.UID != string(w.node.UID) {
		return nil
	}
	return known.AppliedNodeTaints
}

// clearMarks takes marks of ours off the Node. A cordon goes only if this very object
// has set it, unless the Node is reset.
func (r *Reconciler) clearMarks(ctx context.Context, w *world, kind lifecycle.ActionKind) lifecycle.Outcome {
	kinds := marksFor(kind)
	if kind == lifecycle.ActionUncordonNode && !nodemark.CordonedBy(w.node, string(w.object.UID)) {
		return lifecycle.Outcome{State: lifecycle.OutcomeDone}
	}
	workloadClient, err := r.clusters.Client(ctx, clusterKey(w.object))
	if err != nil {
		return r.nodeFailed(ctx, w, kind, err)
	}
	after, err := nodemark.Clear(ctx, workloadClient, w.node, kinds)
	if err != nil {
		return r.nodeFailed(ctx, w, kind, err)
	}
	changed := after != nil
	if changed {
		// What follows is planned on the Node as it is now.
		w.takeNode(after)
	}
	return lifecycle.Outcome{State: lifecycle.OutcomeDone, Changed: changed}
}

// marksFor are the marks that an action takes off a Node.
func marksFor(kind lifecycle.ActionKind) nodemark.Kinds {
	return nodemark.Kinds{
		Cordon:  kind == lifecycle.ActionResetNode || kind == lifecycle.ActionUncordonNode,
		Taints:  kind == lifecycle.ActionResetNode,
		Reclaim: kind == lifecycle.ActionResetNode || kind == lifecycle.ActionForgetReclaim,
	}
}

// localAddress is our end of a connection in an error of the network.
var localAddress = regexp.MustCompile(`\S+:\d+->`)

// steady is the text of an error without the port that each connection has anew: the
// same failure, met again, is not to be written as news.
func steady(err error) string { return localAddress.ReplaceAllString(err.Error(), "") }

// nodeFailed is the outcome of an effect in the workload cluster that failed. Unless
// somebody else wrote first it is no error of the reconcile: the back-off after one could
// let a boundary or a timeout pass unseen, and whatever is wrong in a workload cluster
// must not do that.
func (r *Reconciler) nodeFailed(ctx context.Context, w *world, kind lifecycle.ActionKind, err error) lifecycle.Outcome {
	if apierrors.IsConflict(err) {
		return lifecycle.Outcome{State: lifecycle.OutcomePending, Err: err}
	}
	r.metrics.Failed(err)
	ctrl.LoggerFrom(ctx).Error(err, "Failed to act on the Node, trying again", "action", kind)
	outcome := lifecycle.Outcome{
		State:   lifecycle.OutcomeFailed,
		Problem: &lifecycle.Problem{Message: steady(err) + "; it is tried again"},
		RetryAt: w.Now.Add(nodeRetry),
	}
	if kind == lifecycle.ActionDrainNode {
		outcome.RetryAt = w.Now.Add(drainRetry)
	}
	return outcome
}
