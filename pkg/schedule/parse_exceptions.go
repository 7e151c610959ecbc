package schedule

import (
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/finos/five-spot/api/v1alpha1"
)

const (
	maxExceptions         = 100
	maxCalendarExceptions = 1000
)

// ParseCalendar compiles a calendar, or returns every error in it with the path of
// the field below path. The days of its exceptions are days in its own time zone.
func ParseCalendar(spec *v1alpha1.MachineCalendarSpec, path *field.Path) (*Calendar, field.ErrorList) {
	if spec == nil {
		return nil, field.ErrorList{field.Required(path, "a calendar must be given")}
	}
	z, errs := parseZone(spec.Timezone, path.Child("timezone"))
	compiled, more := parseExceptions(spec.Exceptions, maxCalendarExceptions, z, path.Child("exceptions"))
	if errs = append(errs, more...); len(errs) > 0 {
		return nil, errs
	}
	return &Calendar{exceptions: compiled}, nil
}

func parseExceptions(
	specs []v1alpha1.ScheduleException, limit int, z zone, path *field.Path,
) (exceptions, field.ErrorList) {
	if len(specs) > limit {
		return nil, field.ErrorList{field.TooMany(path, len(specs), limit)}
	}
	var (
		compiled exceptions
		errs     field.ErrorList
	)
	for i := range specs {
		x, more := parseException(&specs[i], z, path.Index(i))
		if errs = append(errs, more...); len(more) == 0 {
			compiled = compiled.add(x)
		}
	}
	return compiled, errs
}

// parseException returns an empty span for days that the zone never had.
func parseException(spec *v1alpha1.ScheduleException, z zone, path *field.Path) (exception, field.ErrorList) {
	from, errs := parseDate(spec.From, path.Child("from"))
	to, more := parseDate(spec.To, path.Child("to"))
	errs = append(errs, more...)
	if len(errs) == 0 && to.Before(from) {
		errs = append(errs, field.Invalid(path.Child("to"), spec.To, "must not be before from"))
	}
	active, more := parseState(spec.State, path.Child("state"))
	errs = append(errs, more...)
	errs = append(errs, checkReason(spec.Reason, path.Child("reason"))...)
	if len(errs) > 0 {
		return exception{}, errs
	}
	x := exception{active: active, reason: spec.Reason}
	x.start, x.end, _ = z.span(from.Unix(), to.Unix()+secondsPerDay)
	return x, nil
}

func parseDate(text string, path *field.Path) (time.Time, field.ErrorList) {
	day, err := time.Parse(time.DateOnly, text)
	if err != nil || len(text) != len(time.DateOnly) {
		return time.Time{}, field.ErrorList{field.Invalid(path, shortened(text), "must be a date such as 2026-12-24")}
	}
	return day, nil
}
