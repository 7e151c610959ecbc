package metrics

import (
	"math/rand/v2"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// at is a sample some minutes after noon; a window is given by its two ends.
func at(minutes int, up bool, window ...int) Sample {
	s := Sample{At: minute(minutes), Up: up}
	if len(window) == 2 {
		s.WindowStart, s.WindowEnd = minute(window[0]), minute(window[1])
		s.Scheduled = !s.At.Before(s.WindowStart) && s.At.Before(s.WindowEnd)
	}
	return s
}

func minute(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }

func TestAccumulate(t *testing.T) {
	t.Parallel()
	endless := Sample{At: minute(0), Scheduled: true}
	endlessLater := Sample{At: minute(7), Scheduled: true}
	for name, test := range map[string]struct {
		last, now     Sample
		up, scheduled int
	}{
		"nothing while neither up nor scheduled":                       {at(0, false), at(5, false), 0, 0},
		"the whole interval inside one window":                         {at(0, true, -10, 60), at(5, true, -10, 60), 5, 5},
		"up counts until it is seen to be down":                        {at(0, true), at(5, false), 5, 0},
		"down counts until it is seen to be up":                        {at(0, false), at(5, true), 0, 0},
		"a window that opened late in the interval counts from then":   {at(0, false, 3, 60), at(5, false, 3, 60), 0, 2},
		"a window that closed early in the interval counts until then": {at(0, true, -10, 3), at(5, true), 5, 3},
		"a gap between two windows is left out":                        {at(0, false, -10, 2), at(10, false, 7, 60), 0, 5},
		"a window that was edited to start earlier counts only once":   {at(0, false, -10, 60), at(5, false, -20, 60), 0, 5},
		"a window that was edited to end earlier counts until it does": {at(0, false, -10, 60), at(5, false), 0, 5},
		"a window without end":                                         {endless, endlessLater, 0, 7},
		"a clock that was set back counts nothing":                     {at(5, true, -10, 60), at(0, true, -10, 60), 0, 0},
		"the same instant counts nothing":                              {at(5, true, -10, 60), at(5, true, -10, 60), 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up, scheduled := accumulate(test.last, test.now)
			if up != time.Duration(test.up)*time.Minute || scheduled != time.Duration(test.scheduled)*time.Minute {
				t.Errorf("accumulate() = %s up, %s scheduled, want %dm, %dm", up, scheduled, test.up, test.scheduled)
			}
		})
	}
}

// However a day is cut into observations, the schedule's time is the same as long
// as no window passes unseen.
func TestTheSumDoesNotDependOnWhenItIsObserved(t *testing.T) {
	t.Parallel()
	windows := [][2]int{{60, 180}, {180, 200}, {300, 301}, {600, 1200}}
	sample := func(minutes int) Sample {
		for _, window := range windows {
			if minutes < window[1] {
				return at(minutes, false, window[0], window[1])
			}
		}
		return at(minutes, false)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		var total time.Duration
		last := sample(0)
		for minutes := 0; minutes < 1440; {
			minutes += 1 + random.IntN(40)
			for _, window := range windows {
				if window[0] > int(last.At.Sub(noon)/time.Minute) && window[0] < minutes {
					minutes = window[0]
				}
			}
			now := sample(minutes)
			_, scheduled := accumulate(last, now)
			total += scheduled
			last = now
		}
		if want := (120 + 20 + 1 + 600) * time.Minute; total != want {
			t.Fatalf("scheduled for %s in all, want %s", total, want)
		}
	}
}

func TestObservedSumsOverMachinesAndForgetsThoseThatAreGone(t *testing.T) {
	t.Parallel()
	m, registry := newTestMetrics(t)
	m.Observed("a", at(0, true, -10, 60))
	m.Observed("b", at(0, false, -10, 60))
	m.Observed("a", at(1, true, -10, 60))
	m.Observed("b", at(1, false, -10, 60))
	m.Forget("a")
	m.Observed("a", at(30, true, -10, 60))
	expect(t, registry, `
# HELP fivespot_scheduled_seconds_total Time for which schedules were active, summed over all machines.
# TYPE fivespot_scheduled_seconds_total counter
fivespot_scheduled_seconds_total 120
# HELP fivespot_uptime_seconds_total Time for which machines ran with a Ready Node, summed over all machines.
# TYPE fivespot_uptime_seconds_total counter
fivespot_uptime_seconds_total 60
`, "fivespot_uptime_seconds_total", "fivespot_scheduled_seconds_total")
	m.Forget("a")
	m.Forget("b")
	if len(m.spans.last) != 0 {
		t.Errorf("%d objects are remembered after they are gone", len(m.spans.last))
	}
}
