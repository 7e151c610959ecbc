package crash_test

import (
	"fmt"
	"testing"
)

// scenario is one way through the lifecycle.
type scenario struct {
	// bench creates the machine; nil takes newBench.
	bench func(*testing.T) *bench

	// prepare brings the machine to where the scenario begins; nothing goes wrong yet.
	prepare func(*bench)

	// act sets the scenario off.
	act func(*bench)

	// reached is whether it is at its end.
	reached func(*bench) bool
}

// death is at which of its writes a manager dies, counted from 1, and when.
type death struct {
	write int
	at    moment
}

// dieAtAnyWrite runs the scenario undisturbed, and then once for each of the writes
// and before the first, with managers that die one after the other as deaths says.
// What one has written is all that is left of it for the next.
func (s scenario) dieAtAnyWrite(t *testing.T, deaths func(written int) []death) {
	t.Helper()
	var want snapshot
	var writes []string
	if !t.Run("undisturbed", func(t *testing.T) { want, writes = s.undisturbed(t) }) {
		return
	}
	for written := range len(writes) + 1 {
		if next := deaths(written); len(next) > 0 {
			t.Run(fmt.Sprintf("after write %d", written), func(t *testing.T) {
				t.Parallel()
				s.interrupted(t, next, want)
			})
		}
	}
}

// undisturbed returns the end of the scenario, and what the manager wrote on the way.
func (s scenario) undisturbed(t *testing.T) (snapshot, []string) {
	t.Helper()
	b := s.newBench(t)
	b.start()
	if s.prepare != nil {
		s.prepare(b)
	}
	before := len(b.process.network.written())
	if s.act != nil {
		s.act(b)
	}
	b.await("the end is reached", func() bool { return s.reached(b) })
	last := b.lastSnapshot()
	b.judge()
	writes := b.process.network.written()[before:]
	t.Logf("%d writes: %v", len(writes), writes)
	return last, writes
}

// interrupted runs the scenario with managers that die. There may be less writes this
// time: then the last that should die lives.
func (s scenario) interrupted(t *testing.T, deaths []death, want snapshot) {
	t.Helper()
	b := s.newBench(t)
	if s.prepare == nil {
		b.startToDie(deaths)
	} else {
		b.start()
		s.prepare(b)
		b.process.network.dieAt(deaths)
	}
	if s.act != nil {
		s.act(b)
	}
	for !b.await("the end is reached", func() bool { return s.reached(b) }) || !b.expect(want) {
		t.Logf("died at %s", b.process.network.last())
		deaths = deaths[1:]
		b.stop()
		b.startToDie(deaths)
	}
	b.judge()
}

func (s scenario) newBench(t *testing.T) *bench {
	t.Helper()
	if s.bench == nil {
		return newBench(t)
	}
	return s.bench(t)
}
