package scheduledmachine

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/finos/five-spot/api/v1alpha1"
)

const (
	// lastConflictRetry bounds the wait after a conflict.
	lastConflictRetry = 10 * time.Second

	// maxDoublings keeps the wait after many conflicts from overflowing.
	maxDoublings = 10
)

// written remembers, for each object, the versions that our own writes replaced. A
// cache that still shows one of them is behind: the object has to be read from the
// API server then, or a decision would be made on a status that is known to be old.
type written struct {
	mu       sync.Mutex
	replaced map[types.UID]sets.Set[string]
	doubted  sets.Set[types.UID]

	// refused counts the reconciles in a row that ended with a conflict.
	refused map[types.UID]int
}

func newWritten() *written {
	return &written{replaced: map[types.UID]sets.Set[string]{}, doubted: sets.New[types.UID](), refused: map[types.UID]int{}}
}

// Remember notes that a write replaced the version before by the version after.
func (w *written) Remember(uid types.UID, before, after string) {
	if before == after {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.replaced[uid] == nil {
		w.replaced[uid] = sets.New[string]()
	}
	w.replaced[uid].Insert(before)
}

// Doubt has the object read from the API server the next time, because a write was
// refused for what somebody else wrote meanwhile. It returns when that is to be: twice
// as late for each refusal in a row, since it may be another object, such as a Node,
// that is not what its cache shows.
func (w *written) Doubt(uid types.UID) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.doubted.Insert(uid)
	after := min(firstRetry<<min(w.refused[uid], maxDoublings), lastConflictRetry)
	w.refused[uid]++
	return after
}

// Accept notes that a reconcile ended without conflict.
func (w *written) Accept(uid types.UID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.refused, uid)
}

// Stale is whether the object is a version that a write of ours replaced, or is in
// doubt. The first version that is not makes it forget the earlier ones.
func (w *written) Stale(sm *v1alpha1.ScheduledMachine) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	doubted := w.doubted.Has(sm.UID)
	w.doubted.Delete(sm.UID)
	if doubted || w.replaced[sm.UID].Has(sm.ResourceVersion) {
		return true
	}
	delete(w.replaced, sm.UID)
	return false
}

// Forget drops what is known of an object.
func (w *written) Forget(uid types.UID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.replaced, uid)
	w.doubted.Delete(uid)
	delete(w.refused, uid)
}
