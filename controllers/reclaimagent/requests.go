package reclaimagent

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/finos/five-spot/api/v1alpha1"
)

// toCluster maps a ScheduledMachine to its Cluster.
func toCluster(_ context.Context, obj client.Object) []reconcile.Request {
	sm, ok := obj.(*v1alpha1.ScheduledMachine)
	if !ok {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: sm.Namespace, Name: sm.Spec.ClusterName}}}
}

func toItself(_ context.Context, cluster client.Object) []ctrl.Request {
	return []ctrl.Request{{NamespacedName: client.ObjectKeyFromObject(cluster)}}
}

// always maps the agent's DaemonSet to the one cluster, and others to none.
func always(cluster client.ObjectKey) func(context.Context, client.Object) []reconcile.Request {
	return func(_ context.Context, obj client.Object) []reconcile.Request {
		if !isAgent(obj) {
			return nil
		}
		return []reconcile.Request{{NamespacedName: cluster}}
	}
}

// enqueueAll has the cluster of every ScheduledMachine looked at.
func (r *Reconciler) enqueueAll(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	list := &v1alpha1.ScheduledMachineList{}
	if err := r.opts.Client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("failed to list ScheduledMachines: %w", err)
	}
	for i := range list.Items {
		for _, request := range toCluster(ctx, &list.Items[i]) {
			queue.Add(request)
		}
	}
	return nil
}
