package crash_test

import (
	"testing"
	"time"

	"github.com/finos/five-spot/api/v1alpha1"
)

// cutOff is a nodeDrainTimeout that passes while a test waits. It leaves a killed
// manager the time to come back before.
const cutOff = 6 * time.Second

// TestTheManagerMayBeKilledAtAnyWrite kills a manager that is a process of its own, on
// the real clock: with a write that has left it but never arrives, and with one that
// was carried out but never answered.
func TestTheManagerMayBeKilledAtAnyWrite(t *testing.T) {
	t.Parallel()
	if world == nil {
		t.Skip("starts control planes")
	}
	for name, s := range map[string]scenario{
		"the schedule is disabled": {
			bench:   newChildBench(drainTimeout),
			prepare: (*bench).work,
			act:     (*bench).disable,
			reached: func(b *bench) bool { return b.inPhase(v1alpha1.PhaseDisabled) },
		},
		"the drain is cut off by its timeout": {
			bench:   newChildBench(cutOff),
			prepare: (*bench).workForEver,
			act:     (*bench).disable,
			reached: func(b *bench) bool { return b.inPhase(v1alpha1.PhaseDisabled) },
		},
		"an override opens the window in mid-drain": {
			bench:   newChildBench(drainTimeout),
			prepare: (*bench).overrideAndStick,
			act:     func(b *bench) { b.override(v1alpha1.ScheduleActive) },
			reached: (*bench).isActiveAgain,
		},
		"the kill switch is thrown in mid-drain": {
			bench:   newChildBench(drainTimeout),
			prepare: (*bench).overrideAndStick,
			act:     (*bench).kill,
			reached: (*bench).isKilled,
		},
		"the object is deleted": {
			bench:   newChildBench(drainTimeout),
			prepare: (*bench).work,
			act:     (*bench).delete,
			reached: func(b *bench) bool { return b.read() == nil },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.dieAtAnyWrite(t, twice)
		})
	}
}

// twice kills a manager after a write, and the next, which finds what the first has
// left, before its first write: that is the one that the first did not come to.
func twice(written int) []death {
	next := death{1, beforeWrite}
	if written == 0 {
		return []death{next}
	}
	return []death{{written, afterWrite}, next}
}

// newChildBench creates a ScheduledMachine that is always in its window, whose
// managers are processes of their own.
func newChildBench(drainTimeout time.Duration) func(*testing.T) *bench {
	return func(t *testing.T) *bench {
		t.Helper()
		b := &bench{T: t, launch: (*bench).launchChild, folder: t.TempDir()}
		b.create(v1alpha1.Schedule{DaysOfWeek: []v1alpha1.DayRange{"mon-sun"}, HoursOfDay: []v1alpha1.HourRange{"0-23"}}, drainTimeout)
		return b
	}
}

func (b *bench) disable() {
	b.Helper()
	b.patch(`{"spec":{"schedule":{"enabled":false}}}`)
}

func (b *bench) override(state v1alpha1.ScheduleState) {
	b.Helper()
	b.patch(`{"spec":{"schedule":{"override":{"state":"` + string(state) + `","until":"2100-01-01T00:00:00Z"}}}}`)
}

// overrideAndStick takes a machine out of its window whose pods cannot leave.
func (b *bench) overrideAndStick() {
	b.Helper()
	b.workForEver()
	b.override(v1alpha1.ScheduleInactive)
	b.await("the drain is stuck", b.isStuck)
}
