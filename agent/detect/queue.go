//go:build linux

package detect

import "sync"

// maxQueued is how many changes wait at most; looking at all processes is cheaper than
// looking at that many. They take 1 MiB.
const maxQueued = 1 << 16

// change is that a process became another program, or changed its name.
type change struct {
	pid int
	// at is nanoseconds of the monotonic clock.
	at uint64
}

// queue keeps changes between who reads them from the kernel, which must be fast, and
// who looks at the processes.
type queue struct {
	// filled receives after something was put into an empty queue.
	filled chan struct{}

	mu      sync.Mutex
	changes []change
	// lost is how often an unknown number of changes was lost.
	lost int
}

func newQueue() *queue { return &queue{filled: make(chan struct{}, 1)} }

// put adds a change.
func (q *queue) put(c change) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.changes) == maxQueued {
		// Whoever comes to know that some are lost looks at all processes.
		q.changes = q.changes[:0]
		q.lost++
	}
	q.changes = append(q.changes, c)
	q.wake()
}

// lose notes that changes were lost.
func (q *queue) lose() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lost++
	q.wake()
}

func (q *queue) wake() {
	select {
	case q.filled <- struct{}{}:
	default:
	}
}

// take empties the queue. It gives the memory of used to the queue.
func (q *queue) take(used []change) (changes []change, lost int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	changes, lost = q.changes, q.lost
	q.changes, q.lost = used[:0], 0
	return changes, lost
}
