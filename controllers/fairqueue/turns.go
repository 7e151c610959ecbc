package fairqueue

import (
	"container/heap"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// turns is the order of what is ready: a ring of namespaces, each with a heap of
// its requests. It is the storage of client-go's queue, which calls Push, Touch,
// Pop and Len under a lock of its own; lock here is for asked and taken alone,
// which are reached from outside of those calls too.
type turns struct {
	ring  []*namespaceTurns
	ready map[reconcile.Request]*turn
	names map[string]*namespaceTurns

	// pushed counts additions, so that equal priorities are first come, first served.
	pushed uint64

	lock sync.Mutex

	// asked is the highest priority asked for since the request was last put in order.
	asked map[reconcile.Request]int

	// taken is the priority of what was handed out and not yet reported on.
	taken map[reconcile.Request]int
}

func newTurns() *turns {
	return &turns{
		ready: map[reconcile.Request]*turn{},
		names: map[string]*namespaceTurns{},
		asked: map[reconcile.Request]int{},
		taken: map[reconcile.Request]int{},
	}
}

// ask notes the priority with which a request is about to be added.
func (t *turns) ask(request reconcile.Request, priority int) {
	t.lock.Lock()
	defer t.lock.Unlock()
	if present, ok := t.asked[request]; !ok || priority > present {
		t.asked[request] = priority
	}
}

// takeAsked returns and forgets what ask noted.
func (t *turns) takeAsked(request reconcile.Request) (int, bool) {
	t.lock.Lock()
	defer t.lock.Unlock()
	priority, ok := t.asked[request]
	delete(t.asked, request)
	return priority, ok
}

// takePriority returns and forgets the priority of a request that was handed out.
func (t *turns) takePriority(request reconcile.Request) int {
	t.lock.Lock()
	defer t.lock.Unlock()
	priority := t.taken[request]
	delete(t.taken, request)
	return priority
}

// Push puts a request in order. A namespace that had nothing ready goes to the
// end of the ring.
func (t *turns) Push(request reconcile.Request) {
	priority, _ := t.takeAsked(request)
	namespace, ok := t.names[request.Namespace]
	if !ok {
		namespace = &namespaceTurns{}
		t.names[request.Namespace] = namespace
		t.ring = append(t.ring, namespace)
	}
	added := &turn{request: request, priority: priority, number: t.nextNumber()}
	t.ready[request] = added
	heap.Push(namespace, added)
}

// Touch raises a request that is added again while it waits. It goes to the end
// of its new priority.
func (t *turns) Touch(request reconcile.Request) {
	priority, ok := t.takeAsked(request)
	waiting := t.ready[request]
	if !ok || waiting == nil || priority <= waiting.priority {
		return
	}
	waiting.priority = priority
	waiting.number = t.nextNumber()
	heap.Fix(t.names[request.Namespace], waiting.index)
}

// Pop hands out the first request of the namespace whose turn it is.
func (t *turns) Pop() reconcile.Request {
	namespace := t.ring[0]
	t.ring[0] = nil
	t.ring = t.ring[1:]
	next := (*namespace)[0]
	heap.Pop(namespace)
	if namespace.Len() > 0 {
		t.ring = append(t.ring, namespace)
	} else {
		delete(t.names, next.request.Namespace)
	}
	delete(t.ready, next.request)

	t.lock.Lock()
	defer t.lock.Unlock()
	t.taken[next.request] = next.priority
	return next.request
}

// Len is how many requests are ready.
func (t *turns) Len() int { return len(t.ready) }

func (t *turns) nextNumber() uint64 {
	t.pushed++
	return t.pushed
}

// turn is one request that is ready.
type turn struct {
	request  reconcile.Request
	priority int
	number   uint64
	index    int
}

// namespaceTurns is a heap of the requests of one namespace.
type namespaceTurns []*turn

func (n namespaceTurns) Len() int { return len(n) }

func (n namespaceTurns) Less(i, j int) bool {
	if n[i].priority != n[j].priority {
		return n[i].priority > n[j].priority
	}
	return n[i].number < n[j].number
}

func (n namespaceTurns) Swap(i, j int) {
	n[i], n[j] = n[j], n[i]
	n[i].index, n[j].index = i, j
}

func (n *namespaceTurns) Push(x any) {
	added := x.(*turn) //nolint:errcheck // Only turns are pushed.
	added.index = len(*n)
	*n = append(*n, added)
}

func (n *namespaceTurns) Pop() any {
	last := len(*n) - 1
	removed := (*n)[last]
	(*n)[last] = nil
	*n = (*n)[:last]
	return removed
}
