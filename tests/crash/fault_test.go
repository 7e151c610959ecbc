package crash_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/finos/five-spot/api/v1alpha1"
)

const (
	// faultRuns is how many lives are lived under faults.
	faultRuns = 3

	// haste is how much faster than real time the clock runs under faults, so that
	// the waits after errors do not take their time.
	haste = 20
)

// TestEveryWriteMayFail lives a whole life of a machine while the API server answers a
// third of the writes with an error, or not at all.
func TestEveryWriteMayFail(t *testing.T) {
	t.Parallel()
	if world == nil {
		t.Skip("starts control planes")
	}
	for i := range uint64(faultRuns) {
		t.Run(fmt.Sprintf("seed %d", *seed+i), func(t *testing.T) {
			t.Parallel()
			t.Logf("to repeat: go test ./tests/crash -run %s -seed %d", "TestEveryWriteMayFail", *seed+i)
			b := newBench(t)
			b.start()
			b.process.network.disturb(rand.New(rand.NewPCG(*seed+i, 0)))
			b.live()
			b.catchUp()
			for _, violation := range b.history.violations() {
				t.Error(violation)
			}
			if machines := b.history.machines(); len(machines) != 3 {
				t.Errorf("three activations had %d Machines", len(machines))
			}
		})
	}
}

// live goes through three activations, and through every way out.
func (b *bench) live() {
	b.Helper()
	active := func() bool { return b.inPhase(v1alpha1.PhaseActive) }
	b.hurry("the machine has joined", active)
	b.jumpTo(windowCloses)
	b.hurry("the window is closed", func() bool { return b.inPhase(v1alpha1.PhaseInactive) && b.isBare() })
	b.jumpTo(nextDay)
	b.hurry("the machine has joined the next day", active)
	b.patch(`{"spec":{"killSwitch":true}}`)
	b.hurry("the machine is killed", func() bool { return b.inPhase(v1alpha1.PhaseTerminated) && b.isBare() })
	b.patch(`{"spec":{"killSwitch":false}}`)
	b.hurry("the machine is back", active)
	b.delete()
	b.hurry("the object is gone", func() bool { return b.read() == nil && b.isBare() })
}

// hurry is await with a clock that runs faster.
func (b *bench) hurry(what string, reached func() bool) {
	b.Helper()
	b.await(what, func() bool {
		if reached() {
			return true
		}
		b.clock.Step(haste * tick)
		return false
	})
}
