package fairqueue

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"
)

func TestTimersAreKeptInOrderOfPriorityWhenTheyAreDueAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t)
		start := time.Now()
		for name, priority := range map[string]int{"low": 1, "high": 200, "middle": 50} {
			q.AddWithOpts(priorityqueue.AddOpts{After: time.Hour, Priority: &priority}, request("a", name))
		}
		q.AddAfter(request("b", "soon"), time.Minute)
		if got := take(t, q, 1); got[0] != "b/soon" || time.Since(start) != time.Minute {
			t.Errorf("got %v after %s, want b/soon after 1m", got, time.Since(start))
		}
		// All three become ready before anybody asks.
		later(time.Hour)
		if diff := cmp.Diff([]string{"a/high", "a/middle", "a/low"}, take(t, q, 3)); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	})
}

func TestTheInjectedClockDrivesTimers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		clk := clocktesting.NewFakeClock(time.Unix(0, 0))
		q := newQueueWithClock(t, clk)
		q.AddAfter(request("a", "1"), time.Minute)
		for _, step := range []struct {
			by   time.Duration
			want int
		}{{59 * time.Second, 0}, {time.Second, 1}} {
			synctest.Wait()
			clk.Step(step.by)
			synctest.Wait()
			if q.Len() != step.want {
				t.Errorf("Len() = %d at %s, want %d", q.Len(), clk.Now().UTC(), step.want)
			}
		}
	})
}

func TestATimerOfTheInitialListIsNoLongerLow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t)
		low := handler.LowPriority
		q.AddWithOpts(priorityqueue.AddOpts{After: time.Second, Priority: &low}, request("a", "1"))
		_, priority, _ := q.GetWithPriority()
		if priority != 0 {
			t.Errorf("priority = %d, want 0", priority)
		}
	})
}

func TestTheEarliestOfSeveralTimersCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t)
		start := time.Now()
		for _, after := range []time.Duration{3 * time.Minute, time.Minute, 2 * time.Minute} {
			q.AddAfter(request("a", "1"), after)
		}
		take(t, q, 1)
		if time.Since(start) != time.Minute {
			t.Errorf("ready after %s, want 1m", time.Since(start))
		}
		later(time.Hour)
		if q.Len() != 0 {
			t.Errorf("Len() = %d, want 0: the later timers are the same request", q.Len())
		}
	})
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t)
		failing := request("a", "1")
		for i, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
			start := time.Now()
			q.AddRateLimited(failing)
			take(t, q, 1)
			if time.Since(start) != want || q.NumRequeues(failing) != i+1 {
				t.Errorf("attempt %d came after %s with %d requeues, want %s", i, time.Since(start), q.NumRequeues(failing), want)
			}
		}
		start := time.Now()
		q.AddWithOpts(priorityqueue.AddOpts{RateLimited: true, After: time.Millisecond}, failing)
		take(t, q, 1)
		if time.Since(start) != time.Millisecond {
			t.Errorf("ready after %s, want the shorter of delay and limit, 1ms", time.Since(start))
		}
		q.Forget(failing)
		if q.NumRequeues(failing) != 0 {
			t.Errorf("NumRequeues() = %d after Forget, want 0", q.NumRequeues(failing))
		}
	})
}
