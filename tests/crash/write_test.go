package crash_test

import (
	"fmt"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

// scenario is one way through the lifecycle.
type scenario struct {
	// prepare brings the machine to where the scenario begins; nothing goes wrong yet.
	prepare func(*bench)

	// act sets the scenario off.
	act func(*bench)

	// reached is whether it is at its end.
	reached func(*bench) bool
}

func scenarios() map[string]scenario {
	return map[string]scenario{
		"a window opens": {
			reached: func(b *bench) bool { return b.inPhase(v1alpha1.PhaseActive) },
		},
		"a window closes": {
			prepare: (*bench).activate,
			act:     func(b *bench) { b.jumpTo(windowCloses) },
			reached: func(b *bench) bool { return b.inPhase(v1alpha1.PhaseInactive) },
		},
		"the kill switch is thrown": {
			prepare: (*bench).activate,
			act:     func(b *bench) { b.patch(`{"spec":{"killSwitch":true}}`) },
			reached: func(b *bench) bool { return b.inPhase(v1alpha1.PhaseTerminated) && b.isBare() },
		},
		"the Node asks to be reclaimed": {
			prepare: (*bench).activate,
			act:     (*bench).requestReclaim,
			reached: func(b *bench) bool { return b.inPhase(v1alpha1.PhaseDisabled) },
		},
		"the object is deleted": {
			prepare: (*bench).activate,
			act:     (*bench).delete,
			reached: func(b *bench) bool { return b.read() == nil },
		},
	}
}

// TestTheManagerMayStopAfterAnyWrite stops the manager after its k-th write, for every
// k until there is no such write. What was written is all that is left of it.
func TestTheManagerMayStopAfterAnyWrite(t *testing.T) {
	if world == nil {
		t.Skip("starts control planes")
	}
	for name, s := range scenarios() {
		t.Run(name, func(t *testing.T) {
			var want snapshot
			if !t.Run("undisturbed", func(t *testing.T) { want = s.undisturbed(t) }) {
				return
			}
			for k, died := 1, true; died; k++ {
				ok := t.Run(fmt.Sprintf("after write %d", k), func(t *testing.T) { died = s.stopped(t, k, want) })
				if !ok {
					return
				}
			}
		})
	}
}

func (s scenario) undisturbed(t *testing.T) snapshot {
	t.Helper()
	b := newBench(t)
	b.start()
	if s.prepare != nil {
		s.prepare(b)
	}
	if s.act != nil {
		s.act(b)
	}
	b.await("the end is reached", func() bool { return s.reached(b) })
	last := b.lastSnapshot()
	b.judge()
	t.Logf("%d writes: %v", len(b.process.network.written()), b.process.network.written())
	return last
}

// stopped runs the scenario with a manager that stops after its k-th write, and is
// whether it did.
func (s scenario) stopped(t *testing.T, k int, want snapshot) bool {
	t.Helper()
	b := newBench(t)
	n := newNetwork()
	if s.prepare == nil {
		n.dieAfter(k)
	}
	b.startOn(n)
	if s.prepare != nil {
		s.prepare(b)
		n.dieAfter(k)
	}
	if s.act != nil {
		s.act(b)
	}
	reached := func() bool { return s.reached(b) }
	if b.await("the end is reached", reached) && b.expect(want) {
		b.judge()
		return false
	}
	b.stop()
	b.start()
	b.await("the end is reached", reached)
	b.expect(want)
	b.judge()
	return true
}

// activate waits until the machine is in its cluster and nothing is left to be done.
func (b *bench) activate() {
	b.Helper()
	b.await("the machine has joined", func() bool { return b.inPhase(v1alpha1.PhaseActive) })
	b.lastSnapshot()
}

func (b *bench) delete() {
	b.Helper()
	if err := world.Client.Delete(b.Context(), b.sm.DeepCopy()); err != nil {
		b.Fatal(err)
	}
}

// requestReclaim does what the reclaim agent does.
func (b *bench) requestReclaim() {
	b.Helper()
	node := &corev1.Node{}
	node.Name = testenv.NodeName(b.sm.Namespace, b.sm.Name)
	body := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.ReclaimRequestedAnnotation, v1alpha1.ReclaimRequestedValue)
	if err := world.WorkloadClient.Patch(b.Context(), node, client.RawPatch("application/merge-patch+json", []byte(body))); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) inPhase(phase v1alpha1.Phase) bool {
	b.Helper()
	now := b.read()
	return now != nil && now.Status.Phase == phase
}

// isBare is whether nothing of the machine is left.
func (b *bench) isBare() bool {
	b.Helper()
	return len(b.objects(map[string]string{})) == 0
}

// judge looks back at everything that happened to one activation.
func (b *bench) judge() {
	b.Helper()
	b.catchUp()
	for _, violation := range b.history.violations() {
		b.Error(violation)
	}
	if machines := b.history.machines(); len(machines) != 1 {
		b.Errorf("one activation had %d Machines", len(machines))
	}
}

// catchUp waits until the history tells of the present.
func (b *bench) catchUp() {
	b.Helper()
	for _, obj := range append(created(), b.sm.DeepCopy()) {
		err := world.Client.Get(b.Context(), client.ObjectKeyFromObject(b.sm), obj)
		if client.IgnoreNotFound(err) != nil {
			b.Fatal(err)
		}
		if err != nil {
			continue
		}
		revision, err := strconv.ParseUint(obj.GetResourceVersion(), 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		b.await("the history is complete", func() bool { return b.history.has(revision) })
	}
}
