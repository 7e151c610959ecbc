package schedule

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/finos/five-spot/api/v1alpha1"
)

// with returns the schedule with exceptions in their short form.
func with(spec *v1alpha1.Schedule, exceptions ...v1alpha1.ScheduleException) *v1alpha1.Schedule {
	spec.Exceptions = exceptions
	return spec
}

func on(from, to string) v1alpha1.ScheduleException {
	return v1alpha1.ScheduleException{From: from, To: to, State: v1alpha1.ScheduleActive, Reason: "quarter end"}
}

func off(from, to string) v1alpha1.ScheduleException {
	return v1alpha1.ScheduleException{From: from, To: to, State: v1alpha1.ScheduleInactive, Reason: "holiday"}
}

func overridden(t *testing.T, spec *v1alpha1.Schedule, state v1alpha1.ScheduleState, until string) *v1alpha1.Schedule {
	t.Helper()
	spec.Override = &v1alpha1.ScheduleOverride{State: state, Until: metav1.NewTime(at(t, until)), Reason: "maintenance"}
	return spec
}

// 2026-06-01 is a Monday.
func TestChanges(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spec     *v1alpha1.Schedule
		calendar *v1alpha1.MachineCalendarSpec
		from, to string
		want     []string
	}{
		"both ends of an hour range belong to it": {
			spec: hoursOf("UTC", "mon", "9-17"), from: "2026-06-01T00:00:00Z", to: "2026-06-07T00:00:00Z",
			want: []string{"on  Mon 2026-06-01T09:00+00:00", "off Mon 2026-06-01T18:00+00:00"},
		},
		"an hour range that wraps means these hours of the listed day": {
			spec: hoursOf("UTC", "mon", "22-6"), from: "2026-05-31T00:00:00Z", to: "2026-06-07T00:00:00Z",
			want: []string{
				"on  Mon 2026-06-01T00:00+00:00", "off Mon 2026-06-01T07:00+00:00",
				"on  Mon 2026-06-01T22:00+00:00", "off Tue 2026-06-02T00:00+00:00",
			},
		},
		"hours of neighbouring days merge at midnight": {
			spec: hoursOf("UTC", "mon-tue", "22-6"), from: "2026-06-01T12:00:00Z", to: "2026-06-02T12:00:00Z",
			want: []string{"on  Mon 2026-06-01T22:00+00:00", "off Tue 2026-06-02T07:00+00:00"},
		},
		"a day range that wraps merges over the end of the week": {
			spec: hoursOf("UTC", "fri-mon", "0-23"), from: "2026-06-01T12:00:00Z", to: "2026-06-09T12:00:00Z",
			want: []string{"off Tue 2026-06-02T00:00+00:00", "on  Fri 2026-06-05T00:00+00:00", "off Tue 2026-06-09T00:00+00:00"},
		},
		"all hours of all days never change": {
			spec: hoursOf("America/New_York", "mon-sun", "0-23"), from: "2026-06-01T12:00:00Z", to: "2036-06-09T12:00:00Z",
		},
		"a window that ends at its start lasts a day": {
			spec: windowOf("UTC", "wed", "12:00", "12:00"), from: "2026-06-01T12:00:00Z", to: "2026-06-08T00:00:00Z",
			want: []string{"on  Wed 2026-06-03T12:00+00:00", "off Thu 2026-06-04T12:00+00:00"},
		},
		"a window may close at 24:00": {
			spec: windowOf("UTC", "sun", "23:30", "24:00"), from: "2026-06-01T12:00:00Z", to: "2026-06-08T12:00:00Z",
			want: []string{"on  Sun 2026-06-07T23:30+00:00", "off Mon 2026-06-08T00:00+00:00"},
		},
		"a window with endDay runs over the weekend": {
			spec: windowOf("UTC", "fri", "20:00", "08:00", "mon"), from: "2026-06-01T12:00:00Z", to: "2026-06-08T12:00:00Z",
			want: []string{"on  Fri 2026-06-05T20:00+00:00", "off Mon 2026-06-08T08:00+00:00"},
		},
		"endDay on the day of the start is that day when the end is later": {
			spec: windowOf("UTC", "wed", "08:00", "18:00", "wed"), from: "2026-06-01T12:00:00Z", to: "2026-06-08T12:00:00Z",
			want: []string{"on  Wed 2026-06-03T08:00+00:00", "off Wed 2026-06-03T18:00+00:00"},
		},
		"endDay on the day of the start is a week later when the end is earlier": {
			spec: windowOf("UTC", "wed", "18:00", "08:00", "wed"), from: "2026-06-01T12:00:00Z", to: "2026-06-08T12:00:00Z",
			want: []string{"off Wed 2026-06-03T08:00+00:00", "on  Wed 2026-06-03T18:00+00:00"},
		},
		"windows that touch or overlap are one": {
			spec: &v1alpha1.Schedule{Windows: []v1alpha1.Window{
				{Days: []v1alpha1.DayRange{"mon"}, Start: "12:00", End: "13:30"},
				{Days: []v1alpha1.DayRange{"mon"}, Start: "09:00", End: "12:00"},
				{Days: []v1alpha1.DayRange{"mon"}, Start: "13:00", End: "15:00"},
			}}, from: "2026-06-01T00:00:00Z", to: "2026-06-07T00:00:00Z",
			want: []string{"on  Mon 2026-06-01T09:00+00:00", "off Mon 2026-06-01T15:00+00:00"},
		},
		"cron without duration lasts an hour for one minute value": {
			spec: cronOf("UTC", "0 9-17 * * 1-5"), from: "2026-06-01T00:00:00Z", to: "2026-06-02T00:00:00Z",
			want: []string{"on  Mon 2026-06-01T09:00+00:00", "off Mon 2026-06-01T18:00+00:00"},
		},
		"cron for every minute of the weekend is one window": {
			spec: cronOf("UTC", "* * * * 0,6"), from: "2026-06-01T00:00:00Z", to: "2026-06-09T00:00:00Z",
			want: []string{"on  Sat 2026-06-06T00:00+00:00", "off Mon 2026-06-08T00:00+00:00"},
		},
		"cron windows that overlap are one": {
			spec: cronOf("UTC", "0 9,10 * * 1", "90m"), from: "2026-06-01T00:00:00Z", to: "2026-06-07T00:00:00Z",
			want: []string{"on  Mon 2026-06-01T09:00+00:00", "off Mon 2026-06-01T11:30+00:00"},
		},
		"cron for every minute never changes": {
			spec: cronOf("America/New_York", "* * * * *"), from: "2026-06-01T00:00:00Z", to: "2036-06-07T00:00:00Z",
		},
		"cron with both day fields activates when either matches": {
			spec: cronOf("UTC", "0 0 2 * 5", "1h"), from: "2026-06-01T00:00:00Z", to: "2026-06-06T00:00:00Z",
			want: []string{
				"on  Tue 2026-06-02T00:00+00:00", "off Tue 2026-06-02T01:00+00:00",
				"on  Fri 2026-06-05T00:00+00:00", "off Fri 2026-06-05T01:00+00:00",
			},
		},
		"yearly cron is found": {
			spec: cronOf("UTC", "@yearly", "24h"), from: "2026-06-01T00:00:00Z", to: "2027-06-06T00:00:00Z",
			want: []string{"on  Fri 2027-01-01T00:00+00:00", "off Sat 2027-01-02T00:00+00:00"},
		},
		"cron on 29 February is found over a century that is no leap year": {
			spec: cronOf("UTC", "0 12 29 2 *"), from: "2097-01-01T00:00:00Z", to: "2104-06-01T00:00:00Z",
			want: []string{"on  Fri 2104-02-29T12:00+00:00", "off Fri 2104-02-29T13:00+00:00"},
		},
		"cron windows of a day that touch are one": {
			spec: cronOf("UTC", "@daily", "24h"), from: "2026-06-01T00:00:00Z", to: "2036-06-01T00:00:00Z",
		},
		"cron that leaves one month out changes there and on the day of 25 hours": {
			spec: cronOf("Europe/Berlin", "0 0 * 1-11 *", "24h"), from: "2026-06-01T00:00:00Z", to: "2027-06-01T00:00:00Z",
			want: []string{
				"off Sun 2026-10-25T23:00+01:00", "on  Mon 2026-10-26T00:00+01:00",
				"off Tue 2026-12-01T00:00+01:00", "on  Fri 2027-01-01T00:00+01:00",
			},
		},
		"an inactive exception takes whole local days out": {
			spec: with(hoursOf("America/New_York", "mon-tue", "9-17"), off("2026-06-01", "2026-06-01")),
			from: "2026-06-01T00:00:00Z", to: "2026-06-06T00:00:00Z",
			want: []string{"on  Tue 2026-06-02T09:00-04:00", "off Tue 2026-06-02T18:00-04:00"},
		},
		"an exception cuts a night window at midnight": {
			spec: with(windowOf("UTC", "mon", "20:00", "06:00"), off("2026-06-02", "2026-06-02")),
			from: "2026-06-01T00:00:00Z", to: "2026-06-06T00:00:00Z",
			want: []string{"on  Mon 2026-06-01T20:00+00:00", "off Tue 2026-06-02T00:00+00:00 Exception"},
		},
		"an active exception ends into a window without a change": {
			spec: with(hoursOf("UTC", "tue", "0-5"), on("2026-06-01", "2026-06-01")),
			from: "2026-05-31T00:00:00Z", to: "2026-06-06T00:00:00Z",
			want: []string{"on  Mon 2026-06-01T00:00+00:00 Exception", "off Tue 2026-06-02T06:00+00:00"},
		},
		"the first exception that holds wins": {
			spec: with(hoursOf("UTC", "sun", "0"), on("2026-06-02", "2026-06-02"), off("2026-06-01", "2026-06-03"), on("2026-06-01", "2026-06-04")),
			from: "2026-06-01T00:00:00Z", to: "2026-06-06T00:00:00Z",
			want: []string{
				"on  Tue 2026-06-02T00:00+00:00 Exception", "off Wed 2026-06-03T00:00+00:00 Exception",
				"on  Thu 2026-06-04T00:00+00:00 Exception", "off Fri 2026-06-05T00:00+00:00",
			},
		},
		"an exception on a day that the zone skipped never holds": {
			spec: with(hoursOf("Pacific/Apia", "mon", "9"), on("2011-12-30", "2011-12-30")),
			from: "2011-12-28T00:00:00Z", to: "2012-01-01T12:00:00Z",
		},
		"an exception many years ahead is found": {
			spec: with(hoursOf("UTC", "mon-sun", "0-23"), off("2099-12-31", "2099-12-31")),
			from: "2026-06-01T00:00:00Z", to: "2100-06-06T00:00:00Z",
			want: []string{"off Thu 2099-12-31T00:00+00:00 Exception", "on  Fri 2100-01-01T00:00+00:00"},
		},
		"the days of a calendar are days in its own zone": {
			spec:     hoursOf("America/New_York", "mon-sun", "0-23"),
			calendar: &v1alpha1.MachineCalendarSpec{Timezone: "Asia/Tokyo", Exceptions: []v1alpha1.ScheduleException{off("2026-06-02", "2026-06-02")}},
			from:     "2026-06-01T00:00:00Z", to: "2026-06-06T00:00:00Z",
			want: []string{"off Mon 2026-06-01T11:00-04:00 Calendar", "on  Tue 2026-06-02T11:00-04:00"},
		},
		"own exceptions win over those of the calendar": {
			spec:     with(hoursOf("UTC", "sun", "0"), on("2026-06-02", "2026-06-02")),
			calendar: &v1alpha1.MachineCalendarSpec{Exceptions: []v1alpha1.ScheduleException{off("2026-06-02", "2026-06-02"), on("2026-06-03", "2026-06-03")}},
			from:     "2026-06-01T00:00:00Z", to: "2026-06-06T00:00:00Z",
			want: []string{"on  Tue 2026-06-02T00:00+00:00 Exception", "off Thu 2026-06-04T00:00+00:00"},
		},
		"an override wins over exceptions and calendar and ends by itself": {
			spec: overridden(t, with(hoursOf("UTC", "mon", "0-23"), on("2026-06-02", "2026-06-02")),
				v1alpha1.ScheduleInactive, "2026-06-02T12:00:00+02:00"),
			calendar: &v1alpha1.MachineCalendarSpec{Exceptions: []v1alpha1.ScheduleException{on("2026-06-01", "2026-06-01")}},
			from:     "2026-06-01T00:00:00Z", to: "2026-06-06T00:00:00Z",
			want: []string{"on  Tue 2026-06-02T10:00+00:00 Exception", "off Wed 2026-06-03T00:00+00:00"},
		},
		"an override that agrees with the window makes no change": {
			spec: overridden(t, hoursOf("UTC", "mon", "9-17"), v1alpha1.ScheduleActive, "2026-06-01T12:00:00Z"),
			from: "2026-06-01T00:00:00Z", to: "2026-06-06T00:00:00Z",
			want: []string{"off Mon 2026-06-01T18:00+00:00"},
		},
		"an expired override does nothing": {
			spec: overridden(t, hoursOf("UTC", "mon", "9-17"), v1alpha1.ScheduleActive, "2026-05-01T12:00:00Z"),
			from: "2026-06-01T00:00:00Z", to: "2026-06-06T00:00:00Z",
			want: []string{"on  Mon 2026-06-01T09:00+00:00", "off Mon 2026-06-01T18:00+00:00"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mustParse(t, tc.spec)
			if tc.calendar != nil {
				calendar, errs := ParseCalendar(tc.calendar, nil)
				if len(errs) > 0 {
					t.Fatal(errs)
				}
				s = s.WithCalendar(calendar)
			}
			zone := tc.spec.Timezone
			got := changesBetween(t, s, zone, at(t, tc.from), at(t, tc.to))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWindowsAreHalfOpen(t *testing.T) {
	t.Parallel()
	s := mustParse(t, hoursOf("UTC", "mon", "9"))
	for instant, want := range map[string]bool{
		"2026-06-01T08:59:59.999999999Z": false,
		"2026-06-01T09:00:00Z":           true,
		"2026-06-01T09:59:59.999999999Z": true,
		"2026-06-01T10:00:00Z":           false,
	} {
		if got := s.Active(at(t, instant)); got != want {
			t.Errorf("Active(%s) = %t, want %t", instant, got, want)
		}
	}
}

func TestACalendarDoesNotChangeTheScheduleItIsGivenTo(t *testing.T) {
	t.Parallel()
	calendar, errs := ParseCalendar(&v1alpha1.MachineCalendarSpec{
		Exceptions: []v1alpha1.ScheduleException{off("2026-06-01", "2026-06-01")},
	}, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	now, s := at(t, "2026-06-01T09:30:00Z"), mustParse(t, hoursOf("UTC", "mon", "9"))
	holiday := s.WithCalendar(calendar)
	if holiday.Active(now) || !s.Active(now) || !holiday.WithCalendar(nil).Active(now) {
		t.Error("the calendar must hold for the returned schedule only")
	}
}

func TestNothingIsInSightWhereNothingChanges(t *testing.T) {
	t.Parallel()
	for name, spec := range map[string]*v1alpha1.Schedule{
		"all hours":             hoursOf("Europe/Berlin", "mon-sun", "0-23"),
		"a window of a week":    windowOf("Europe/Berlin", "mon", "08:00", "08:00", "mon"),
		"a window of every day": windowOf("Europe/Berlin", "mon-sun", "08:00", "08:00"),
		"every minute":          cronOf("Europe/Berlin", "* * * * *"),
		"every minute in UTC":   cronOf("", "* * * * *"),
		"every hour":            cronOf("Europe/Berlin", "@hourly"),
		"every day for a day":   cronOf("UTC", "@daily", "24h"),
		"every weekday or day":  cronOf("UTC", "0 0 1-31 * 1", "24h"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mustParse(t, spec)
			now := at(t, "2026-06-01T09:30:00Z")
			if next, ok := s.Next(now); ok || !s.Active(now) {
				t.Errorf("Next = %+v, Active = %t", next, s.Active(now))
			}
			want := Evaluation{Active: true, Provision: true, Cause: v1alpha1.CauseWindow, Transitions: []Transition{}}
			if diff := cmp.Diff(want, s.Evaluate(now)); diff != "" {
				t.Errorf("Evaluate (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnHourlyCronRuleWithDurationHasAHoleWhenTheClocksGoBack(t *testing.T) {
	t.Parallel()
	s := mustParse(t, cronOf("America/New_York", "0 * * * *", "1h"))
	next, ok := s.Next(at(t, "2026-06-01T09:30:00Z"))
	if want := at(t, "2026-11-01T06:00:00Z"); !ok || !next.Time.Equal(want) || next.Active {
		t.Errorf("Next = %+v %t, want %s", next, ok, want)
	}
}

func TestStringIsOneReadableLine(t *testing.T) {
	t.Parallel()
	many := &v1alpha1.Schedule{Timezone: "America/Argentina/Buenos_Aires"}
	for range maxWindows {
		many.Windows = append(many.Windows, v1alpha1.Window{
			Days: []v1alpha1.DayRange{"mon,wed,fri,sun"}, Start: "20:00", End: "08:00", EndDay: new(v1alpha1.Weekday("sat")),
		})
	}
	if got := mustParse(t, many).String(); len(got) > maxText {
		t.Errorf("String is %d bytes long: %s", len(got), got)
	}
	for want, spec := range map[string]*v1alpha1.Schedule{
		"Mon-Fri 09:00-18:00 America/New_York":  hoursOf("America/New_York", "mon-fri", "9-17"),
		"Fri-Mon 00:00-07:00,22:00-24:00 UTC":   hoursOf("", "fri-mon", "22-6"),
		"Mon-Sun 00:00-24:00 UTC":               hoursOf("UTC", "tue-mon", "5-4"),
		"Mon,Wed-Thu 08:30-17:15 Europe/Berlin": windowOf("Europe/Berlin", "wed-thu,mon", "08:30", "17:15"),
		"Fri 20:00-Mon 08:00 Europe/Berlin":     windowOf("Europe/Berlin", "fri", "20:00", "08:00", "mon"),
		`cron "* * * * 0,6" for 1m UTC`:         cronOf("", " * * *\t* 0,6 "),
		`cron "0 9-17 * * 1-5" for 1h UTC`:      cronOf("", "0 9-17 * * 1-5"),
		`cron "@daily" for 90m UTC`:             cronOf("", "@daily", "090m"),
		`cron "@daily" for 61s UTC`:             cronOf("", "@daily", "61s"),
		"Mon 09:00-10:00; Tue 22:00-06:00; Wed 00:00-24:00 UTC": {Windows: []v1alpha1.Window{
			{Days: []v1alpha1.DayRange{"mon"}, Start: "09:00", End: "10:00"},
			{Days: []v1alpha1.DayRange{"tue"}, Start: "22:00", End: "06:00"},
			{Days: []v1alpha1.DayRange{"wed"}, Start: "00:00", End: "24:00"},
		}},
	} {
		if got := mustParse(t, spec).String(); got != want {
			t.Errorf("String() = %q, want %q", got, want)
		}
	}
}

func TestTimesAreInUTC(t *testing.T) {
	t.Parallel()
	s := mustParse(t, hoursOf("America/New_York", "mon", "9"))
	next, _ := s.Next(at(t, "2026-06-01T00:00:00-04:00"))
	if next.Time.Location() != time.UTC {
		t.Errorf("Next is in %s", next.Time.Location())
	}
}
