package scheduledmachine

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

const (
	// firstCreateDelay is how long the second attempt to create a Machine waits.
	firstCreateDelay = 5 * time.Second

	// maxCreateDelay is how long any attempt waits at most.
	maxCreateDelay = 5 * time.Minute

	// forgetCreationsAfter is how long an object has to be left alone for its next
	// Machine to be created at once again.
	forgetCreationsAfter = 30 * time.Minute
)

// creations slows down repeated attempts to create the Machine of one object: the
// first is made at once, each further one waits twice as long as the one before, so
// that neither a failing provider nor somebody who deletes Machines by hand makes the
// controller hammer the API. It is kept in memory: after a restart the first attempt
// is free again.
type creations struct {
	mu      sync.Mutex
	entries map[types.UID]creationEntry
}

type creationEntry struct {
	attempts int
	last     time.Time

	// foreign names the object that was in the way of the last attempt and is not
	// ours; empty when there was none.
	foreign string
}

func newCreations() *creations {
	return &creations{entries: map[types.UID]creationEntry{}}
}

// Count counts an attempt, whether it succeeded or not, and remembers the foreign
// object that was in its way.
func (c *creations) Count(uid types.UID, now time.Time, foreign string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry := c.entries[uid]
	if now.Sub(entry.last) > forgetCreationsAfter {
		entry.attempts = 0
	}
	c.entries[uid] = creationEntry{attempts: entry.attempts + 1, last: now, foreign: foreign}
}

// NotBefore is when the next attempt may be made; zero when it may be made now.
func (c *creations) NotBefore(uid types.UID, now time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry, ok := c.entries[uid]
	if !ok || entry.attempts == 0 || now.Sub(entry.last) > forgetCreationsAfter {
		return time.Time{}
	}
	delay := maxCreateDelay
	if entry.attempts < 8 {
		delay = min(maxCreateDelay, firstCreateDelay<<(entry.attempts-1))
	}
	next := entry.last.Add(delay)
	if !next.After(now) {
		return time.Time{}
	}
	return next
}

// Foreign names the object that was in the way of the last attempt, until the next
// one may be made.
func (c *creations) Foreign(uid types.UID, now time.Time) string {
	if c.NotBefore(uid, now).IsZero() {
		return ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entries[uid].foreign
}

// Forget drops what is known of an object: it is gone, or it came to rest, so that
// its next activation starts afresh.
func (c *creations) Forget(uid types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, uid)
}
