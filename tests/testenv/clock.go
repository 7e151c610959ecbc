package testenv

import (
	"sync"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

// clockGrain is how far a flowing clock moves at a time.
const clockGrain = 5 * time.Millisecond

// LetFlow moves the clock along with real time until the function that it returns is
// called. A test can still step it ahead. Without this, everything that waits a
// millisecond for another try would wait for ever.
func LetFlow(clock *clocktesting.FakeClock) (stop func()) {
	done := make(chan struct{})
	go func() {
		ticker := time.NewTicker(clockGrain)
		defer ticker.Stop()
		last := time.Now()
		for {
			select {
			case <-done:
				return
			case now := <-ticker.C:
				clock.Step(now.Sub(last))
				last = now
			}
		}
	}()
	var once sync.Once
	return func() { once.Do(func() { close(done) }) }
}
