package workload

import (
	"sync/atomic"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// requests lets connections be asked for. clustercache looks at a Cluster when the
// Cluster changes, and does not come back to one that its filter refused: the first
// ScheduledMachine of a quiet Cluster would wait for hours. So its queue is kept at
// hand, and what is wanted is put there.
type requests struct {
	queue atomic.Pointer[priorityqueue.PriorityQueue[reconcile.Request]]
}

// newQueue is for the NewQueue field of clustercache's controller options.
func (r *requests) newQueue(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
	queue := priorityqueue.New(name, func(o *priorityqueue.Opts[reconcile.Request]) { o.RateLimiter = limiter })
	r.queue.Store(&queue)
	return queue
}

// add asks for a connection. Before clustercache runs there is nothing to ask: it
// looks at every Cluster when it starts.
func (r *requests) add(cluster client.ObjectKey) {
	if queue := r.queue.Load(); queue != nil {
		(*queue).Add(reconcile.Request{NamespacedName: cluster})
	}
}
