package fairqueue

import (
	"sync/atomic"
	"time"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

var _ priorityqueue.PriorityQueue[reconcile.Request] = &queue{}

// New is for the NewQueue field of a controller's options.
//
// The priority of a request is what it is added with, 0 without; of several
// additions that wait together the highest counts. Reconcilers hand the priority
// of their object to the next timer or retry in reconcile.Result.Priority.
// A priority below 0, which controller-runtime gives to the initial list and to
// resyncs, means after everything else of the same namespace; a timer is never
// below 0, so that what a start-up found cannot stay behind for ever.
func New(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
	return NewWithClock(clock.RealClock{}, name, limiter)
}

// WithClock is New with a clock, as the options of a controller take it.
func WithClock(clk clock.WithTicker) func(string, workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
	return func(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
		return NewWithClock(clk, name, limiter)
	}
}

// NewWithClock is New with a clock for delays and metrics.
func NewWithClock(clk clock.WithTicker, name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
	order := newTurns()
	ready := readyQueue{order: order, TypedInterface: workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[reconcile.Request]{
		Name: name, Clock: clk, Queue: order,
	})}
	return &queue{
		ready:   ready,
		limiter: limiter,
		delayed: workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[entry]{
			Name: name, Clock: clk, Queue: dueQueue{ready: ready},
		}),
	}
}

// queue joins client-go's queue of what is ready with client-go's queue of what
// waits for its time.
type queue struct {
	ready   readyQueue
	delayed workqueue.TypedDelayingInterface[entry]
	limiter workqueue.TypedRateLimiter[reconcile.Request]

	// stopped makes workers end at once instead of working off what is ready.
	stopped atomic.Bool
}

// AddWithOpts adds requests. With both a delay and a rate limit the shorter counts.
func (q *queue) AddWithOpts(opts priorityqueue.AddOpts, requests ...reconcile.Request) {
	priority := ptr.Deref(opts.Priority, 0)
	if opts.After > 0 && !opts.RateLimited {
		priority = max(priority, 0)
	}
	for _, request := range requests {
		after := opts.After
		if opts.RateLimited {
			limit := q.limiter.When(request)
			if after <= 0 || limit < after {
				after = limit
			}
		}
		if after <= 0 {
			q.ready.addWith(request, priority)
			continue
		}
		q.delayed.AddAfter(entry{request: request, priority: priority}, after)
	}
}

// Add adds a request that is ready now.
func (q *queue) Add(request reconcile.Request) {
	q.AddWithOpts(priorityqueue.AddOpts{}, request)
}

// AddAfter adds a request that is ready after a time. Of several times that wait
// the earliest counts.
func (q *queue) AddAfter(request reconcile.Request, after time.Duration) {
	q.AddWithOpts(priorityqueue.AddOpts{After: after}, request)
}

// AddRateLimited adds a request that is ready when the rate limiter says so.
func (q *queue) AddRateLimited(request reconcile.Request) {
	q.AddWithOpts(priorityqueue.AddOpts{RateLimited: true}, request)
}

// GetWithPriority blocks until a request is ready or the queue is shut down. The
// caller owes a Done for every request.
func (q *queue) GetWithPriority() (reconcile.Request, int, bool) {
	if q.stopped.Load() {
		return reconcile.Request{}, 0, true
	}
	request, shutdown := q.ready.Get()
	if shutdown {
		return reconcile.Request{}, 0, true
	}
	priority := q.ready.order.takePriority(request)
	if q.stopped.Load() {
		q.ready.Done(request)
		return reconcile.Request{}, 0, true
	}
	return request, priority, false
}

// Get is GetWithPriority without the priority.
func (q *queue) Get() (reconcile.Request, bool) {
	request, _, shutdown := q.GetWithPriority()
	return request, shutdown
}

// Done reports that a request has been worked on. If it was added again in the
// meantime it is ready again.
func (q *queue) Done(request reconcile.Request) { q.ready.Done(request) }

// Len is how many requests are ready; those that wait for their time do not count.
func (q *queue) Len() int { return q.ready.Len() }

// Forget makes the rate limiter start anew for a request.
func (q *queue) Forget(request reconcile.Request) { q.limiter.Forget(request) }

// NumRequeues is how often the rate limiter has delayed a request.
func (q *queue) NumRequeues(request reconcile.Request) int { return q.limiter.NumRequeues(request) }

// ShutDown ends the queue. Workers get nothing more, so that a manager which is
// told to stop does not first work off a backlog. It may be called again.
func (q *queue) ShutDown() {
	q.stopped.Store(true)
	q.delayed.ShutDown()
}

// ShutDownWithDrain ends the queue after everything that is ready has been handed
// out and reported on. What waits for its time is dropped.
func (q *queue) ShutDownWithDrain() {
	q.ready.ShutDownWithDrain()
	q.delayed.ShutDown()
}

// ShuttingDown is whether the queue takes nothing more.
func (q *queue) ShuttingDown() bool { return q.ready.ShuttingDown() }

// readyQueue is client-go's queue over our order.
type readyQueue struct {
	workqueue.TypedInterface[reconcile.Request]
	order *turns
}

func (r readyQueue) addWith(request reconcile.Request, priority int) {
	if r.ShuttingDown() {
		return
	}
	r.order.ask(request, priority)
	r.Add(request)
}

// entry is a request that waits for its time, with the priority that it is to
// have then.
type entry struct {
	request  reconcile.Request
	priority int
}

// dueQueue is where the delaying queue puts what is due. Nothing is got from it.
type dueQueue struct {
	ready readyQueue
}

func (d dueQueue) Add(due entry)      { d.ready.addWith(due.request, due.priority) }
func (d dueQueue) Len() int           { return d.ready.Len() }
func (d dueQueue) Get() (entry, bool) { return entry{}, true }
func (d dueQueue) Done(entry)         {}
func (d dueQueue) ShutDown()          { d.ready.ShutDown() }
func (d dueQueue) ShutDownWithDrain() { d.ready.ShutDownWithDrain() }
func (d dueQueue) ShuttingDown() bool { return d.ready.ShuttingDown() }
