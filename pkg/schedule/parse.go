package schedule

import (
	"errors"
	"regexp"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/finos/five-spot/api/v1alpha1"
)

const (
	maxLeadTime     = 2 * time.Hour
	maxReason       = 256
	maxZoneName     = 64
	maxCalendarName = 253
)

var (
	errLeadTime = errors.New("must be at most 2h")

	zonePattern     = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+\-/]*$`)
	calendarPattern = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
)

// Parse compiles a schedule, or returns every error in it with the path of the
// field below path. It accepts what the ScheduledMachine CRD accepts, save what the
// CRD cannot judge: cron expressions that mean nothing or never activate. The
// schedule does not obey spec.calendarRef until WithCalendar gives it one, and
// spec.enabled is none of its business. Errors repeat at most 64 bytes of a value
// and escape control characters.
func Parse(spec *v1alpha1.Schedule, path *field.Path) (*Schedule, field.ErrorList) {
	if spec == nil {
		return nil, field.ErrorList{field.Required(path, "a schedule must be given")}
	}
	z, errs := parseZone(spec.Timezone, path.Child("timezone"))
	s := &Schedule{override: override{from: ever, until: ever}}

	f, more := parseForm(spec, path)
	errs = append(errs, more...)
	s.own, more = parseExceptions(spec.Exceptions, maxExceptions, z, path.Child("exceptions"))
	errs = append(errs, more...)
	s.lead, more = parseLeadTime(spec.LeadTime, path.Child("leadTime"))
	errs = append(errs, more...)
	if spec.Override != nil {
		s.override, more = parseOverride(spec.Override, path.Child("override"))
		errs = append(errs, more...)
	}
	errs = append(errs, checkCalendarRef(spec.CalendarRef, path.Child("calendarRef"))...)
	if len(errs) > 0 {
		return nil, errs
	}
	s.rule = f.rule(z)
	s.text = line(f.text(), z.location.String())
	return s, nil
}

// parseZone returns UTC for an empty name and beside an error.
func parseZone(name string, path *field.Path) (zone, field.ErrorList) {
	if len(name) <= maxZoneName && name != "Local" && (name == "" || zonePattern.MatchString(name)) {
		if z, err := loadZone(name); err == nil {
			return z, nil
		}
	}
	return newZone(time.UTC), field.ErrorList{
		field.Invalid(path, shortened(name), "must be an IANA time zone such as Europe/Berlin"),
	}
}

// parseLeadTime returns seconds.
func parseLeadTime(text v1alpha1.Duration, path *field.Path) (int64, field.ErrorList) {
	if text == "" {
		return 0, nil
	}
	lead, err := text.Parse()
	if err == nil && lead > maxLeadTime {
		err = errLeadTime
	}
	if err != nil {
		return 0, field.ErrorList{field.Invalid(path, shortened(string(text)), err.Error())}
	}
	return int64(lead / time.Second), nil
}

func parseOverride(spec *v1alpha1.ScheduleOverride, path *field.Path) (override, field.ErrorList) {
	active, errs := parseState(spec.State, path.Child("state"))
	if spec.Until.IsZero() {
		errs = append(errs, field.Required(path.Child("until"), "an override must end"))
	}
	errs = append(errs, checkReason(spec.Reason, path.Child("reason"))...)
	return override{from: ever, until: spec.Until.Unix(), active: active, reason: spec.Reason}, errs
}

func parseState(state v1alpha1.ScheduleState, path *field.Path) (active bool, errs field.ErrorList) {
	switch state {
	case v1alpha1.ScheduleActive:
		return true, nil
	case v1alpha1.ScheduleInactive:
		return false, nil
	case "":
		return false, field.ErrorList{field.Required(path, "must be Active or Inactive")}
	default:
		valid := []v1alpha1.ScheduleState{v1alpha1.ScheduleActive, v1alpha1.ScheduleInactive}
		return false, field.ErrorList{field.NotSupported(path, v1alpha1.ScheduleState(shortened(string(state))), valid)}
	}
}

func checkReason(reason string, path *field.Path) field.ErrorList {
	if utf8.RuneCountInString(reason) <= maxReason {
		return nil
	}
	return field.ErrorList{field.TooLongCharacters(path, reason, maxReason)}
}

func checkCalendarRef(ref *v1alpha1.CalendarReference, path *field.Path) field.ErrorList {
	if ref == nil || len(ref.Name) <= maxCalendarName && calendarPattern.MatchString(ref.Name) {
		return nil
	}
	return field.ErrorList{field.Invalid(path.Child("name"), shortened(ref.Name),
		"must be the name of a MachineCalendar: lower case letters, digits, - and ., at most 253 characters")}
}
