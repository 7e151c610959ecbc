package drain

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
)

// keepAttempts is how long a Pod is remembered after its back-off has ended. A drain
// that goes on asks for it again long before.
const keepAttempts = time.Minute

var (
	// refusedBackOff is for Pods that the API server answered for: what holds them
	// may be gone in a moment, when a replacement has become ready.
	refusedBackOff = wait.Backoff{Duration: time.Second, Factor: 2, Steps: 10, Cap: 5 * time.Second}

	// unansweredBackOff is for Pods that used up the time of a step without an answer.
	// It is long enough that several of them do not starve the others.
	unansweredBackOff = wait.Backoff{Duration: 5 * time.Second, Factor: 2, Steps: 10, Cap: time.Minute}
)

// attempt is what is remembered of a Pod that could not be evicted.
type attempt struct {
	// err is the answer, and refusal what it says to people; empty when it is no
	// refusal.
	err     error
	refusal string

	delays    wait.Backoff
	notBefore time.Time
}

// attempts are the Pods that could not be evicted, by UID.
type attempts struct {
	mu   sync.Mutex
	pods map[types.UID]*attempt
}

func newAttempts() *attempts { return &attempts{pods: map[types.UID]*attempt{}} }

// held returns the last attempt of a Pod that is not to be tried yet; nil when it is.
func (a *attempts) held(uid types.UID, now time.Time) *attempt {
	a.mu.Lock()
	defer a.mu.Unlock()
	last := a.pods[uid]
	if last == nil || !now.Before(last.notBefore) {
		return nil
	}
	held := *last
	return &held
}

// failed remembers an attempt, and returns how long the Pod is left alone: at least
// as long as the API server asked for.
func (a *attempts) failed(uid types.UID, now time.Time, try attempt, atLeast time.Duration) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if last := a.pods[uid]; last != nil && last.delays.Cap == try.delays.Cap {
		try.delays = last.delays
	}
	delay := max(try.delays.Step(), min(atLeast, try.delays.Cap))
	try.notBefore = now.Add(delay)
	a.pods[uid] = &try
	return delay
}

// sweep forgets Pods that nobody has asked for in a while.
func (a *attempts) sweep(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for uid, last := range a.pods {
		if now.After(last.notBefore.Add(keepAttempts)) {
			delete(a.pods, uid)
		}
	}
}
