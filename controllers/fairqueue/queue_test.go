package fairqueue

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// The constructor is what a controller's options ask for.
var _ = controller.Options{NewQueue: New}

func request(namespace, name string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}
}

// inBubble runs a test on a queue under synthetic time. The bubble fails when a
// goroutine of the queue outlives ShutDown.
func inBubble(t *testing.T, test func(t *testing.T, q priorityqueue.PriorityQueue[reconcile.Request])) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](time.Second, time.Minute)
		q := New("", limiter).(priorityqueue.PriorityQueue[reconcile.Request])
		defer q.ShutDown()
		test(t, q)
	})
}

func add(q priorityqueue.PriorityQueue[reconcile.Request], priority int, requests ...reconcile.Request) {
	q.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, requests...)
}

// take works off n requests and returns them as namespace/name, in order.
func take(t *testing.T, q priorityqueue.PriorityQueue[reconcile.Request], n int) []string {
	t.Helper()
	taken := make([]string, 0, n)
	for range n {
		next, shutdown := q.Get()
		if shutdown {
			t.Fatalf("the queue was shut down after %v", taken)
		}
		taken = append(taken, next.String())
		q.Done(next)
	}
	return taken
}

func TestOrder(t *testing.T) {
	t.Parallel()
	type addition struct {
		priority int
		request  reconcile.Request
	}
	for name, test := range map[string]struct {
		additions []addition
		want      []string
	}{
		"equal priorities of one namespace are first come first served": {
			additions: []addition{{50, request("a", "3")}, {50, request("a", "1")}, {50, request("a", "2")}},
			want:      []string{"a/3", "a/1", "a/2"},
		},
		"higher goes first within its namespace": {
			additions: []addition{{50, request("a", "1")}, {255, request("a", "2")}, {0, request("a", "3")}},
			want:      []string{"a/2", "a/1", "a/3"},
		},
		"namespaces take turns": {
			additions: []addition{
				{50, request("a", "1")}, {50, request("a", "2")}, {50, request("a", "3")},
				{50, request("b", "1")}, {50, request("c", "1")}, {50, request("b", "2")},
			},
			want: []string{"a/1", "b/1", "c/1", "a/2", "b/2", "a/3"},
		},
		"a high priority does not overtake another namespace's turn": {
			additions: []addition{{0, request("a", "1")}, {255, request("b", "1")}, {255, request("b", "2")}, {0, request("a", "2")}},
			want:      []string{"a/1", "b/1", "a/2", "b/2"},
		},
		"the initial list goes after everything else of its namespace": {
			additions: []addition{{handler.LowPriority, request("a", "1")}, {handler.LowPriority, request("a", "2")}, {0, request("a", "3")}},
			want:      []string{"a/3", "a/1", "a/2"},
		},
		"the initial list of one namespace is not starved by another namespace": {
			additions: []addition{{0, request("a", "1")}, {0, request("a", "2")}, {0, request("a", "3")}, {handler.LowPriority, request("b", "1")}},
			want:      []string{"a/1", "b/1", "a/2", "a/3"},
		},
		"a request that waits twice is handed out once": {
			additions: []addition{{1, request("a", "1")}, {1, request("a", "1")}, {1, request("a", "2")}},
			want:      []string{"a/1", "a/2"},
		},
		"a request that is added again with more priority moves up behind its equals": {
			additions: []addition{{handler.LowPriority, request("a", "1")}, {9, request("a", "2")}, {9, request("a", "1")}, {5, request("a", "3")}},
			want:      []string{"a/2", "a/1", "a/3"},
		},
		"a request that is added again with less priority keeps its place": {
			additions: []addition{{9, request("a", "1")}, {5, request("a", "2")}, {0, request("a", "1")}},
			want:      []string{"a/1", "a/2"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, q priorityqueue.PriorityQueue[reconcile.Request]) {
				for _, a := range test.additions {
					add(q, a.priority, a.request)
				}
				if q.Len() != len(test.want) {
					t.Errorf("Len() = %d, want %d", q.Len(), len(test.want))
				}
				if diff := cmp.Diff(test.want, take(t, q, len(test.want))); diff != "" {
					t.Errorf("order (-want +got):\n%s", diff)
				}
				if q.Len() != 0 {
					t.Errorf("Len() = %d afterwards, want 0", q.Len())
				}
			})
		})
	}
}

func TestOneMachineIsNotHeldUpByTenThousandOfAnotherNamespace(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, q priorityqueue.PriorityQueue[reconcile.Request]) {
		for i := range 10_000 {
			add(q, 255, request("crowded", fmt.Sprintf("m%05d", i)))
		}
		add(q, 0, request("lonely", "only"))
		if first := take(t, q, 2); !slices.Contains(first, "lonely/only") {
			t.Errorf("the first two are %v, want lonely/only among them", first)
		}
	})
}

func TestANamespaceThatRefillsDoesNotJumpTheRing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, q priorityqueue.PriorityQueue[reconcile.Request]) {
		add(q, 0, request("a", "1"), request("b", "1"), request("b", "2"), request("c", "1"))
		got := take(t, q, 1)
		add(q, 255, request("a", "2"))
		got = append(got, take(t, q, 4)...)
		if diff := cmp.Diff([]string{"a/1", "b/1", "c/1", "a/2", "b/2"}, got); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	})
}

func TestWhatIsAddedWhileItIsWorkedOnComesAgainWithItsPriority(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, q priorityqueue.PriorityQueue[reconcile.Request]) {
		add(q, 5, request("a", "1"))
		first, priority, _ := q.GetWithPriority()
		if priority != 5 {
			t.Errorf("priority = %d, want 5", priority)
		}
		add(q, 7, first)
		add(q, 3, first)
		if q.Len() != 0 {
			t.Fatalf("Len() = %d, want 0: two workers must not have the same request", q.Len())
		}
		q.Done(first)
		again, priority, _ := q.GetWithPriority()
		q.Done(again)
		if again != first || priority != 7 {
			t.Errorf("got %v with priority %d, want %v with 7", again, priority, first)
		}
		if q.Len() != 0 {
			t.Errorf("Len() = %d, want 0", q.Len())
		}
	})
}

func TestTimersAreKeptInOrderOfPriorityWhenTheyAreDueAtOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, q priorityqueue.PriorityQueue[reconcile.Request]) {
		start := time.Now()
		for name, priority := range map[string]int{"low": 1, "high": 200, "middle": 50} {
			q.AddWithOpts(priorityqueue.AddOpts{After: time.Hour, Priority: &priority}, request("a", name))
		}
		q.AddAfter(request("b", "soon"), time.Minute)
		if got := take(t, q, 1); got[0] != "b/soon" || time.Since(start) != time.Minute {
			t.Errorf("got %v after %s, want b/soon after 1m", got, time.Since(start))
		}
		// All three become ready before anybody asks.
		time.Sleep(time.Hour)
		synctest.Wait()
		if diff := cmp.Diff([]string{"a/high", "a/middle", "a/low"}, take(t, q, 3)); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	})
}

func TestTheInjectedClockDrivesTimers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		clk := clocktesting.NewFakeClock(time.Unix(0, 0))
		limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](time.Second, time.Minute)
		q := NewWithClock(clk, "", limiter).(priorityqueue.PriorityQueue[reconcile.Request])
		defer q.ShutDown()
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
	inBubble(t, func(t *testing.T, q priorityqueue.PriorityQueue[reconcile.Request]) {
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
	inBubble(t, func(t *testing.T, q priorityqueue.PriorityQueue[reconcile.Request]) {
		start := time.Now()
		for _, after := range []time.Duration{3 * time.Minute, time.Minute, 2 * time.Minute} {
			q.AddAfter(request("a", "1"), after)
		}
		take(t, q, 1)
		if time.Since(start) != time.Minute {
			t.Errorf("ready after %s, want 1m", time.Since(start))
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if q.Len() != 0 {
			t.Errorf("Len() = %d, want 0: the later timers are the same request", q.Len())
		}
	})
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, q priorityqueue.PriorityQueue[reconcile.Request]) {
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

func TestShutDownWakesWorkersAndDropsTheBacklog(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, q priorityqueue.PriorityQueue[reconcile.Request]) {
		ended := make(chan bool, 3)
		for range cap(ended) {
			go func() {
				_, _, shutdown := q.GetWithPriority()
				ended <- shutdown
			}()
		}
		synctest.Wait()
		q.ShutDown()
		for range cap(ended) {
			if !<-ended {
				t.Error("a worker got a request after the shutdown")
			}
		}
		q.Add(request("a", "1"))
		q.AddAfter(request("a", "2"), time.Second)
		if _, shutdown := q.Get(); !shutdown || !q.ShuttingDown() || q.Len() != 0 {
			t.Errorf("shutdown = %v, ShuttingDown() = %v, Len() = %d, want true, true, 0", shutdown, q.ShuttingDown(), q.Len())
		}
		q.ShutDown()
	})
	inBubble(t, func(t *testing.T, q priorityqueue.PriorityQueue[reconcile.Request]) {
		add(q, 0, request("a", "1"), request("a", "2"))
		q.ShutDown()
		if next, shutdown := q.Get(); !shutdown {
			t.Errorf("got %v from the backlog after the shutdown", next)
		}
	})
}

func TestShutDownWithDrainWaitsForWhatIsReady(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, q priorityqueue.PriorityQueue[reconcile.Request]) {
		add(q, 0, request("a", "1"), request("a", "2"))
		q.AddAfter(request("a", "3"), time.Hour)
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			q.ShutDownWithDrain()
		}()
		synctest.Wait()
		got := take(t, q, 2)
		<-drained
		if diff := cmp.Diff([]string{"a/1", "a/2"}, got); diff != "" {
			t.Errorf("worked off (-want +got):\n%s", diff)
		}
		if _, shutdown := q.Get(); !shutdown {
			t.Error("the queue is not shut down after the drain")
		}
	})
}

func TestConcurrentWorkersNeverShareARequestAndLoseNone(t *testing.T) {
	t.Parallel()
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](time.Nanosecond, time.Microsecond)
	q := New("", limiter).(priorityqueue.PriorityQueue[reconcile.Request])
	const adders, workers, additions, machines = 4, 4, 2_000, 60

	var lock sync.Mutex
	busy, asked, served := map[reconcile.Request]bool{}, map[reconcile.Request]int{}, map[reconcile.Request]int{}
	work := func() {
		for {
			next, _, shutdown := q.GetWithPriority()
			if shutdown {
				return
			}
			lock.Lock()
			if busy[next] {
				t.Errorf("%v is with two workers", next)
			}
			busy[next] = true
			served[next] = asked[next]
			lock.Unlock()

			lock.Lock()
			busy[next] = false
			lock.Unlock()
			q.Done(next)
		}
	}
	var working, adding sync.WaitGroup
	for range workers {
		working.Go(work)
	}
	for seed := range uint64(adders) {
		adding.Go(func() {
			random := rand.New(rand.NewPCG(seed, 0))
			for range additions {
				machine := random.IntN(machines)
				r := request(fmt.Sprint(machine%7), fmt.Sprint(machine))
				lock.Lock()
				asked[r]++
				lock.Unlock()
				priority := random.IntN(256)
				q.AddWithOpts(priorityqueue.AddOpts{
					Priority: &priority, RateLimited: random.IntN(4) == 0, After: time.Duration(random.IntN(2)),
				}, r)
			}
		})
	}
	adding.Wait()
	// One last addition of each makes every earlier one visible to its turn.
	for r := range asked {
		q.Add(r)
	}
	q.ShutDownWithDrain()
	working.Wait()
	if diff := cmp.Diff(asked, served); diff != "" {
		t.Errorf("what was asked for and what the last turn saw differ (-asked +served):\n%s", diff)
	}
}

func TestTurnsForgetWhatWasHandedOut(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, q priorityqueue.PriorityQueue[reconcile.Request]) {
		add(q, 1, request("a", "1"), request("b", "1"))
		add(q, 2, request("a", "1"))
		take(t, q, 2)
		order := q.(*queue).ready.order
		if len(order.asked)+len(order.taken)+len(order.ready)+len(order.names)+len(order.ring) != 0 {
			t.Errorf("an idle queue still holds %+v", order)
		}
	})
}

func BenchmarkTenThousandDueAtOnce(b *testing.B) {
	for b.Loop() {
		q := New("", workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]()).(priorityqueue.PriorityQueue[reconcile.Request])
		for i := range 10_000 {
			add(q, i%256, request(fmt.Sprint(i%20), fmt.Sprint(i)))
		}
		for range 10_000 {
			next, _ := q.Get()
			q.Done(next)
		}
		q.ShutDown()
	}
}
