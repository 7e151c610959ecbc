package scheduledmachine

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/annotations"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/lifecycle"
)

func observePause(sm *v1alpha1.ScheduledMachine, cluster *clusterv1.Cluster) lifecycle.Pause {
	pause := lifecycle.Pause{
		Object:  annotations.HasPaused(sm),
		Cluster: cluster != nil && ptr.Deref(cluster.Spec.Paused, false),
	}
	switch paused := meta.FindStatusCondition(sm.Status.Conditions, v1alpha1.PausedCondition); {
	case paused == nil:
	case paused.Status == metav1.ConditionTrue:
		pause.Since = paused.LastTransitionTime.Time
	default:
		pause.Ended = paused.LastTransitionTime.Time
	}
	return pause
}

// remindClusterAPI has Cluster API look at a Machine that it left alone during a pause.
func (r *Reconciler) remindClusterAPI(ctx context.Context, w *world) lifecycle.Outcome {
	if w.machine == nil {
		return lifecycle.Outcome{State: lifecycle.OutcomeDone}
	}
	changed, err := r.machines.Remind(ctx, w.object, w.machine, w.Now)
	if err != nil {
		return failed(err)
	}
	return lifecycle.Outcome{State: lifecycle.OutcomeDone, Changed: changed}
}
