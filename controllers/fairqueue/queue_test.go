package fairqueue

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
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

// testQueue is what a controller sees.
type testQueue = priorityqueue.PriorityQueue[reconcile.Request]

// newQueue is a queue under the synthetic time of a bubble. The bubble fails when a
// goroutine of the queue outlives ShutDown.
func newQueue(t *testing.T) testQueue {
	t.Helper()
	return newQueueWithClock(t, clock.RealClock{})
}

func newQueueWithClock(t *testing.T, clk clock.WithTicker) testQueue {
	t.Helper()
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](time.Second, time.Minute)
	q, ok := NewWithClock(clk, "", limiter).(testQueue)
	if !ok {
		t.Fatal("the queue has no priorities for controller-runtime")
	}
	t.Cleanup(q.ShutDown)
	return q
}

// later lets synthetic time pass, and everything that is due happen.
func later(after time.Duration) {
	<-time.NewTimer(after).C
	synctest.Wait()
}

func add(q testQueue, priority int, requests ...reconcile.Request) {
	q.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, requests...)
}

// take works off n requests and returns them as namespace/name, in order.
func take(t *testing.T, q testQueue, n int) []string {
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
				{50, request("a", "1")},
				{50, request("a", "2")},
				{50, request("a", "3")},
				{50, request("b", "1")},
				{50, request("c", "1")},
				{50, request("b", "2")},
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
			synctest.Test(t, func(t *testing.T) {
				q := newQueue(t)
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
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t)
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
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t)
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
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t)
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

func TestTurnsForgetWhatWasHandedOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t)
		add(q, 1, request("a", "1"), request("b", "1"))
		add(q, 2, request("a", "1"))
		take(t, q, 2)
		fair, ok := q.(*queue)
		if !ok {
			t.Fatalf("%T", q)
		}
		order := fair.ready.order
		if len(order.asked)+len(order.taken)+len(order.ready)+len(order.names)+len(order.ring) != 0 {
			t.Errorf("an idle queue still holds %+v", order)
		}
	})
}

func BenchmarkTenThousandDueAtOnce(b *testing.B) {
	for b.Loop() {
		q := New("", workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
		for i := range 10_000 {
			q.Add(request(fmt.Sprint(i%20), fmt.Sprint(i)))
		}
		for range 10_000 {
			next, _ := q.Get()
			q.Done(next)
		}
		q.ShutDown()
	}
}
