package schedule

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/finos/five-spot/api/v1alpha1"
)

// benchmarkNow lies years ahead, where zones follow a rule instead of a table.
var benchmarkNow = time.Date(2044, 6, 15, 12, 34, 56, 0, time.UTC)

// clocksGoBack is half an hour before the clocks go back in New York: the slowest
// place for local time.
var clocksGoBack = time.Date(2026, 11, 1, 5, 30, 0, 0, time.UTC)

func benchmarkSchedules() map[string]*v1alpha1.Schedule {
	holidays := make([]v1alpha1.ScheduleException, 100)
	for i := range holidays {
		day := time.Date(2026, 1, 1+3*i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
		holidays[i] = v1alpha1.ScheduleException{From: day, To: day, State: v1alpha1.ScheduleInactive}
	}
	windows := make([]v1alpha1.Window, 50)
	for i := range windows {
		windows[i] = v1alpha1.Window{
			Days:  []v1alpha1.DayRange{"mon-sun"},
			Start: time.Unix(int64(i)*1500, 0).UTC().Format("15:04"), End: time.Unix(int64(i)*1500+600, 0).UTC().Format("15:04"),
		}
	}
	return map[string]*v1alpha1.Schedule{
		"Hours": {
			DaysOfWeek: []v1alpha1.DayRange{"mon-fri"}, HoursOfDay: []v1alpha1.HourRange{"9-17"}, Timezone: "America/New_York",
		},
		"FiftyWindows": {Windows: windows, Timezone: "America/New_York"},
		"HundredExceptions": {
			DaysOfWeek: []v1alpha1.DayRange{"mon-fri"}, HoursOfDay: []v1alpha1.HourRange{"9-17"}, Timezone: "America/New_York",
			Exceptions: holidays,
			Override:   &v1alpha1.ScheduleOverride{State: v1alpha1.ScheduleActive, Until: metav1.NewTime(time.Unix(0, 0))},
		},
		"CronWeekend":  {Cron: new("* * * * 0,6"), Timezone: "America/New_York"},
		"CronYearly":   {Cron: new("@yearly"), Timezone: "America/New_York"},
		"CronUnbroken": {Cron: new("* * * * *"), Timezone: "America/New_York"},
	}
}

func mustParse(tb testing.TB, spec *v1alpha1.Schedule) *Schedule {
	tb.Helper()
	s, errs := Parse(spec, nil)
	if len(errs) > 0 {
		tb.Fatalf("failed to parse %s: %v", describe(spec), errs.ToAggregate())
	}
	return s
}

func benchmark(b *testing.B, run func(s *Schedule, now time.Time)) {
	b.Helper()
	for name, spec := range benchmarkSchedules() {
		s := mustParse(b, spec)
		for when, now := range map[string]time.Time{"": benchmarkNow, "ClocksGoBack": clocksGoBack} {
			b.Run(name+when, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					run(s, now)
				}
			})
		}
	}
}

func BenchmarkActive(b *testing.B) {
	benchmark(b, func(s *Schedule, now time.Time) { s.Active(now) })
}

func BenchmarkNext(b *testing.B) {
	benchmark(b, func(s *Schedule, now time.Time) { s.Next(now) })
}

func BenchmarkEvaluate(b *testing.B) {
	benchmark(b, func(s *Schedule, now time.Time) { s.Evaluate(now) })
}

func BenchmarkParse(b *testing.B) {
	for name, spec := range benchmarkSchedules() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Parse(spec, nil)
			}
		})
	}
}

func TestActiveAndNextDoNotAllocate(t *testing.T) {
	for name, spec := range benchmarkSchedules() {
		s := mustParse(t, spec)
		for _, now := range []time.Time{benchmarkNow, clocksGoBack} {
			if n := testing.AllocsPerRun(100, func() { s.Active(now) }); n != 0 {
				t.Errorf("%s: Active allocates %v times", name, n)
			}
			if n := testing.AllocsPerRun(100, func() { s.Next(now) }); n != 0 {
				t.Errorf("%s: Next allocates %v times", name, n)
			}
		}
	}
}
