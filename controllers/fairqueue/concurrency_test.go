package fairqueue

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

func TestShutDownWakesWorkersAndDropsTheBacklog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t)
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
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t)
		add(q, 0, request("a", "1"), request("a", "2"))
		q.ShutDown()
		if next, shutdown := q.Get(); !shutdown {
			t.Errorf("got %v from the backlog after the shutdown", next)
		}
	})
}

func TestShutDownWithDrainWaitsForWhatIsReady(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t)
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
	q := newQueue(t)
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
