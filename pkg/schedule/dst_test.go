package schedule

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/finos/five-spot/api/v1alpha1"
)

// hoursOf, windowOf and cronOf write the three forms in one line.
func hoursOf(zone, days, hours string) *v1alpha1.Schedule {
	return &v1alpha1.Schedule{
		Timezone:   zone,
		DaysOfWeek: []v1alpha1.DayRange{v1alpha1.DayRange(days)},
		HoursOfDay: []v1alpha1.HourRange{v1alpha1.HourRange(hours)},
	}
}

func windowOf(zone, days, start, end string, endDay ...v1alpha1.Weekday) *v1alpha1.Schedule {
	w := v1alpha1.Window{Days: []v1alpha1.DayRange{v1alpha1.DayRange(days)}, Start: start, End: end}
	if len(endDay) > 0 {
		w.EndDay = &endDay[0]
	}
	return &v1alpha1.Schedule{Timezone: zone, Windows: []v1alpha1.Window{w}}
}

func cronOf(zone, expression string, duration ...v1alpha1.Duration) *v1alpha1.Schedule {
	spec := &v1alpha1.Schedule{Timezone: zone, Cron: new(expression)}
	if len(duration) > 0 {
		spec.Duration = &duration[0]
	}
	return spec
}

// at parses an instant.
func at(t *testing.T, text string) time.Time {
	t.Helper()
	instant, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return instant
}

// changesBetween writes the changes from one instant to another as a person at the
// place of the schedule sees them.
func changesBetween(t *testing.T, s *Schedule, zone string, from, to time.Time) []string {
	t.Helper()
	location, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	var changes []string
	for now := from; ; {
		next, ok := s.Next(now)
		if !ok || next.Time.After(to) {
			return changes
		}
		text := next.Time.In(location).Format("Mon 2006-01-02T15:04-07:00")
		if next.Active {
			text = "on  " + text
		} else {
			text = "off " + text
		}
		if next.Cause != v1alpha1.CauseWindow {
			text += " " + string(next.Cause)
		}
		changes = append(changes, text)
		now = next.Time
	}
}

func TestClockChanges(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spec     *v1alpha1.Schedule
		from, to string
		want     []string
	}{
		"a window that starts in a spring gap opens at the gap": {
			spec: windowOf("America/New_York", "sun", "02:30", "05:00"),
			from: "2026-03-08T00:00:00-05:00", to: "2026-03-09T00:00:00-04:00",
			want: []string{"on  Sun 2026-03-08T03:00-04:00", "off Sun 2026-03-08T05:00-04:00"},
		},
		"a window that ends in a spring gap closes at the gap": {
			spec: windowOf("America/New_York", "sun", "01:00", "02:30"),
			from: "2026-03-08T00:00:00-05:00", to: "2026-03-09T00:00:00-04:00",
			want: []string{"on  Sun 2026-03-08T01:00-05:00", "off Sun 2026-03-08T03:00-04:00"},
		},
		"a window wholly inside a spring gap is empty that day only": {
			spec: windowOf("America/New_York", "sun", "02:10", "02:50"),
			from: "2026-03-07T00:00:00-05:00", to: "2026-03-16T00:00:00-04:00",
			want: []string{"on  Sun 2026-03-15T02:10-04:00", "off Sun 2026-03-15T02:50-04:00"},
		},
		"a window inside an autumn repeat lasts from its first start to its last end": {
			spec: windowOf("America/New_York", "sun", "01:15", "01:45"),
			from: "2026-11-01T00:00:00-04:00", to: "2026-11-02T00:00:00-05:00",
			want: []string{"on  Sun 2026-11-01T01:15-04:00", "off Sun 2026-11-01T01:45-05:00"},
		},
		"a window that ends in an autumn repeat closes at the second occurrence": {
			spec: windowOf("Europe/Berlin", "sat", "22:00", "02:30"),
			from: "2026-10-24T00:00:00+02:00", to: "2026-10-26T00:00:00+01:00",
			want: []string{"on  Sat 2026-10-24T22:00+02:00", "off Sun 2026-10-25T02:30+01:00"},
		},
		"a window that starts in an autumn repeat opens at the first occurrence": {
			spec: windowOf("Europe/Berlin", "sun", "02:30", "04:00"),
			from: "2026-10-24T00:00:00+02:00", to: "2026-10-26T00:00:00+01:00",
			want: []string{"on  Sun 2026-10-25T02:30+02:00", "off Sun 2026-10-25T04:00+01:00"},
		},
		"two windows that a repeat makes overlap are one": {
			spec: &v1alpha1.Schedule{Timezone: "Europe/Berlin", Windows: []v1alpha1.Window{
				{Days: []v1alpha1.DayRange{"sun"}, Start: "01:30", End: "02:15"},
				{Days: []v1alpha1.DayRange{"sun"}, Start: "02:45", End: "03:30"},
			}},
			from: "2026-10-24T00:00:00+02:00", to: "2026-10-26T00:00:00+01:00",
			want: []string{"on  Sun 2026-10-25T01:30+02:00", "off Sun 2026-10-25T03:30+01:00"},
		},
		"whole hours are membership of the local hour in a repeat": {
			spec: hoursOf("America/New_York", "sun", "1"),
			from: "2026-11-01T00:00:00-04:00", to: "2026-11-02T00:00:00-05:00",
			want: []string{"on  Sun 2026-11-01T01:00-04:00", "off Sun 2026-11-01T02:00-05:00"},
		},
		"a whole hour inside a gap does not happen": {
			spec: hoursOf("Europe/Berlin", "sun", "2"),
			from: "2026-03-29T00:00:00+01:00", to: "2026-03-30T00:00:00+02:00",
		},
		"a gap of half an hour halves the hour": {
			spec: hoursOf("Australia/Lord_Howe", "sun", "2"),
			from: "2026-10-03T12:00:00Z", to: "2026-10-04T12:00:00Z",
			want: []string{"on  Sun 2026-10-04T02:30+11:00", "off Sun 2026-10-04T03:00+11:00"},
		},
		"a repeat of half an hour lengthens the hour": {
			spec: hoursOf("Australia/Lord_Howe", "sun", "1"),
			from: "2026-04-04T12:00:00Z", to: "2026-04-05T12:00:00Z",
			want: []string{"on  Sun 2026-04-05T01:00+11:00", "off Sun 2026-04-05T02:00+10:30"},
		},
		"a day that a zone skipped does not happen": {
			spec: windowOf("Pacific/Apia", "fri", "00:00", "24:00"),
			from: "2011-12-28T12:00:00Z", to: "2012-01-07T12:00:00Z",
			want: []string{"on  Fri 2012-01-06T00:00+14:00", "off Sat 2012-01-07T00:00+14:00"},
		},
		"a window that runs over a skipped day closes at its end": {
			spec: windowOf("Pacific/Apia", "thu", "20:00", "08:00", "sat"),
			from: "2011-12-28T12:00:00Z", to: "2011-12-31T12:00:00Z",
			want: []string{"on  Thu 2011-12-29T20:00-10:00", "off Sat 2011-12-31T08:00+14:00"},
		},
		"a day whose midnight lies in a gap begins after it": {
			spec: windowOf("America/Sao_Paulo", "sun", "00:00", "12:00"),
			from: "2018-11-03T12:00:00Z", to: "2018-11-05T12:00:00Z",
			want: []string{"on  Sun 2018-11-04T01:00-02:00", "off Sun 2018-11-04T12:00-02:00"},
		},
		"a day whose midnight is reached twice ends at the second": {
			spec: windowOf("America/Sao_Paulo", "sat", "12:00", "24:00"),
			from: "2018-02-17T00:00:00Z", to: "2018-02-18T12:00:00Z",
			want: []string{"on  Sat 2018-02-17T12:00-02:00", "off Sun 2018-02-18T00:00-03:00"},
		},
		"a midnight gap in Beirut moves the start": {
			spec: hoursOf("Asia/Beirut", "sun", "0-5"),
			from: "2026-03-28T12:00:00Z", to: "2026-03-29T12:00:00Z",
			want: []string{"on  Sun 2026-03-29T01:00+03:00", "off Sun 2026-03-29T06:00+03:00"},
		},
		"a midnight gap in Cairo moves the end": {
			spec: windowOf("Africa/Cairo", "thu", "20:00", "00:30"),
			from: "2026-04-23T12:00:00Z", to: "2026-04-24T12:00:00Z",
			want: []string{"on  Thu 2026-04-23T20:00+02:00", "off Fri 2026-04-24T01:00+03:00"},
		},
		"the weekend is whole when the clocks go back in it": {
			spec: cronOf("America/New_York", "* * * * 0,6"),
			from: "2026-10-30T12:00:00Z", to: "2026-11-03T12:00:00Z",
			want: []string{"on  Sat 2026-10-31T00:00-04:00", "off Mon 2026-11-02T00:00-05:00"},
		},
		"hours of a cron rule have no hole when the clocks go back": {
			spec: cronOf("America/New_York", "0 0-3 * * 0"),
			from: "2026-11-01T00:00:00-05:00", to: "2026-11-02T00:00:00-05:00",
			want: []string{"off Sun 2026-11-01T04:00-05:00"},
		},
		"a cron activation in a gap happens at the gap": {
			spec: cronOf("America/New_York", "30 2 * * *", "45m"),
			from: "2026-03-08T00:00:00-05:00", to: "2026-03-09T00:00:00-04:00",
			want: []string{"on  Sun 2026-03-08T03:00-04:00", "off Sun 2026-03-08T03:45-04:00"},
		},
		"a repeated cron activation happens once and its duration is elapsed time": {
			spec: cronOf("America/New_York", "30 1 * * *", "45m"),
			from: "2026-11-01T00:00:00-04:00", to: "2026-11-02T00:00:00-05:00",
			want: []string{"on  Sun 2026-11-01T01:30-04:00", "off Sun 2026-11-01T01:15-05:00"},
		},
		"a cron window before a gap lasts its elapsed duration": {
			spec: cronOf("Europe/Berlin", "0 1 * * *", "2h"),
			from: "2026-03-29T00:00:00+01:00", to: "2026-03-30T00:00:00+02:00",
			want: []string{"on  Sun 2026-03-29T01:00+01:00", "off Sun 2026-03-29T04:00+02:00"},
		},
		"a yearly cron activation on a skipped day happens when the next begins": {
			spec: cronOf("Pacific/Apia", "0 9 30 12 *", "1h"),
			from: "2011-12-01T00:00:00Z", to: "2012-01-10T00:00:00Z",
			want: []string{"on  Sat 2011-12-31T00:00+14:00", "off Sat 2011-12-31T01:00+14:00"},
		},
		"the last day of a leap year far ahead is a day like others": {
			spec: hoursOf("America/New_York", "mon-sun", "9-17"),
			from: "2104-12-31T00:00:00Z", to: "2105-01-01T12:00:00Z",
			want: []string{"on  Wed 2104-12-31T09:00-05:00", "off Wed 2104-12-31T18:00-05:00"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := changesBetween(t, mustParse(t, tc.spec), tc.spec.Timezone, at(t, tc.from), at(t, tc.to))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
		})
	}
}
