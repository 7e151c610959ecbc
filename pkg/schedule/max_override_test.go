package schedule

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/finos/five-spot/api/v1alpha1"
)

// 2026-06-01 is a Monday, and the window is open on it from 09:00 to 10:00.
func TestAnOverrideCountsNoLongerThanItMay(t *testing.T) {
	t.Parallel()
	const until = "2026-06-03T12:00:00Z"
	for name, tc := range map[string]struct {
		state  v1alpha1.ScheduleState
		limit  time.Duration
		now    string
		active bool
		from   string
		want   []string
	}{
		"without a limit it counts at once": {
			v1alpha1.ScheduleActive, 0, "2026-06-01T08:00:00Z", true, "", []string{"2026-06-03T12:00:00Z off", "2026-06-04T09:00:00Z on"},
		},
		"within the limit, too": {
			v1alpha1.ScheduleActive, 72 * time.Hour, "2026-06-01T08:00:00Z", true, "", []string{"2026-06-03T12:00:00Z off", "2026-06-04T09:00:00Z on"},
		},
		"too far ahead it leaves the schedule alone, and then counts": {
			v1alpha1.ScheduleActive, 24 * time.Hour, "2026-06-01T08:00:00Z", false, "2026-06-02T12:00:00Z",
			[]string{"2026-06-01T09:00:00Z on", "2026-06-01T10:00:00Z off", "2026-06-02T09:00:00Z on", "2026-06-02T10:00:00Z off", "2026-06-02T12:00:00Z on"},
		},
		"so does one that is Inactive": {
			v1alpha1.ScheduleInactive, 24 * time.Hour, "2026-06-02T08:00:00Z", false, "2026-06-02T12:00:00Z",
			[]string{"2026-06-02T09:00:00Z on", "2026-06-02T10:00:00Z off", "2026-06-04T09:00:00Z on"},
		},
		"from the very second on": {
			v1alpha1.ScheduleActive, 24 * time.Hour, "2026-06-02T12:00:00Z", true, "", []string{"2026-06-03T12:00:00Z off", "2026-06-04T09:00:00Z on"},
		},
		"and not when it is over": {
			v1alpha1.ScheduleActive, 24 * time.Hour, "2026-06-03T12:00:00Z", false, "", []string{"2026-06-04T09:00:00Z on"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mustParse(t, overridden(t, hoursOf("UTC", "mon-sun", "9"), tc.state, until)).WithMaxOverride(tc.limit)
			e := s.Evaluate(at(t, tc.now))
			if e.Active != tc.active {
				t.Errorf("active: %t", e.Active)
			}
			if from := stampOf(e.OverrideFrom); from != tc.from {
				t.Errorf("counts from %q, want %q", from, tc.from)
			}
			var got []string
			for _, transition := range e.Transitions[:min(len(e.Transitions), len(tc.want))] {
				got = append(got, stampOf(transition.Time)+map[bool]string{true: " on", false: " off"}[transition.Active])
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("transitions (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAWindowThatAnOverrideOpenedLateBeginsWhereItCounts(t *testing.T) {
	t.Parallel()
	s := mustParse(t, overridden(t, hoursOf("UTC", "mon-sun", "9"), v1alpha1.ScheduleActive, "2026-06-03T12:00:00Z")).WithMaxOverride(24 * time.Hour)
	e := s.Evaluate(at(t, "2026-06-02T13:00:00Z"))
	if got := stampOf(e.WindowStart) + " " + stampOf(e.WindowEnd); got != "2026-06-02T12:00:00Z 2026-06-03T12:00:00Z" {
		t.Errorf("the window is %s", got)
	}
}

func TestNoOverrideStaysNone(t *testing.T) {
	t.Parallel()
	s := mustParse(t, hoursOf("UTC", "mon-sun", "9"))
	now := at(t, "2026-06-01T08:00:00Z")
	if diff := cmp.Diff(s.Evaluate(now), s.WithMaxOverride(time.Hour).Evaluate(now)); diff != "" {
		t.Errorf("a limit changes it:\n%s", diff)
	}
}

func stampOf(instant time.Time) string {
	if instant.IsZero() {
		return ""
	}
	return instant.UTC().Format(time.RFC3339)
}
