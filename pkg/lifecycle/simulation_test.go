package lifecycle

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// monday is the start of every simulation, at midnight.
var monday = at("00:00:00")

// simulation is a script for the world and how long it is played.
type simulation struct {
	length time.Duration
	given  func(*world)
	script []happening
}

// on is an instant of the simulated week, such as "tue 11:30:00".
func on(day int, clock string) time.Time { return at(clock).AddDate(0, 0, day) }

func set(c change) func(*world) { return func(w *world) { c(&w.Observation) } }

func simulations() map[string]simulation {
	const day = 24 * time.Hour
	none := func(*world) {}
	return map[string]simulation{
		"week":                  {7 * day, none, nil},
		"week-of-interventions": {5 * day, none, interventions()},
		"week-of-trouble":       {5 * day, none, trouble()},
		"reclaim-loop":          {11 * time.Hour, reclaimLoop, nil},
		"deleted-in-its-window": {1 * day, none, []happening{{on(0, "12:00:00"), "deleted", set(deleted)}}},
		"deleted-and-nothing-helps": {1 * day, func(w *world) { w.drainsNever = true }, []happening{
			{on(0, "12:00:00"), "deleted; the deletion of the Machine hangs for good", func(w *world) { deleted(&w.Observation); w.removing = true }},
		}},
	}
}

// interventions are what people do on purpose.
func interventions() []happening {
	off := func(w *world) { w.Object.KillSwitch = false }
	repair := func(w *world) { w.Object.Invalid = nil }
	return []happening{
		{on(0, "11:00:00"), "kill switch on", set(killSwitch)},
		{on(0, "12:00:00"), "kill switch off", off},
		{on(1, "10:00:00"), "disabled", set(disabled)},
		{on(1, "11:00:00"), "enabled", func(w *world) { w.Object.Enabled = true }},
		{on(1, "17:00:00"), "drains are blocked from now on", func(w *world) { w.drainsNever = true }},
		{on(1, "18:01:00"), "paused", set(pausedObject)},
		{on(1, "19:00:00"), "resumed", func(w *world) { w.Pause.Object = false }},
		{on(2, "07:00:00"), "drains are no longer blocked", func(w *world) { w.drainsNever = false }},
		{on(2, "12:00:00"), "spec made invalid", set(invalidSpec)},
		{on(2, "20:00:00"), "spec mended", repair},
		{on(3, "17:59:00"), "disabled just before the window closes", set(disabled)},
		{on(3, "18:00:30"), "enabled", func(w *world) { w.Object.Enabled = true }},
		{on(4, "12:00:00"), "disabled by mistake", set(disabled)},
		{on(4, "12:01:00"), "enabled again", func(w *world) { w.Object.Enabled = true }},
	}
}

// trouble is what happens to people.
func trouble() []happening {
	return []happening{
		{on(0, "08:00:00"), "Cluster is gone", set(withoutCluster)},
		{on(0, "09:30:00"), "Cluster is back", func(w *world) { w.Cluster = running().Cluster }},
		{on(0, "17:00:00"), "workload cluster out of reach", func(w *world) { w.Cluster.Reachable = false }},
		{on(1, "08:00:00"), "workload cluster back; deletions hang from now on", func(w *world) { w.Cluster.Reachable, w.hangs = true, true }},
		{on(2, "08:00:00"), "deletions no longer hang; drains are blocked from now on", func(w *world) { w.hangs, w.drainsNever = false, true }},
		{on(3, "08:00:00"), "drains are no longer blocked; Nodes come with old marks", func(w *world) { w.drainsNever, w.marked = false, true }},
		{on(3, "12:00:00"), "somebody deletes the Machine", func(w *world) { w.remove(deletion(false, false)) }},
		{on(4, "12:00:00"), "calendar is missing", set(calendarMissing)},
		{on(4, "12:00:00"), "workload cluster out of reach", func(w *world) { w.Cluster.Reachable = false }},
		{on(4, "12:00:00"), "taints are wanted", func(w *world) { w.Object.WantsTaints = true }},
		{on(4, "20:00:00"), "calendar is back", func(w *world) { w.ScheduleUnknown = nil }},
		{on(4, "20:00:00"), "workload cluster is back", func(w *world) { w.Cluster.Reachable = true }},
	}
}

// reclaimLoop has an agent that asks for its Node whenever it is Ready, and
// somebody's automation that enables the schedule again two minutes later.
func reclaimLoop(w *world) {
	w.onReady = func(w *world) {
		w.logf("* the agent asks for its Node")
		reclaimRequested(&w.Observation)
		w.later(2*time.Minute, "automation enables the schedule", func(w *world) { w.Object.Enabled = true })
	}
}

func (s simulation) play(seed uint64) string {
	w := newWorld(monday, seed)
	s.given(w)
	w.happenings = append(w.happenings, s.script...)
	w.show(w.settle())
	w.run(monday.Add(s.length))
	return strings.Join(w.log, "\n") + "\n"
}

// TestSimulatedWeeks plays each script several times, with coinciding events in
// another order, needless reconciles and crashes: the log must be the same.
func TestSimulatedWeeks(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for name, s := range simulations() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(s.play(seed)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			for round := range uint64(20) {
				if diff := cmp.Diff(string(want), s.play(seed+round)); diff != "" {
					t.Fatalf("seed %d plays differently (-want +got):\n%s", seed+round, diff)
				}
			}
		})
	}
}
