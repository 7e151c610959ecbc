package schedule

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/finos/five-spot/api/v1alpha1"
)

const (
	maxDayItems  = 7
	maxHourItems = 24
	maxWindows   = 50
)

// form is one of the three ways to write the rule of a schedule.
type form interface {
	rule(z zone) rule

	// text returns the parts of the form as people read them.
	text() []string
}

// parseForm returns the form of the schedule. The mistakes in every form that is
// given are reported, also where more than one is.
func parseForm(spec *v1alpha1.Schedule, path *field.Path) (form, field.ErrorList) {
	var (
		forms []form
		errs  field.ErrorList
	)
	if len(spec.DaysOfWeek) > 0 || len(spec.HoursOfDay) > 0 {
		f, more := parseHoursForm(spec, path)
		forms, errs = append(forms, f), append(errs, more...)
	}
	if spec.Cron != nil {
		f, more := parseCronForm(spec, path)
		forms, errs = append(forms, f), append(errs, more...)
	} else if spec.Duration != nil {
		_, more := parseCronDuration(*spec.Duration, path.Child("duration"))
		errs = append(errs, more...)
		errs = append(errs, field.Forbidden(path.Child("duration"), "duration goes with cron only"))
	}
	if len(spec.Windows) > 0 {
		f, more := parseWindowsForm(spec.Windows, path.Child("windows"))
		forms, errs = append(forms, f), append(errs, more...)
	}
	const exactlyOne = "exactly one schedule form must be given: daysOfWeek with hoursOfDay, cron, or windows"
	switch len(forms) {
	case 0:
		return nil, append(errs, field.Required(path, exactlyOne))
	case 1:
		return forms[0], errs
	default:
		return nil, append(errs, field.Forbidden(path, exactlyOne))
	}
}

// hoursForm is a set of days times a set of hours.
type hoursForm struct {
	days  daySet
	hours hourSet
}

func parseHoursForm(spec *v1alpha1.Schedule, path *field.Path) (hoursForm, field.ErrorList) {
	days, errs := parseDayItems(spec.DaysOfWeek, path.Child("daysOfWeek"))
	const together = "daysOfWeek and hoursOfDay must be given together"
	if len(spec.DaysOfWeek) == 0 {
		errs = append(errs, field.Required(path.Child("daysOfWeek"), together))
	}
	hoursPath := path.Child("hoursOfDay")
	if len(spec.HoursOfDay) == 0 {
		errs = append(errs, field.Required(hoursPath, together))
	}
	if len(spec.HoursOfDay) > maxHourItems {
		return hoursForm{}, append(errs, field.TooMany(hoursPath, len(spec.HoursOfDay), maxHourItems))
	}
	var hours hourSet
	for i, text := range spec.HoursOfDay {
		set, err := parseHours(string(text))
		if err != nil {
			errs = append(errs, field.Invalid(hoursPath.Index(i), shortened(string(text)), err.Error()))
		}
		hours |= set
	}
	return hoursForm{days: days, hours: hours}, errs
}

func parseDayItems(items []v1alpha1.DayRange, path *field.Path) (daySet, field.ErrorList) {
	if len(items) > maxDayItems {
		return 0, field.ErrorList{field.TooMany(path, len(items), maxDayItems)}
	}
	var (
		days daySet
		errs field.ErrorList
	)
	for i, text := range items {
		set, err := parseDays(string(text))
		if err != nil {
			errs = append(errs, field.Invalid(path.Index(i), shortened(string(text)), err.Error()))
		}
		days |= set
	}
	return days, errs
}

func (f hoursForm) rule(z zone) rule {
	var spans []civilSpan
	for day := range 7 {
		for hour := range 24 {
			if f.days.has(day) && f.hours.has(hour) {
				start := int64(day*secondsPerDay + hour*secondsPerHour)
				spans = append(spans, civilSpan{start: start, end: start + secondsPerHour})
			}
		}
	}
	return newWeekly(z, spans)
}

func (f hoursForm) text() []string {
	return []string{f.days.String() + " " + f.hours.String()}
}

// windowsForm is a list of windows with minute precision.
type windowsForm []window

// window opens on each of its days at start, and closes at end on the same day, on
// the next one, or on endDay. start and end are seconds of the day.
type window struct {
	days       daySet
	start, end int64

	// endDay is the index of a day from Monday, or -1 when it follows from end.
	endDay int
}

func parseWindowsForm(specs []v1alpha1.Window, path *field.Path) (windowsForm, field.ErrorList) {
	if len(specs) > maxWindows {
		return nil, field.ErrorList{field.TooMany(path, len(specs), maxWindows)}
	}
	var errs field.ErrorList
	f := make(windowsForm, len(specs))
	for i := range specs {
		w, more := parseWindow(&specs[i], path.Index(i))
		f[i], errs = w, append(errs, more...)
	}
	return f, errs
}

func parseWindow(spec *v1alpha1.Window, path *field.Path) (window, field.ErrorList) {
	days, errs := parseDayItems(spec.Days, path.Child("days"))
	if len(spec.Days) == 0 {
		errs = append(errs, field.Required(path.Child("days"), "a window must start on some day"))
	}
	w := window{days: days, endDay: -1}
	var err error
	if w.start, err = parseStart(spec.Start); err != nil {
		errs = append(errs, field.Invalid(path.Child("start"), shortened(spec.Start), err.Error()))
	}
	if w.end, err = parseEnd(spec.End); err != nil {
		errs = append(errs, field.Invalid(path.Child("end"), shortened(spec.End), err.Error()))
	}
	if spec.EndDay != nil {
		var ok bool
		if w.endDay, ok = weekday(string(*spec.EndDay)); !ok {
			given := v1alpha1.Weekday(shortened(string(*spec.EndDay)))
			errs = append(errs, field.NotSupported(path.Child("endDay"), given, weekdayKeys[:]))
		}
	}
	return w, errs
}

// length returns how long the window that starts on the day lasts, in seconds of
// local time: until the next time that the clock, and the day where one is given,
// show its end.
func (w window) length(day int) int64 {
	if w.endDay < 0 {
		if w.end > w.start {
			return w.end - w.start
		}
		return w.end + secondsPerDay - w.start
	}
	length := int64((w.endDay-day+7)%7)*secondsPerDay + w.end - w.start
	if length <= 0 {
		length += secondsPerWeek
	}
	return length
}

func (f windowsForm) rule(z zone) rule {
	var spans []civilSpan
	for _, w := range f {
		for day := range 7 {
			if w.days.has(day) {
				start := int64(day)*secondsPerDay + w.start
				spans = append(spans, civilSpan{start: start, end: start + w.length(day)})
			}
		}
	}
	return newWeekly(z, spans)
}

func (f windowsForm) text() []string {
	parts := make([]string, len(f))
	for i, w := range f {
		end := ""
		if w.endDay >= 0 {
			end = weekdayNames[w.endDay] + " "
		}
		parts[i] = fmt.Sprintf("%s %s-%s%s", w.days, clockText(w.start), end, clockText(w.end))
	}
	return parts
}

// clockText writes seconds of the day as HH:MM.
func clockText(second int64) string {
	return fmt.Sprintf("%02d:%02d", second/secondsPerHour, second%secondsPerHour/secondsPerMinute)
}
