package crash_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
)

// TestTheManagerMayStopAfterAnyWrite stops a manager in this process, on a clock that
// can be stepped, after each of its writes.
func TestTheManagerMayStopAfterAnyWrite(t *testing.T) {
	t.Parallel()
	if world == nil {
		t.Skip("starts control planes")
	}
	for name, s := range map[string]scenario{
		"a window opens": {
			reached: func(b *bench) bool { return b.inPhase(v1alpha1.PhaseActive) },
		},
		"a window closes": {
			prepare: (*bench).work,
			act:     func(b *bench) { b.jumpTo(windowCloses) },
			reached: func(b *bench) bool { return b.inPhase(v1alpha1.PhaseInactive) },
		},
		"the window is open again in mid-drain": {
			prepare: (*bench).closeAndStick,
			act: func(b *bench) {
				b.patch(`{"spec":{"schedule":{"override":{"state":"Active","until":"2037-11-24T06:00:00Z"}}}}`)
			},
			reached: (*bench).isActiveAgain,
		},
		"the drain is cut off by its timeout": {
			prepare: (*bench).stickAndRestart,
			act:     func(b *bench) { b.jumpTo(b.cutOff) },
			reached: func(b *bench) bool { return b.inPhase(v1alpha1.PhaseInactive) },
		},
		"the kill switch is thrown": {
			prepare: (*bench).activate,
			act:     (*bench).kill,
			reached: (*bench).isKilled,
		},
		"the kill switch is thrown in mid-drain": {
			prepare: (*bench).closeAndStick,
			act:     (*bench).kill,
			reached: (*bench).isKilled,
		},
		"the Node asks to be reclaimed": {
			prepare: (*bench).work,
			act:     (*bench).requestReclaim,
			reached: func(b *bench) bool { return b.inPhase(v1alpha1.PhaseDisabled) },
		},
		"the object is deleted": {
			prepare: (*bench).work,
			act:     (*bench).delete,
			reached: func(b *bench) bool { return b.read() == nil },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.dieAtAnyWrite(t, once)
		})
	}
}

// once stops a manager after a write, if there was any.
func once(written int) []death {
	if written == 0 {
		return nil
	}
	return []death{{written, afterWrite}}
}

// closeAndStick closes the window of a machine with pods that cannot leave.
func (b *bench) closeAndStick() {
	b.Helper()
	b.workForEver()
	b.jumpTo(windowCloses)
	b.await("the drain is stuck", b.isStuck)
}

// stickAndRestart lets another manager come in the middle of a drain that is stuck. The
// time for it is as it was.
func (b *bench) stickAndRestart() {
	b.Helper()
	b.closeAndStick()
	b.cutOff = b.read().Status.Shutdown.DrainStartedAt.Add(drainTimeout)
	b.stop()
	b.jumpTo(b.cutOff.Add(-30 * time.Minute))
	b.start()
}

func (b *bench) kill() {
	b.Helper()
	b.patch(`{"spec":{"killSwitch":true}}`)
}

func (b *bench) isKilled() bool {
	b.Helper()
	return b.inPhase(v1alpha1.PhaseTerminated) && b.isBare()
}

func (b *bench) isActiveAgain() bool {
	b.Helper()
	node := b.node()
	return b.inPhase(v1alpha1.PhaseActive) && b.read().Status.Shutdown == nil && node != nil && !node.Spec.Unschedulable
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
	node.Name = b.nodeName()
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
	if shutdowns := b.history.shutdowns(); shutdowns > 1 {
		b.Errorf("one shutdown had %d clocks", shutdowns)
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
		b.await("the history is complete", func() bool { return b.history.management.has(revision) })
	}
}
