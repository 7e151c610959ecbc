package schedule

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/finos/five-spot/api/v1alpha1"
)

// edit returns a valid schedule of days and hours after a change.
func edit(change func(*v1alpha1.Schedule)) *v1alpha1.Schedule {
	spec := hoursOf("UTC", "mon-fri", "9-17")
	change(spec)
	return spec
}

// editWindow is edit for a schedule of one window.
func editWindow(change func(*v1alpha1.Window)) *v1alpha1.Schedule {
	spec := windowOf("UTC", "mon", "09:00", "17:00")
	change(&spec.Windows[0])
	return spec
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const exactlyOne = ": exactly one schedule form must be given: daysOfWeek with hoursOfDay, cron, or windows"
	const dayRule = ": must be days of the week or ranges of them in lower case, such as mon, mon-fri or mon-wed,fri-sun"
	const hourRule = ": must be hours from 0 to 23 or ranges of them, such as 9, 9-17 or 0-9,18-23"
	const cronRule = ": must be five fields separated by blanks (minute, hour, day of month, month, day of week) or a macro such as @daily; other zones than the schedule's are not possible"
	const macroRule = ": must be one of @yearly, @annually, @monthly, @weekly, @daily, @midnight and @hourly, or five cron fields"
	const itemRule = ": must list values, ranges or steps such as 5, 1-5 or */15 in each field, separated by single commas"
	const minuteRule = ": without duration must have * or one value in its minute field; give a duration for anything else"
	const durationRule = ": must be a whole number followed by s, m or h, such as 90s, 5m or 2h"
	const zoneRule = ": must be an IANA time zone such as Europe/Berlin"
	for name, tc := range map[string]struct {
		spec *v1alpha1.Schedule
		want []string
	}{
		"nothing":            {nil, []string{"spec.schedule: Required value: a schedule must be given"}},
		"no form":            {&v1alpha1.Schedule{}, []string{"spec.schedule: Required value" + exactlyOne}},
		"empty lists only":   {&v1alpha1.Schedule{DaysOfWeek: []v1alpha1.DayRange{}, Windows: []v1alpha1.Window{}}, []string{"spec.schedule: Required value" + exactlyOne}},
		"two forms":          {edit(func(s *v1alpha1.Schedule) { s.Cron = new("@daily") }), []string{"spec.schedule: Forbidden" + exactlyOne}},
		"days without hours": {edit(func(s *v1alpha1.Schedule) { s.HoursOfDay = nil }), []string{"spec.schedule.hoursOfDay: Required value: daysOfWeek and hoursOfDay must be given together"}},
		"hours without days": {edit(func(s *v1alpha1.Schedule) { s.DaysOfWeek = nil }), []string{"spec.schedule.daysOfWeek: Required value: daysOfWeek and hoursOfDay must be given together"}},
		"mistakes in every form are reported": {
			&v1alpha1.Schedule{DaysOfWeek: []v1alpha1.DayRange{"x"}, HoursOfDay: []v1alpha1.HourRange{"99"}, Cron: new("@every 1h")},
			[]string{
				`spec.schedule.daysOfWeek[0]: Invalid value: "x"` + dayRule,
				`spec.schedule.hoursOfDay[0]: Invalid value: "99"` + hourRule,
				`spec.schedule.cron: Invalid value: "@every 1h"` + macroRule,
				"spec.schedule: Forbidden" + exactlyOne,
			},
		},
		"too many days":           {edit(func(s *v1alpha1.Schedule) { s.DaysOfWeek = make([]v1alpha1.DayRange, 8) }), []string{"spec.schedule.daysOfWeek: Too many: 8: must have at most 7 items"}},
		"too many hours":          {edit(func(s *v1alpha1.Schedule) { s.HoursOfDay = make([]v1alpha1.HourRange, 25) }), []string{"spec.schedule.hoursOfDay: Too many: 25: must have at most 24 items"}},
		"a day in capitals":       {hoursOf("", "Mon", "9"), []string{`spec.schedule.daysOfWeek[0]: Invalid value: "Mon"` + dayRule}},
		"a hanging comma":         {hoursOf("", "mon,", "9,"), []string{`spec.schedule.daysOfWeek[0]: Invalid value: "mon,"` + dayRule, `spec.schedule.hoursOfDay[0]: Invalid value: "9,"` + hourRule}},
		"an open range":           {hoursOf("", "mon-", "9-"), []string{`spec.schedule.daysOfWeek[0]: Invalid value: "mon-"` + dayRule, `spec.schedule.hoursOfDay[0]: Invalid value: "9-"` + hourRule}},
		"a double range":          {hoursOf("", "mon-tue-wed", "1-2-3"), []string{`spec.schedule.daysOfWeek[0]: Invalid value: "mon-tue-wed"` + dayRule, `spec.schedule.hoursOfDay[0]: Invalid value: "1-2-3"` + hourRule}},
		"the hour 24":             {hoursOf("", "mon", "24"), []string{`spec.schedule.hoursOfDay[0]: Invalid value: "24"` + hourRule}},
		"a range to the hour 99":  {hoursOf("", "mon", "9-99"), []string{`spec.schedule.hoursOfDay[0]: Invalid value: "9-99"` + hourRule}},
		"an hour of three digits": {hoursOf("", "mon", "009"), []string{`spec.schedule.hoursOfDay[0]: Invalid value: "009"` + hourRule}},
		"a day list that is too long": {
			hoursOf("", strings.Repeat("mon,", 16)+"mon", "9"),
			[]string{`spec.schedule.daysOfWeek[0]: Invalid value: "` + strings.Repeat("mon,", 16) + `…"` + dayRule},
		},
		"control characters are escaped": {hoursOf("", "mon\n\x1b[31m", "9"), []string{`spec.schedule.daysOfWeek[0]: Invalid value: "mon\n\x1b[31m"` + dayRule}},

		"cron that is too short":           {cronOf("", "* *"), []string{`spec.schedule.cron: Invalid value: "* *": must be 6 to 256 characters`}},
		"empty cron":                       {cronOf("", ""), []string{`spec.schedule.cron: Invalid value: "": must be 6 to 256 characters`}},
		"cron of six fields":               {cronOf("", "0 0 9 * * 1"), []string{`spec.schedule.cron: Invalid value: "0 0 9 * * 1"` + cronRule}},
		"cron with a zone":                 {cronOf("", "TZ=UTC 0 9 * * 1"), []string{`spec.schedule.cron: Invalid value: "TZ=UTC 0 9 * * 1"` + cronRule}},
		"cron with the other zone":         {cronOf("", "CRON_TZ=UTC 0 9 * * 1"), []string{`spec.schedule.cron: Invalid value: "CRON_TZ=UTC 0 9 * * 1"` + cronRule}},
		"cron on two lines":                {cronOf("", "0 9\n* * 1"), []string{`spec.schedule.cron: Invalid value: "0 9\n* * 1"` + cronRule}},
		"cron macros that mean no time":    {cronOf("", "@reboot"), []string{`spec.schedule.cron: Invalid value: "@reboot"` + macroRule}},
		"cron with an empty item":          {cronOf("", "0 9,,10 * * *"), []string{`spec.schedule.cron: Invalid value: "0 9,,10 * * *"` + itemRule}},
		"cron with a range from star":      {cronOf("", "0 *-5 * * *"), []string{`spec.schedule.cron: Invalid value: "0 *-5 * * *"` + itemRule}},
		"cron with seven for Sunday":       {cronOf("", "0 9 * * 7"), []string{`spec.schedule.cron: Invalid value: "0 9 * * 7": must be a cron expression (days of the week are 0-6 from Sunday): end of range (7) above maximum (6): 7`}},
		"cron on 30 February":              {cronOf("", "0 9 30 2 *"), []string{`spec.schedule.cron: Invalid value: "0 9 30 2 *": must activate some time: no month has such a day`}},
		"cron on the 31st of short months": {cronOf("", "0 9 31 4,6,9,11 *"), []string{`spec.schedule.cron: Invalid value: "0 9 31 4,6,9,11 *": must activate some time: no month has such a day`}},
		"cron with steps without duration": {cronOf("", "*/15 * * * *"), []string{`spec.schedule.cron: Invalid value: "*/15 * * * *"` + minuteRule}},
		"cron with two minutes alone":      {cronOf("", "0,30 * * * *"), []string{`spec.schedule.cron: Invalid value: "0,30 * * * *"` + minuteRule}},
		"cron with a duration of nothing":  {cronOf("", "@daily", "0s"), []string{`spec.schedule.duration: Invalid value: "0s": must be longer than 0s`}},
		"cron with too long a duration":    {cronOf("", "@daily", "25h"), []string{`spec.schedule.duration: Invalid value: "25h": must be at most 24h`}},
		"a duration that would overflow":   {cronOf("", "@daily", "99999999999999h"), []string{`spec.schedule.duration: Invalid value: "99999999999999h": must be at most 24h`}},
		"a duration in days":               {cronOf("", "@daily", "1d"), []string{`spec.schedule.duration: Invalid value: "1d"` + durationRule}},
		"an empty duration":                {cronOf("", "@daily", ""), []string{`spec.schedule.duration: Invalid value: ""` + durationRule}},
		"a duration without cron":          {edit(func(s *v1alpha1.Schedule) { s.Duration = new(v1alpha1.Duration("1h")) }), []string{"spec.schedule.duration: Forbidden: duration goes with cron only"}},

		"too many windows":              {&v1alpha1.Schedule{Windows: make([]v1alpha1.Window, 51)}, []string{"spec.schedule.windows: Too many: 51: must have at most 50 items"}},
		"a window without days":         {editWindow(func(w *v1alpha1.Window) { w.Days = nil }), []string{"spec.schedule.windows[0].days: Required value: a window must start on some day"}},
		"a window on no day":            {editWindow(func(w *v1alpha1.Window) { w.Days[0] = "day" }), []string{`spec.schedule.windows[0].days[0]: Invalid value: "day"` + dayRule}},
		"a window that starts at 24:00": {editWindow(func(w *v1alpha1.Window) { w.Start = "24:00" }), []string{`spec.schedule.windows[0].start: Invalid value: "24:00": must be a local time from 00:00 to 23:59, such as 09:30`}},
		"a window that starts at 9:00":  {editWindow(func(w *v1alpha1.Window) { w.Start = "9:00" }), []string{`spec.schedule.windows[0].start: Invalid value: "9:00": must be a local time from 00:00 to 23:59, such as 09:30`}},
		"a window that ends at 24:01":   {editWindow(func(w *v1alpha1.Window) { w.End = "24:01" }), []string{`spec.schedule.windows[0].end: Invalid value: "24:01": must be a local time from 00:00 to 24:00, such as 17:30`}},
		"a window that ends at 17:60":   {editWindow(func(w *v1alpha1.Window) { w.End = "17:60" }), []string{`spec.schedule.windows[0].end: Invalid value: "17:60": must be a local time from 00:00 to 24:00, such as 17:30`}},
		"a window that ends on no day": {
			editWindow(func(w *v1alpha1.Window) { w.EndDay = new(v1alpha1.Weekday("mon-fri")) }),
			[]string{`spec.schedule.windows[0].endDay: Unsupported value: "mon-fri": supported values: "mon", "tue", "wed", "thu", "fri", "sat", "sun"`},
		},

		"too many exceptions": {with(hoursOf("", "mon", "9"), make([]v1alpha1.ScheduleException, 101)...), []string{"spec.schedule.exceptions: Too many: 101: must have at most 100 items"}},
		"an exception with no such date": {with(hoursOf("", "mon", "9"), off("2026-02-30", "2026-3-01")), []string{
			`spec.schedule.exceptions[0].from: Invalid value: "2026-02-30": must be a date such as 2026-12-24`,
			`spec.schedule.exceptions[0].to: Invalid value: "2026-3-01": must be a date such as 2026-12-24`,
		}},
		"an exception that ends before it begins": {with(hoursOf("", "mon", "9"), off("2026-02-02", "2026-02-01")), []string{`spec.schedule.exceptions[0].to: Invalid value: "2026-02-01": must not be before from`}},
		"an exception without state":              {with(hoursOf("", "mon", "9"), v1alpha1.ScheduleException{From: "2026-02-02", To: "2026-02-02"}), []string{"spec.schedule.exceptions[0].state: Required value: must be Active or Inactive"}},
		"an exception of another state": {
			with(hoursOf("", "mon", "9"), v1alpha1.ScheduleException{From: "2026-02-02", To: "2026-02-02", State: "active"}),
			[]string{`spec.schedule.exceptions[0].state: Unsupported value: "active": supported values: "Active", "Inactive"`},
		},
		"an exception with a long reason": {
			with(hoursOf("", "mon", "9"), v1alpha1.ScheduleException{From: "2026-02-02", To: "2026-02-02", State: "Active", Reason: strings.Repeat("ü", 257)}),
			[]string{"spec.schedule.exceptions[0].reason: Too long: may not be more than 256 characters"},
		},

		"an override without end": {edit(func(s *v1alpha1.Schedule) {
			s.Override = &v1alpha1.ScheduleOverride{State: v1alpha1.ScheduleActive}
		}), []string{"spec.schedule.override.until: Required value: an override must end"}},
		"an override of no state with a long reason": {edit(func(s *v1alpha1.Schedule) {
			s.Override = &v1alpha1.ScheduleOverride{Until: metav1.Unix(1, 0), Reason: strings.Repeat("x", 257)}
		}), []string{
			"spec.schedule.override.state: Required value: must be Active or Inactive",
			"spec.schedule.override.reason: Too long: may not be more than 256 characters",
		}},
		"a lead time over two hours": {leading(hoursOf("", "mon", "9"), "121m"), []string{`spec.schedule.leadTime: Invalid value: "121m": must be at most 2h`}},
		"a lead time over a day":     {leading(hoursOf("", "mon", "9"), "25h"), []string{`spec.schedule.leadTime: Invalid value: "25h": must be at most 24h`}},
		"a lead time without unit":   {leading(hoursOf("", "mon", "9"), "30"), []string{`spec.schedule.leadTime: Invalid value: "30"` + durationRule}},
		"a zone that nobody knows":   {hoursOf("Mars/Olympus", "mon", "9"), []string{`spec.schedule.timezone: Invalid value: "Mars/Olympus"` + zoneRule}},
		"the zone of the host":       {hoursOf("Local", "mon", "9"), []string{`spec.schedule.timezone: Invalid value: "Local"` + zoneRule}},
		"a zone that is a path":      {hoursOf("../etc/passwd", "mon", "9"), []string{`spec.schedule.timezone: Invalid value: "../etc/passwd"` + zoneRule}},
		"a calendar without name": {edit(func(s *v1alpha1.Schedule) { s.CalendarRef = &v1alpha1.CalendarReference{Name: "Bank_Holidays"} }), []string{
			`spec.schedule.calendarRef.name: Invalid value: "Bank_Holidays": must be the name of a MachineCalendar: lower case letters, digits, - and ., at most 253 characters`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, errs := Parse(tc.spec, field.NewPath("spec", "schedule"))
			if s != nil {
				t.Error("a schedule came with the errors")
			}
			var got []string
			for _, err := range errs {
				got = append(got, err.Error())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseAccepts(t *testing.T) {
	t.Parallel()
	for name, spec := range map[string]*v1alpha1.Schedule{
		"a list of ranges":                    hoursOf("Europe/Berlin", "mon-wed,fri-sun", "0-9,18-23"),
		"hours with a leading zero":           hoursOf("UTC", "mon", "09-17"),
		"no zone":                             hoursOf("", "mon", "9"),
		"a zone with signs":                   hoursOf("Etc/GMT+12", "mon", "9"),
		"empty lists beside another form":     {Cron: new("@daily"), Windows: []v1alpha1.Window{}, DaysOfWeek: []v1alpha1.DayRange{}},
		"cron names in any case":              cronOf("", "0 9 * JAN-mar Mon-FRI"),
		"cron with question marks":            cronOf("", "0 9 ? * ?"),
		"cron with blanks around":             cronOf("", " \t0  9 * * 1\t"),
		"cron on 30 February or Mondays":      cronOf("", "0 9 30 2 1"),
		"cron on 29 February":                 cronOf("", "0 9 29 2 *"),
		"cron steps with duration":            cronOf("", "*/15 * * * *", "5m"),
		"all macros":                          cronOf("", "@annually"),
		"the longest lead time":               leading(hoursOf("", "mon", "9"), "120m"),
		"the longest duration":                cronOf("", "@daily", "86400s"),
		"a window of a day":                   windowOf("", "mon", "00:00", "24:00"),
		"an exception in the year 9999":       with(hoursOf("", "mon", "9"), off("0000-01-01", "9999-12-31")),
		"a reason of 256 letters":             with(hoursOf("", "mon", "9"), v1alpha1.ScheduleException{From: "2026-01-01", To: "2026-01-01", State: "Active", Reason: strings.Repeat("ü", 256)}),
		"a calendar that has yet to be given": edit(func(s *v1alpha1.Schedule) { s.CalendarRef = &v1alpha1.CalendarReference{Name: "bank.holidays-us"} }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, errs := Parse(spec, nil); len(errs) > 0 {
				t.Errorf("refused: %v", errs.ToAggregate())
			}
		})
	}
}

func TestParseCalendarRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spec *v1alpha1.MachineCalendarSpec
		want string
	}{
		"nothing":             {nil, "spec: Required value: a calendar must be given"},
		"a bad zone":          {&v1alpha1.MachineCalendarSpec{Timezone: "x"}, `spec.timezone: Invalid value: "x": must be an IANA time zone such as Europe/Berlin`},
		"too many exceptions": {&v1alpha1.MachineCalendarSpec{Exceptions: make([]v1alpha1.ScheduleException, 1001)}, "spec.exceptions: Too many: 1001: must have at most 1000 items"},
		"a bad date": {
			&v1alpha1.MachineCalendarSpec{Exceptions: []v1alpha1.ScheduleException{on("2026-01-01", "2026-01-01"), on("x", "2026-01-01")}},
			`spec.exceptions[1].from: Invalid value: "x": must be a date such as 2026-12-24`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, errs := ParseCalendar(tc.spec, field.NewPath("spec")); len(errs) != 1 || errs[0].Error() != tc.want {
				t.Errorf("errors %v, want %s", errs, tc.want)
			}
		})
	}
}
