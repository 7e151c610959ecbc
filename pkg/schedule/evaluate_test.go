package schedule

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/finos/five-spot/api/v1alpha1"
)

func leading(spec *v1alpha1.Schedule, lead v1alpha1.Duration) *v1alpha1.Schedule {
	spec.LeadTime = lead
	return spec
}

// 2026-06-01 is a Monday.
func TestLeadTime(t *testing.T) {
	t.Parallel()
	nineToTen := func() *v1alpha1.Schedule { return leading(hoursOf("UTC", "mon-sun", "9"), "30m") }
	for name, tc := range map[string]struct {
		spec      *v1alpha1.Schedule
		now       string
		active    bool
		provision bool
		change    string
	}{
		"long before the window":    {nineToTen(), "2026-06-01T06:00:00Z", false, false, "2026-06-01T08:30:00Z"},
		"just before the lead time": {nineToTen(), "2026-06-01T08:29:59Z", false, false, "2026-06-01T08:30:00Z"},
		"when the lead time begins": {nineToTen(), "2026-06-01T08:30:00Z", false, true, "2026-06-01T09:00:00Z"},
		"when the window opens":     {nineToTen(), "2026-06-01T09:00:00Z", true, true, "2026-06-01T10:00:00Z"},
		"when the window closes":    {nineToTen(), "2026-06-01T10:00:00Z", false, false, "2026-06-02T08:30:00Z"},
		"no lead time":              {hoursOf("UTC", "mon-sun", "9"), "2026-06-01T08:59:59Z", false, false, "2026-06-01T09:00:00Z"},
		"lead time that touches the window before stays": {
			leading(hoursOf("UTC", "mon-sun", "9,11"), "1h"), "2026-06-01T10:00:00Z", false, true, "2026-06-01T11:00:00Z",
		},
		"the end of a window that lead time touches is a change": {
			leading(hoursOf("UTC", "mon-sun", "9,11"), "2h"), "2026-06-01T09:30:00Z", true, true, "2026-06-01T10:00:00Z",
		},
		"lead time before an active exception": {
			with(nineToTen(), on("2026-06-02", "2026-06-02")), "2026-06-01T23:40:00Z", false, true, "2026-06-02T00:00:00Z",
		},
		"lead time does not reach into an inactive exception": {
			with(leading(hoursOf("UTC", "tue", "0"), "1h"), off("2026-06-01", "2026-06-01")),
			"2026-06-01T23:30:00Z", false, false, "2026-06-02T00:00:00Z",
		},
		"lead time begins when an inactive exception ends": {
			with(leading(windowOf("UTC", "tue", "00:20", "01:00"), "1h"), off("2026-06-01", "2026-06-01")),
			"2026-06-01T23:30:00Z", false, false, "2026-06-02T00:00:00Z",
		},
		"lead time goes on after an inactive exception": {
			with(leading(windowOf("UTC", "tue", "00:20", "01:00"), "1h"), off("2026-06-01", "2026-06-01")),
			"2026-06-02T00:00:00Z", false, true, "2026-06-02T00:20:00Z",
		},
		"lead time does not reach over an inactive exception": {
			with(leading(hoursOf("UTC", "wed", "0"), "2h"), off("2026-06-02", "2026-06-02")),
			"2026-06-01T23:59:00Z", false, false, "2026-06-03T00:00:00Z",
		},
		"lead time does not reach into an inactive override": {
			overridden(t, nineToTen(), v1alpha1.ScheduleInactive, "2026-06-01T08:50:00Z"),
			"2026-06-01T08:45:00Z", false, false, "2026-06-01T08:50:00Z",
		},
		"a window that an override keeps shut opens without lead time": {
			overridden(t, nineToTen(), v1alpha1.ScheduleInactive, "2026-06-01T09:20:00Z"),
			"2026-06-01T09:00:00Z", false, false, "2026-06-01T09:20:00Z",
		},
		"lead time is elapsed time over a spring gap": {
			leading(hoursOf("America/New_York", "sun", "3"), "1h"), "2026-03-08T06:00:00Z", false, true, "2026-03-08T07:00:00Z",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := mustParse(t, tc.spec).Evaluate(at(t, tc.now))
			if e.Active != tc.active || e.Provision != tc.provision || !e.NextChange.Equal(at(t, tc.change)) {
				t.Errorf("active %t, provision %t, next change %s; want %t, %t, %s",
					e.Active, e.Provision, e.NextChange, tc.active, tc.provision, tc.change)
			}
		})
	}
}

func TestEvaluate(t *testing.T) {
	t.Parallel()
	change := func(when string, active bool, cause v1alpha1.TransitionCause) Transition {
		return Transition{Time: at(t, when).UTC(), Active: active, Cause: cause}
	}
	for name, tc := range map[string]struct {
		spec *v1alpha1.Schedule
		now  string
		want Evaluation
	}{
		"inside a window": {
			spec: hoursOf("UTC", "mon-fri", "9-17"), now: "2026-06-01T12:00:00.5Z",
			want: Evaluation{
				Active: true, Provision: true, Cause: v1alpha1.CauseWindow,
				WindowStart: at(t, "2026-06-01T09:00:00Z"), WindowEnd: at(t, "2026-06-01T18:00:00Z"),
				NextActivation: at(t, "2026-06-02T09:00:00Z"), NextCleanup: at(t, "2026-06-01T18:00:00Z"),
				NextChange: at(t, "2026-06-01T18:00:00Z"),
				Transitions: []Transition{
					change("2026-06-01T18:00:00Z", false, v1alpha1.CauseWindow),
					change("2026-06-02T09:00:00Z", true, v1alpha1.CauseWindow),
					change("2026-06-02T18:00:00Z", false, v1alpha1.CauseWindow),
					change("2026-06-03T09:00:00Z", true, v1alpha1.CauseWindow),
					change("2026-06-03T18:00:00Z", false, v1alpha1.CauseWindow),
				},
			},
		},
		"in an exception after the last change in sight": {
			spec: with(hoursOf("UTC", "mon-sun", "0-23"), off("2026-06-01", "2026-06-01")), now: "2026-06-01T12:00:00Z",
			want: Evaluation{
				Cause: v1alpha1.CauseException, Reason: "holiday",
				WindowStart:    at(t, "2026-06-02T00:00:00Z"),
				NextActivation: at(t, "2026-06-02T00:00:00Z"), NextChange: at(t, "2026-06-02T00:00:00Z"),
				Transitions: []Transition{change("2026-06-02T00:00:00Z", true, v1alpha1.CauseWindow)},
			},
		},
		"an active span begins with the exception before the window": {
			spec: with(windowOf("UTC", "tue", "00:00", "06:00"), on("2026-06-01", "2026-06-01"), off("2026-06-09", "2026-06-15")),
			now:  "2026-06-02T05:00:00Z",
			want: Evaluation{
				Active: true, Provision: true, Cause: v1alpha1.CauseWindow,
				WindowStart: at(t, "2026-06-01T00:00:00Z"), WindowEnd: at(t, "2026-06-02T06:00:00Z"),
				NextActivation: at(t, "2026-06-16T00:00:00Z"), NextCleanup: at(t, "2026-06-02T06:00:00Z"),
				NextChange: at(t, "2026-06-02T06:00:00Z"),
				Transitions: []Transition{
					change("2026-06-02T06:00:00Z", false, v1alpha1.CauseWindow),
					change("2026-06-16T00:00:00Z", true, v1alpha1.CauseWindow),
					change("2026-06-16T06:00:00Z", false, v1alpha1.CauseWindow),
					change("2026-06-23T00:00:00Z", true, v1alpha1.CauseWindow),
					change("2026-06-23T06:00:00Z", false, v1alpha1.CauseWindow),
				},
			},
		},
		"an override has no known start": {
			spec: overridden(t, cronOf("UTC", "0 9 1 1 *"), v1alpha1.ScheduleActive, "2026-06-01T13:00:00Z"), now: "2026-06-01T12:00:00Z",
			want: Evaluation{
				Active: true, Provision: true, Cause: v1alpha1.CauseOverride, Reason: "maintenance",
				WindowEnd:   at(t, "2026-06-01T13:00:00Z"),
				NextCleanup: at(t, "2026-06-01T13:00:00Z"), NextActivation: at(t, "2027-01-01T09:00:00Z"),
				NextChange: at(t, "2026-06-01T13:00:00Z"),
				Transitions: []Transition{
					change("2026-06-01T13:00:00Z", false, v1alpha1.CauseWindow),
					change("2027-01-01T09:00:00Z", true, v1alpha1.CauseWindow),
					change("2027-01-01T10:00:00Z", false, v1alpha1.CauseWindow),
					change("2028-01-01T09:00:00Z", true, v1alpha1.CauseWindow),
					change("2028-01-01T10:00:00Z", false, v1alpha1.CauseWindow),
				},
			},
		},
		"a window that an override opened late begins there": {
			spec: overridden(t, hoursOf("UTC", "mon", "9-17"), v1alpha1.ScheduleInactive, "2026-06-01T11:00:00Z"),
			now:  "2026-06-01T12:00:00Z",
			want: Evaluation{
				Active: true, Provision: true, Cause: v1alpha1.CauseWindow,
				WindowStart: at(t, "2026-06-01T11:00:00Z"), WindowEnd: at(t, "2026-06-01T18:00:00Z"),
				NextActivation: at(t, "2026-06-08T09:00:00Z"), NextCleanup: at(t, "2026-06-01T18:00:00Z"),
				NextChange: at(t, "2026-06-01T18:00:00Z"),
				Transitions: []Transition{
					change("2026-06-01T18:00:00Z", false, v1alpha1.CauseWindow),
					change("2026-06-08T09:00:00Z", true, v1alpha1.CauseWindow),
					change("2026-06-08T18:00:00Z", false, v1alpha1.CauseWindow),
					change("2026-06-15T09:00:00Z", true, v1alpha1.CauseWindow),
					change("2026-06-15T18:00:00Z", false, v1alpha1.CauseWindow),
				},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, mustParse(t, tc.spec).Evaluate(at(t, tc.now))); diff != "" {
				t.Errorf("Evaluate (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnOverrideOfPartOfASecondEndsWithTheSecondThatKubernetesStores(t *testing.T) {
	t.Parallel()
	spec := hoursOf("UTC", "sun", "0")
	spec.Override = &v1alpha1.ScheduleOverride{
		State: v1alpha1.ScheduleActive, Until: metav1.NewTime(at(t, "2026-06-01T12:00:00.9Z")),
	}
	s := mustParse(t, spec)
	if end := at(t, "2026-06-01T12:00:00Z"); s.Active(end) || !s.Active(end.Add(-time.Nanosecond)) {
		t.Error("the override must end at the full second")
	}
}
