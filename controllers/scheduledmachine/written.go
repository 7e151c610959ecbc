package scheduledmachine

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/finos/five-spot/api/v1alpha1"
)

// written remembers, for each object, the versions that our own writes replaced. A
// cache that still shows one of them is behind: the object has to be read from the
// API server then, or a decision would be made on a status that is known to be old.
type written struct {
	mu       sync.Mutex
	replaced map[types.UID]sets.Set[string]
	doubted  sets.Set[types.UID]
}

func newWritten() *written {
	return &written{replaced: map[types.UID]sets.Set[string]{}, doubted: sets.New[types.UID]()}
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
// refused for what somebody else wrote meanwhile.
func (w *written) Doubt(uid types.UID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.doubted.Insert(uid)
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
}
