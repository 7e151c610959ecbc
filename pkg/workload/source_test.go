package workload

import (
	"context"
	"testing"
	"time"

	"k8s.io/client-go/util/workqueue"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/controllers/clustercache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// tellingCache is a clustercache of which only the events matter.
type tellingCache struct {
	clustercache.ClusterCache

	events chan event.GenericEvent
}

func (c tellingCache) GetClusterSource(
	_ string, toRequests func(ctx context.Context, cluster client.Object) []ctrl.Request, _ ...clustercache.GetClusterSourceOption,
) source.Source {
	return source.Channel(c.events, handler.TypedEnqueueRequestsFromMapFunc(toRequests), source.WithBufferSize[client.Object, reconcile.Request](1))
}

func TestAnEventWhileStoppingHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	events := make(chan event.GenericEvent)
	src := NewFor(tellingCache{events: events}).Source("test", func(context.Context, client.Object) []ctrl.Request { return nil })
	ctx, cancel := context.WithCancel(t.Context())
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	if err := src.Start(ctx, queue); err != nil {
		t.Fatal(err)
	}
	cancel()
	queue.ShutDown()
	for range 5 {
		select {
		case events <- event.GenericEvent{Object: &clusterv1.Cluster{}}:
		case <-time.After(10 * time.Second):
			t.Fatal("nobody takes the events of a cluster any more")
		}
	}
}
