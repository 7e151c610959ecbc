package drain

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"
)

// keepAttempts is how long a Pod is remembered after its back-off has ended. A drain
// that goes on asks for it again long before.
const keepAttempts = time.Minute

var (
	// refusedBackOff is for Pods that the API server answered for: what holds them
	// may be gone in a moment, when a replacement has become ready.
	refusedBackOff = wait.Backoff{Duration: time.Second, Factor: 2, Steps: 10, Cap: 5 * time.Second}

	// unansweredBackOff is for Pods for which there was no answer at all. It is long
	// enough that several of them do not starve the others.
	unansweredBackOff = wait.Backoff{Duration: 5 * time.Second, Factor: 2, Steps: 10, Cap: time.Minute}
)

// attempt is what is remembered of a Pod that could not be evicted, or not in time.
type attempt struct {
	// err is the answer, nil when the Pod is on its way; refusal is what it says to
	// people, empty when it is no refusal.
	err     error
	refusal string

	delays    wait.Backoff
	notBefore time.Time
}

// errUnderWay stands for the answer to a request that is still out.
var errUnderWay = errors.New("the request is under way")

// attempts are the Pods that could not be evicted, by UID.
type attempts struct {
	mu   sync.Mutex
	pods map[types.UID]*attempt

	// out are Pods with a request that outlived its step, and late the answers to such
	// requests that nobody has counted yet.
	out  map[types.UID]struct{}
	late Evictions
}

func newAttempts() *attempts {
	return &attempts{pods: map[types.UID]*attempt{}, out: map[types.UID]struct{}{}}
}

// held returns the last attempt of a Pod that is not to be tried yet; nil when it is.
func (a *attempts) held(uid types.UID, now time.Time) *attempt {
	a.mu.Lock()
	defer a.mu.Unlock()
	last := a.pods[uid]
	if _, isOut := a.out[uid]; isOut {
		under := attempt{err: errUnderWay, notBefore: now.Add(recheckUnderWay)}
		if last != nil {
			under.refusal = last.refusal
		}
		return &under
	}
	if last == nil || !now.Before(last.notBefore) {
		return nil
	}
	held := *last
	return &held
}

// left remembers that a request has outlived its step, until it is answered.
func (a *attempts) left(ctx context.Context, uid types.UID, clk clock.PassiveClock, answer <-chan error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.out[uid] = struct{}{}
	go func() {
		err := <-answer
		a.answered(ctx, uid, clk.Now(), err)
	}()
}

// answered takes the answer to a request that has outlived its step.
func (a *attempts) answered(ctx context.Context, uid types.UID, now time.Time, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.out, uid)
	is, refusal := judge(ctx, err)
	a.late = a.late.with(is)
	switch is {
	case accepted, gone:
		// A step that read the Pods before this answer need not ask again.
		a.pods[uid] = &attempt{notBefore: now.Add(stepTimeout)}
	case refused, busy:
		a.remember(uid, now, attempt{err: err, refusal: refusal, delays: refusedBackOff}, 0)
	case unanswered, unreachable:
		a.late.Failed++
		a.remember(uid, now, attempt{err: err, delays: unansweredBackOff}, 0)
	}
}

// takeLate returns what was answered since the last time that somebody asked.
func (a *attempts) takeLate() Evictions {
	a.mu.Lock()
	defer a.mu.Unlock()
	late := a.late
	a.late = Evictions{}
	return late
}

// failed remembers an attempt, and returns how long the Pod is left alone: at least
// as long as the API server asked for.
func (a *attempts) failed(uid types.UID, now time.Time, try attempt, atLeast time.Duration) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.remember(uid, now, try, atLeast)
}

func (a *attempts) remember(uid types.UID, now time.Time, try attempt, atLeast time.Duration) time.Duration {
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
