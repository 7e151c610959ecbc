package lifecycle

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/schedule"
)

// How long things take in the simulated world.
const (
	joinTakes    = 90 * time.Second
	readyTakes   = 30 * time.Second
	drainTakes   = 2 * time.Minute
	removalTakes = 20 * time.Second
)

// happening is something that happens in the world at its time.
type happening struct {
	at   time.Time
	name string
	do   func(*world)
}

// world is a ScheduledMachine with what is persisted of it, its Machine and its
// Node. Everything that the rules see of it is written by execute, persist and the
// happenings.
type world struct {
	Observation

	// drainsNever and hangs keep a Node from being drained and a Machine's deletion
	// from ending before it is hurried.
	drainsNever, hangs bool

	// marked is whether Nodes come with the marks of their earlier life, and
	// onReady what happens when one is Ready.
	marked  bool
	onReady func(*world)

	pausedBefore                          bool
	pausedSince                           time.Time
	draining, drained, removing, released bool

	happenings []happening
	shuffle    *rand.Rand
	log        []string
	last       string
}

func newWorld(start time.Time, seed uint64) *world {
	w := &world{shuffle: rand.New(rand.NewPCG(seed, 0))}
	w.Observation = resting(notInCache, phase(""))
	w.Now = start
	w.confirmAbsence()
	return w
}

func (w *world) logf(format string, args ...any) {
	w.log = append(w.log, w.Now.UTC().Format("Mon 15:04:05 ")+fmt.Sprintf(format, args...))
}

func (w *world) later(after time.Duration, name string, do func(*world)) {
	w.happenings = append(w.happenings, happening{w.Now.Add(after), name, do})
}

func (w *world) confirmAbsence() { w.Machine.ConfirmedAbsent = !w.Machine.Exists && !w.Object.AtRest() }

// observe is what a reconcile sees now.
func (w *world) observe() Observation {
	w.confirmAbsence()
	w.Schedule = weekdays(w.Now)
	w.Pause.Since = time.Time{}
	if w.pausedBefore {
		w.Pause.Since = w.pausedSince
	}
	return w.Observation
}

// weekdays is Monday to Friday from nine to six, by counting hours.
func weekdays(now time.Time) schedule.Evaluation {
	active := func(t time.Time) bool {
		return t.Weekday() >= time.Monday && t.Weekday() <= time.Friday && t.Hour() >= 9 && t.Hour() < 18
	}
	next := now.Truncate(time.Hour).Add(time.Hour)
	for active(next) == active(now) {
		next = next.Add(time.Hour)
	}
	e := schedule.Evaluation{Active: active(now), Provision: active(now), Cause: v1alpha1.CauseWindow, NextChange: next}
	if e.Active {
		e.NextCleanup = next
	} else {
		e.NextActivation = next
	}
	return e
}

// settle reconciles until nothing more is to be done at this instant, as the
// controller does; now and then it crashes between the effects and the status.
func (w *world) settle() Decision {
	for range 50 {
		before := w.observe()
		d := Decide(before)
		w.execute(d)
		crashed := w.shuffle.IntN(4) == 0
		if !crashed {
			w.persist(before, d)
		}
		if !crashed && !d.WakeAt.Equal(w.Now) && reflect.DeepEqual(w.Observation, before) {
			return d
		}
	}
	panic("the world does not settle at " + w.Now.String() + ":\n" + strings.Join(w.log, "\n"))
}

// show logs where an instant ended, when that is new.
func (w *world) show(d Decision) {
	if now := fmt.Sprintf("%s %s: %s", d.Phase, d.Reason, d.Message); now != w.last {
		w.last = now
		w.logf("  %s", now)
	}
}

func (w *world) execute(d Decision) {
	for _, action := range d.Actions {
		w.perform(action)
	}
}

// persist writes the status: what was seen before the effects, and what was decided.
func (w *world) persist(seen Observation, d Decision) {
	w.Object.Phase, w.Object.RecentReclaims = d.Phase, d.RecentReclaims
	drained := w.Object.Shutdown != nil && w.Object.Shutdown.Drained
	w.Object.Shutdown = d.Shutdown.DeepCopy()
	if w.Object.Shutdown != nil && (drained || w.drained) {
		w.Object.Shutdown.Drained = true
	}
	w.Object.HasMachineRef = w.Machine.Exists
	if d.Has(ActionResetNode) {
		w.Object.HasNodeRef = true
	}
	if !seen.Machine.HasNodeRef {
		w.Object.HasNodeRef = false
	}
	if active := w.Pause.Active(); active != w.pausedBefore {
		w.pausedBefore, w.pausedSince = active, w.Now.Truncate(time.Second)
	}
	if d.Has(ActionReleaseFinalizer) {
		w.released = true
	}
}

// run plays the happenings until the end, in an order that is shuffled where they
// coincide, with needless reconciles in between.
func (w *world) run(end time.Time) {
	var wakeAt time.Time
	for {
		next := end
		for _, h := range w.happenings {
			next = sooner(next, h.at)
		}
		next = sooner(next, wakeAt)
		if needless := w.Now.Add(time.Duration(1+w.shuffle.IntN(7200)) * time.Second); needless.Before(next) {
			next = needless
		}
		if w.Now = next; !w.Now.Before(end) || w.released {
			return
		}
		w.happen()
		settled := w.settle()
		w.show(settled)
		wakeAt = settled.WakeAt
	}
}

// happen lets everything happen that is due, in any order, sometimes with a
// reconcile in between.
func (w *world) happen() {
	due := func(h happening) bool { return !h.at.After(w.Now) }
	var now []happening
	for _, h := range w.happenings {
		if due(h) {
			now = append(now, h)
		}
	}
	w.happenings = slices.DeleteFunc(w.happenings, due)
	for _, h := range now {
		if h.name != "" {
			w.logf("* %s", h.name)
		}
	}
	w.shuffle.Shuffle(len(now), func(i, j int) { now[i], now[j] = now[j], now[i] })
	for _, h := range now {
		h.do(w)
		if w.shuffle.IntN(2) == 0 {
			w.settle()
		}
	}
}
