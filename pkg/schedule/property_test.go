package schedule

import (
	"archive/zip"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/finos/five-spot/api/v1alpha1"
)

// clockChange is an instant at which a zone changes its offset.
type clockChange struct {
	location *time.Location
	at       int64
}

// zoneNames lists all zones of the Go distribution, which are the embedded ones.
func zoneNames(t *testing.T) []string {
	t.Helper()
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatalf("failed to find the Go distribution: %v", err)
	}
	archive, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Fatalf("failed to open the time zones: %v", err)
	}
	t.Cleanup(func() { _ = archive.Close() })
	var names []string
	for _, file := range archive.File {
		if !strings.HasSuffix(file.Name, "/") {
			names = append(names, file.Name)
		}
	}
	return names
}

// clockChanges returns the clock changes of all zones in the given years, those
// that look the same on the wall clock once.
func clockChanges(t *testing.T, firstYear, lastYear int) []clockChange {
	t.Helper()
	type look struct {
		before, after, secondOfWeek, sincePrevious, untilNext int64
	}
	var changes []clockChange
	seen := map[look]bool{}
	from := time.Date(firstYear, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	to := time.Date(lastYear+1, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	for _, name := range zoneNames(t) {
		location, err := time.LoadLocation(name)
		if err != nil {
			t.Fatalf("failed to load %s: %v", name, err)
		}
		at := offsetChanges(location, from, to)
		for i, instant := range at {
			_, before := time.Unix(instant-1, 0).In(location).Zone()
			_, after := time.Unix(instant, 0).In(location).Zone()
			l := look{before: int64(before), after: int64(after)}
			l.secondOfWeek = (instant + l.before) % secondsPerWeek
			const near = 12 * secondsPerDay
			if i > 0 && instant-at[i-1] < near {
				l.sincePrevious = instant - at[i-1]
			}
			if i+1 < len(at) && at[i+1]-instant < near {
				l.untilNext = at[i+1] - instant
			}
			if !seen[l] {
				seen[l] = true
				changes = append(changes, clockChange{location: location, at: instant})
			}
		}
	}
	return changes
}

// offsetChanges finds changes of the offset by looking at every hour, without the
// code under test.
func offsetChanges(location *time.Location, from, to int64) []int64 {
	offset := func(t int64) int {
		_, o := time.Unix(t, 0).In(location).Zone()
		return o
	}
	var changes []int64
	for t := from; t < to; t += secondsPerHour {
		if offset(t) == offset(t+secondsPerHour) {
			continue
		}
		low, high := t, t+secondsPerHour
		for high-low > 1 {
			if middle := (low + high) / 2; offset(middle) == offset(t) {
				low = middle
			} else {
				high = middle
			}
		}
		changes = append(changes, high)
	}
	return changes
}

func TestScheduleAgreesWithAMinuteScanAroundEveryClockChange(t *testing.T) {
	t.Parallel()
	firstYear, lastYear := 1973, 2037
	if testing.Short() {
		firstYear, lastYear = 2025, 2026
	}
	changes := clockChanges(t, firstYear, lastYear)
	t.Logf("%d different clock changes", len(changes))
	const shards = 4
	for shard := range shards {
		t.Run(fmt.Sprintf("shard %d", shard), func(t *testing.T) {
			t.Parallel()
			for i := shard; i < len(changes); i += shards {
				compareAround(t, changes[i], rand.New(rand.NewPCG(1, uint64(i))))
				if t.Failed() {
					return
				}
			}
		})
	}
}

// compareAround compares a number of schedules with the oracle in the week around
// a clock change.
func compareAround(t *testing.T, c clockChange, random *rand.Rand) {
	t.Helper()
	const margin = 8 * secondsPerDay
	from := c.at - margin - secondsPerWeek/2
	s := newScan(c.location, from, c.at+margin+secondsPerWeek/2)
	for _, local := range []int64{s.local[0], s.local[len(s.local)-1]} {
		if local%secondsPerMinute != 0 {
			return // an offset of local mean time, older than minutes on the clock
		}
	}
	visible := [2]int{margin / secondsPerMinute, len(s.local) - margin/secondsPerMinute}
	for _, spec := range []*v1alpha1.Schedule{randomHours(random), randomWindows(random), randomCron(random)} {
		spec.Timezone = c.location.String()
		addExceptions(spec, random, s.local[(visible[0]+visible[1])/2])
		compiled, errs := Parse(spec, nil)
		if len(errs) > 0 {
			t.Fatalf("%+v: %v", spec, errs)
		}
		answers := s.answers(spec)
		compare(t, compiled, s, answers, visible, fmt.Sprintf("%s around %s", describe(spec), time.Unix(c.at, 0).UTC()))
	}
}

// answers computes what the oracle says to a schedule.
func (s *scan) answers(spec *v1alpha1.Schedule) []answer {
	var rule []bool
	switch {
	case spec.Cron != nil && spec.Duration != nil:
		d, _ := spec.Duration.Parse()
		rule = s.cron(*spec.Cron, d, false)
	case spec.Cron != nil && strings.HasPrefix(*spec.Cron, "* "):
		rule = s.cron(*spec.Cron, time.Minute, true)
	case spec.Cron != nil:
		rule = s.cron(*spec.Cron, time.Hour, true)
	default:
		rule = s.weekly(weekSpans(spec))
	}
	var layers []layerOfMinutes
	for _, x := range spec.Exceptions {
		from, _ := time.Parse(time.DateOnly, x.From)
		to, _ := time.Parse(time.DateOnly, x.To)
		layers = append(layers, layerOfMinutes{
			marked: s.days(from.Unix(), to.Unix()+secondsPerDay),
			active: x.State == v1alpha1.ScheduleActive,
			cause:  v1alpha1.CauseException,
		})
	}
	answers := overlay(rule, layers...)
	lead, _ := spec.LeadTime.ParseOr(0)
	anticipate(answers, lead)
	return answers
}

// weekSpans spells the windows of a schedule out, one for each day and, in the
// form of days and hours, for each hour.
func weekSpans(spec *v1alpha1.Schedule) []civilSpan {
	var spans []civilSpan
	for i := range spec.DaysOfWeek {
		day := int64(slices.Index(weekdayKeys[:], v1alpha1.Weekday(spec.DaysOfWeek[i])))
		for _, text := range spec.HoursOfDay {
			start := day*secondsPerDay + digits(string(text))*secondsPerHour
			spans = append(spans, civilSpan{start: start, end: start + secondsPerHour})
		}
	}
	for _, w := range spec.Windows {
		start := digits(w.Start[:2])*secondsPerHour + digits(w.Start[3:])*secondsPerMinute
		end := digits(w.End[:2])*secondsPerHour + digits(w.End[3:])*secondsPerMinute
		for _, text := range w.Days {
			day := int64(slices.Index(weekdayKeys[:], v1alpha1.Weekday(text)))
			span := civilSpan{start: day*secondsPerDay + start}
			if w.EndDay == nil {
				span.end = day*secondsPerDay + end
				if span.end <= span.start {
					span.end += secondsPerDay
				}
			} else {
				span.end = int64(slices.Index(weekdayKeys[:], *w.EndDay))*secondsPerDay + end
				for span.end <= span.start {
					span.end += secondsPerWeek
				}
				for span.end-span.start > secondsPerWeek {
					span.end -= secondsPerWeek
				}
			}
			spans = append(spans, span)
		}
	}
	return spans
}

// digits reads a number that the test wrote itself.
func digits(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func compare(t *testing.T, s *Schedule, clock *scan, answers []answer, visible [2]int, name string) {
	t.Helper()
	began := int64(ever)
	for minute := visible[0]; minute < visible[1]; minute++ {
		want, now := answers[minute], time.Unix(clock.instant(minute), 0)
		changed := want.active != answers[minute-1].active
		if changed {
			began = now.Unix()
		}
		if got := s.Active(now); got != want.active {
			t.Fatalf("%s: Active(%s) = %t", name, now.UTC(), got)
		}
		if changed || minute == visible[0] || minute%97 == 0 {
			compareNext(t, s, clock, answers, minute, name)
			compareEvaluation(t, s, clock, answers, minute, began, name)
		}
		if minute%31 == 0 || want.provision != answers[minute-1].provision {
			compareEvaluation(t, s, clock, answers, minute-1, ever, name)
		}
	}
}

// nextMinute returns the next minute whose answer differs, or -1.
func nextMinute(answers []answer, minute int, differs func(a, b answer) bool) int {
	for next := minute + 1; next < len(answers); next++ {
		if differs(answers[next-1], answers[next]) {
			return next
		}
	}
	return -1
}

func compareNext(t *testing.T, s *Schedule, clock *scan, answers []answer, minute int, name string) {
	t.Helper()
	now := time.Unix(clock.instant(minute), 0)
	got, ok := s.Next(now)
	next := nextMinute(answers, minute, func(a, b answer) bool { return a.active != b.active })
	limit := clock.instant(len(answers) - minutesPerDay)
	switch {
	case next < 0 || clock.instant(next) > limit:
		if ok && got.Time.Unix() < limit {
			t.Fatalf("%s: Next(%s) = %v, but nothing changes", name, now.UTC(), got)
		}
	case !ok || got.Time.Unix() != clock.instant(next) ||
		got.Active != answers[next].active || got.Cause != answers[next].cause:
		t.Fatalf("%s: Next(%s) = %v %t, want %s %+v", name, now.UTC(), got, ok, time.Unix(clock.instant(next), 0).UTC(), answers[next])
	}
}

func compareEvaluation(t *testing.T, s *Schedule, clock *scan, answers []answer, minute int, began int64, name string) {
	t.Helper()
	now, want := time.Unix(clock.instant(minute), 0), answers[minute]
	got := s.Evaluate(now)
	if got.Active != want.active || got.Provision != want.provision || got.Cause != want.cause {
		t.Fatalf("%s: Evaluate(%s) = %+v, want %+v", name, now.UTC(), got, want)
	}
	if want.active && began != ever && got.WindowStart.Unix() != began {
		t.Fatalf("%s: at %s the window began at %s, want %s", name, now.UTC(), got.WindowStart, time.Unix(began, 0).UTC())
	}
	next := nextMinute(answers, minute, func(a, b answer) bool {
		return a.active != b.active || a.provision != b.provision
	})
	if next >= 0 && next < len(answers)-minutesPerDay && got.NextChange.Unix() != clock.instant(next) {
		t.Fatalf("%s: at %s NextChange = %s, want %s", name, now.UTC(), got.NextChange, time.Unix(clock.instant(next), 0).UTC())
	}
}

func randomHours(random *rand.Rand) *v1alpha1.Schedule {
	spec := &v1alpha1.Schedule{}
	for _, day := range random.Perm(7)[:1+random.IntN(7)] {
		spec.DaysOfWeek = append(spec.DaysOfWeek, v1alpha1.DayRange(weekdayKeys[day]))
	}
	for _, hour := range random.Perm(24)[:1+random.IntN(23)] {
		spec.HoursOfDay = append(spec.HoursOfDay, v1alpha1.HourRange(fmt.Sprint(hour)))
	}
	return spec
}

// randomWindows prefers times at which clocks are changed.
func randomWindows(random *rand.Rand) *v1alpha1.Schedule {
	spec := &v1alpha1.Schedule{}
	clock := func() string {
		return fmt.Sprintf("%02d:%02d", (22+random.IntN(7))%24, random.IntN(6)*15%60)
	}
	for range 1 + random.IntN(4) {
		w := v1alpha1.Window{Start: clock(), End: clock()}
		for _, day := range random.Perm(7)[:1+random.IntN(4)] {
			w.Days = append(w.Days, v1alpha1.DayRange(weekdayKeys[day]))
		}
		if random.IntN(3) == 0 {
			w.EndDay = new(weekdayKeys[random.IntN(7)])
		}
		spec.Windows = append(spec.Windows, w)
	}
	return spec
}

func randomCron(random *rand.Rand) *v1alpha1.Schedule {
	pick := func(choices ...string) string { return choices[random.IntN(len(choices))] }
	hour, days := pick("*", "0", "1", "2", "23", "0-3", "1,3", "*/2", "9-17"), pick("* * *", "* * 0", "* * 0,6", "* * 1-5", "1-20 * 0", "*/2 * 3")
	if random.IntN(2) == 0 {
		return &v1alpha1.Schedule{Cron: new(pick("*", "0", "30") + " " + hour + " " + days)}
	}
	return &v1alpha1.Schedule{
		Cron:     new(pick("*", "0", "30", "*/15", "5,50") + " " + hour + " " + days),
		Duration: new(v1alpha1.Duration(pick("1m", "10m", "30m", "1h", "90m", "3h", "24h"))),
	}
}

func addExceptions(spec *v1alpha1.Schedule, random *rand.Rand, local int64) {
	spec.LeadTime = []v1alpha1.Duration{"", "10m", "1h", "2h"}[random.IntN(4)]
	for range random.IntN(3) {
		from := local/secondsPerDay - 2 + int64(random.IntN(4))
		to := from + int64(random.IntN(2))
		spec.Exceptions = append(spec.Exceptions, v1alpha1.ScheduleException{
			From:  date(from * secondsPerDay).Format(time.DateOnly),
			To:    date(to * secondsPerDay).Format(time.DateOnly),
			State: []v1alpha1.ScheduleState{v1alpha1.ScheduleActive, v1alpha1.ScheduleInactive}[random.IntN(2)],
		})
	}
}

func describe(spec *v1alpha1.Schedule) string {
	return fmt.Sprintf("cron=%q duration=%q days=%v hours=%v windows=%+v exceptions=%v lead=%s zone=%s",
		ptr.Deref(spec.Cron, ""), ptr.Deref(spec.Duration, ""), spec.DaysOfWeek, spec.HoursOfDay, spec.Windows,
		spec.Exceptions, spec.LeadTime, spec.Timezone)
}

func TestActiveFlipsExactlyAtNext(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 7))
	names := zoneNames(t)
	for range 300 {
		spec := []*v1alpha1.Schedule{randomHours(random), randomWindows(random), randomCron(random)}[random.IntN(3)]
		spec.Timezone = names[random.IntN(len(names))]
		now := time.Date(1980+random.IntN(80), 1, random.IntN(365), random.IntN(24), random.IntN(60), 0, 0, time.UTC)
		addExceptions(spec, random, now.Unix())
		if random.IntN(2) == 0 {
			spec.Override = &v1alpha1.ScheduleOverride{State: v1alpha1.ScheduleActive, Until: metav1.NewTime(now.Add(time.Hour))}
		}
		s, errs := Parse(spec, nil)
		if len(errs) > 0 {
			t.Fatalf("%s: %v", describe(spec), errs)
		}
		for range 50 {
			next, ok := s.Next(now)
			if !ok {
				break
			}
			before := next.Time.Add(-time.Nanosecond)
			if !next.Time.After(now) || s.Active(next.Time) != next.Active || s.Active(before) == next.Active || s.Active(now) == next.Active {
				t.Fatalf("%s: Next(%s) = %+v, but Active is %t before and %t then", describe(spec), now, next, s.Active(before), s.Active(next.Time))
			}
			if again, _ := s.Next(before); again != next {
				t.Fatalf("%s: Next(%s) = %+v, want %+v", describe(spec), before, again, next)
			}
			now = next.Time
		}
	}
}
