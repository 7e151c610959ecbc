package schedule

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/finos/five-spot/api/v1alpha1"
)

// The patterns of the CRD, to which the parsers are compared.
var (
	crdDays     = regexp.MustCompile(`^ *(mon|tue|wed|thu|fri|sat|sun)( *- *(mon|tue|wed|thu|fri|sat|sun))?( *, *(mon|tue|wed|thu|fri|sat|sun)( *- *(mon|tue|wed|thu|fri|sat|sun))?)* *$`)
	crdHours    = regexp.MustCompile(`^ *([01]?[0-9]|2[0-3])( *- *([01]?[0-9]|2[0-3]))?( *, *([01]?[0-9]|2[0-3])( *- *([01]?[0-9]|2[0-3]))?)* *$`)
	crdCron     = regexp.MustCompile(`^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|[ \t]*[0-9*/,?-]+[ \t]+[0-9*/,?-]+[ \t]+[0-9*/,?-]+[ \t]+[0-9A-Za-z*/,?-]+[ \t]+[0-9A-Za-z*/,?-]+[ \t]*)$`)
	crdAlone    = regexp.MustCompile(`^(@[a-z]+|[ \t]*([*]|[0-9]+)[ \t].*)$`)
	crdStart    = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$`)
	crdEnd      = regexp.MustCompile(`^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$`)
	crdDuration = regexp.MustCompile(`^[0-9]+[smh]$`)
)

func add(f *testing.F, seeds ...string) {
	f.Helper()
	for _, seed := range seeds {
		f.Add(seed)
	}
}

func FuzzDays(f *testing.F) {
	add(f, "mon", "mon-fri", "fri-mon", "mon-wed,fri-sun", "mon,", "Mon", "mon-tue-wed", " mon - wed , fri", "mo n", "")
	f.Fuzz(func(t *testing.T, text string) {
		days, err := parseDays(text)
		if want := len(text) <= 64 && crdDays.MatchString(text); want != (err == nil) {
			t.Errorf("%q: %v, the CRD says %t", text, err, want)
		}
		if err == nil && (days == 0 || days > everyWeekday) {
			t.Errorf("%q: %b", text, days)
		}
	})
}

func FuzzHours(f *testing.F) {
	add(f, "9", "09", "9-17", "22-6", "0-9,18-23", "24", "99", "9-", "-9", " 0 - 9 , 18-23", "1 2", "")
	f.Fuzz(func(t *testing.T, text string) {
		hours, err := parseHours(text)
		if want := len(text) <= 128 && crdHours.MatchString(text); want != (err == nil) {
			t.Errorf("%q: %v, the CRD says %t", text, err, want)
		}
		if err == nil && (hours == 0 || hours >= 1<<24) {
			t.Errorf("%q: %b", text, hours)
		}
	})
}

func FuzzClockTime(f *testing.F) {
	add(f, "00:00", "23:59", "24:00", "24:01", "9:00", "09:60", "0900", "")
	f.Fuzz(func(t *testing.T, text string) {
		start, err := parseStart(text)
		if want := crdStart.MatchString(text); want != (err == nil) {
			t.Errorf("start %q: %v, the CRD says %t", text, err, want)
		}
		end, err := parseEnd(text)
		if want := crdEnd.MatchString(text); want != (err == nil) {
			t.Errorf("end %q: %v, the CRD says %t", text, err, want)
		}
		if err == nil && (end > secondsPerDay || clockText(end) != text || start != 0 && start != end) {
			t.Errorf("%q: start %d, end %d", text, start, end)
		}
	})
}

func FuzzDuration(f *testing.F) {
	add(f, "0s", "1h", "24h", "25h", "86400s", "86401s", "99999999999999h", "1d", "-1h", "")
	f.Fuzz(func(t *testing.T, text string) {
		got, errs := parseCronDuration(v1alpha1.Duration(text), nil)
		shaped := len(text) >= 2 && len(text) <= 16 && crdDuration.MatchString(text)
		want, err := time.ParseDuration(text)
		valid := shaped && err == nil && want > 0 && want <= v1alpha1.MaxDuration
		if valid != (len(errs) == 0) || valid && got != want {
			t.Errorf("%q: %s %v, want %s %t", text, got, errs, want, valid)
		}
	})
}

func FuzzCron(f *testing.F) {
	add(f, "* * * * 0,6", "0 9-17 * * 1-5", "@hourly", "@every 1h", "TZ=UTC * * * * *", "*/15 * * * *", "0 0 30 2 *",
		"0 0 29 2 *", "1,,2 * * * *", "? ? ? ? ?", "*-5 * * * *", "0/7 1-3/2 * JAN mon", "99999999999999999999 * * * *")
	f.Fuzz(func(t *testing.T, text string) {
		fuzzSchedule(t, &v1alpha1.Schedule{Cron: &text})
		fuzzSchedule(t, &v1alpha1.Schedule{Cron: &text, Duration: new(v1alpha1.Duration("7m"))})
		_, errs := Parse(&v1alpha1.Schedule{Cron: &text}, nil)
		admitted := len(text) >= minCron && len(text) <= maxCron && crdCron.MatchString(text) && crdAlone.MatchString(text)
		if len(errs) == 0 && !admitted {
			t.Errorf("%q is valid, but the CRD refuses it", text)
		}
	})
}

func FuzzSchedule(f *testing.F) {
	add(f,
		`{"daysOfWeek":["mon-fri"],"hoursOfDay":["9-17"],"timezone":"America/New_York","leadTime":"30m"}`,
		`{"cron":"* * * * 0,6","timezone":"Europe/Berlin","exceptions":[{"from":"2026-12-24","to":"2026-12-26","state":"Inactive"}]}`,
		`{"windows":[{"days":["fri"],"start":"20:00","end":"08:00","endDay":"mon"}],"timezone":"Australia/Lord_Howe"}`,
		`{"cron":"@yearly","duration":"24h","override":{"state":"Active","until":"2026-01-01T00:00:00Z"}}`,
		`{"windows":[{"days":["mon-sun"],"start":"00:00","end":"24:00"}],"calendarRef":{"name":"x"}}`,
	)
	f.Fuzz(func(t *testing.T, text string) {
		var spec v1alpha1.Schedule
		if json.Unmarshal([]byte(text), &spec) != nil {
			t.Skip()
		}
		fuzzSchedule(t, &spec)
	})
}

// fuzzSchedule asserts what holds for every schedule: errors are bounded and
// printable, valid ones flip exactly at Next.
func fuzzSchedule(t *testing.T, spec *v1alpha1.Schedule) {
	t.Helper()
	s, errs := Parse(spec, field.NewPath("spec"))
	unfit(t, errs)
	if (s == nil) != (len(errs) > 0) {
		t.Fatalf("schedule %v, errors %v", s, errs)
	}
	if s == nil {
		return
	}
	if len(s.String()) > maxText {
		t.Errorf("long text: %q", s)
	}
	evaluated(t, s)
}

// evaluated asserts that a schedule flips exactly when it says.
func evaluated(t *testing.T, s *Schedule) {
	t.Helper()
	now := time.Date(2026, 3, 8, 6, 30, 0, 0, time.UTC)
	if e := s.Evaluate(now); len(e.Transitions) > 0 {
		next := e.Transitions[0]
		if !next.Time.After(now) || s.Active(now) == next.Active || s.Active(next.Time) != next.Active ||
			s.Active(next.Time.Add(-time.Nanosecond)) == next.Active || e.NextChange.After(next.Time) {
			t.Errorf("inconsistent: %+v", e)
		}
	}
}

func FuzzZone(f *testing.F) {
	add(f, "", "UTC", "Local", "local", "America/New_York", "Australia/Lord_Howe", "../../etc/passwd", "/etc/localtime", "Asia/Tokyo\x00", "EST5EDT")
	f.Fuzz(func(t *testing.T, name string) {
		z, errs := parseZone(name, field.NewPath("timezone"))
		unfit(t, errs)
		if len(errs) > 0 {
			return
		}
		// A zone is known by its name alone, wherever the program runs.
		if strings.Contains(name, "..") || strings.HasPrefix(name, "/") || strings.EqualFold(name, "local") || len(name) > 64 {
			t.Errorf("%q is a zone", name)
		}
		if offset := z.at(1_800_000_000).offset; offset < -24*3600 || offset > 24*3600 {
			t.Errorf("%q is %d seconds from UTC", name, offset)
		}
	})
}

func FuzzDate(f *testing.F) {
	add(f, "2026-02-28", "2026-02-29", "2024-02-29", "0000-01-01", "9999-12-31", "10000-01-01", "2026-1-1", "2026-13-01", "+026-01-01", "2026-01-01T00:00:00Z")
	f.Fuzz(func(t *testing.T, text string) {
		date, errs := parseDate(text, field.NewPath("from"))
		unfit(t, errs)
		if len(errs) == 0 && date.Format(time.DateOnly) != text {
			t.Errorf("%q became %s", text, date)
		}
	})
}

func FuzzLeadTime(f *testing.F) {
	add(f, "", "0s", "30m", "2h", "7201s", "121m", "24h", "-1m", "1.5h")
	f.Fuzz(func(t *testing.T, text string) {
		seconds, errs := parseLeadTime(v1alpha1.Duration(text), field.NewPath("leadTime"))
		unfit(t, errs)
		if len(errs) == 0 && (seconds < 0 || seconds > 2*3600) {
			t.Errorf("%q is %d seconds", text, seconds)
		}
	})
}

func FuzzCalendar(f *testing.F) {
	add(f,
		`{"timezone":"Europe/London","exceptions":[{"from":"2026-12-24","to":"2026-12-26","state":"Inactive","reason":"holidays"}]}`,
		`{"exceptions":[{"from":"2026-12-26","to":"2026-12-24","state":"Active"}]}`,
		`{"timezone":"Nowhere","exceptions":[{"from":"","to":"","state":"maybe"}]}`,
	)
	f.Fuzz(func(t *testing.T, text string) {
		spec := v1alpha1.MachineCalendarSpec{}
		if json.Unmarshal([]byte(text), &spec) != nil {
			t.Skip()
		}
		calendar, errs := ParseCalendar(&spec, field.NewPath("spec"))
		unfit(t, errs)
		if (calendar == nil) != (len(errs) > 0) {
			t.Fatalf("calendar %v, errors %v", calendar, errs)
		}
		if calendar == nil {
			return
		}
		always, errs := Parse(&v1alpha1.Schedule{Windows: []v1alpha1.Window{{Days: []v1alpha1.DayRange{"mon-sun"}, Start: "00:00", End: "24:00"}}}, nil)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		evaluated(t, always.WithCalendar(calendar))
	})
}

// unfit fails for errors that do not fit into a condition.
func unfit(t *testing.T, errs field.ErrorList) {
	t.Helper()
	for _, err := range errs {
		if text := err.Error(); len(text) > 1024 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
			t.Errorf("unfit error: %q", text)
		}
	}
}
