package schedule

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/finos/five-spot/api/v1alpha1"
)

const (
	minCron = 6
	maxCron = 256
)

var (
	errCronLength = errors.New("must be 6 to 256 characters")
	errCronMacro  = errors.New("must be one of @yearly, @annually, @monthly, @weekly, @daily, @midnight and @hourly, or five cron fields")
	errCronFields = errors.New("must be five fields separated by blanks (minute, hour, day of month, month, day of week) or a macro such as @daily; other zones than the schedule's are not possible")
	errCronItem   = errors.New("must list values, ranges or steps such as 5, 1-5 or */15 in each field, separated by single commas")
	errCronMinute = errors.New("without duration must have * or one value in its minute field; give a duration for anything else")
	errCronNever  = errors.New("must activate some time: no month has such a day")
	errCronSpan   = errors.New("must be longer than 0s")
)

var (
	cronMacros = []string{"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}

	// cronPattern holds back whatever else the cron library would understand, such
	// as zones and intervals.
	cronPattern     = regexp.MustCompile(`^[ \t]*[0-9*/,?-]+[ \t]+[0-9*/,?-]+[ \t]+[0-9*/,?-]+[ \t]+[0-9A-Za-z*/,?-]+[ \t]+[0-9A-Za-z*/,?-]+[ \t]*$`)
	cronOneOrAll    = regexp.MustCompile(`^([*]|[0-9]+)$`)
	cronItemPattern = regexp.MustCompile(`^([*?]|[0-9A-Za-z]+(-[0-9A-Za-z]+)?)(/[0-9]+)?$`)
)

// cronForm is a cron expression and how long a window it opens.
type cronForm struct {
	expression string
	times      cronTimes
	duration   time.Duration

	// civil is set where the duration was not given but follows from the expression.
	civil bool
}

func parseCronForm(spec *v1alpha1.Schedule, path *field.Path) (cronForm, field.ErrorList) {
	var errs field.ErrorList
	f := cronForm{civil: spec.Duration == nil}
	expression, times, err := parseCron(*spec.Cron)
	if err == nil && f.civil {
		f.duration, err = impliedDuration(expression)
	}
	if err != nil {
		errs = append(errs, field.Invalid(path.Child("cron"), shortened(*spec.Cron), err.Error()))
	}
	f.expression, f.times = expression, times
	if spec.Duration != nil {
		duration, more := parseCronDuration(*spec.Duration, path.Child("duration"))
		f.duration, errs = duration, append(errs, more...)
	}
	return f, errs
}

func parseCronDuration(text v1alpha1.Duration, path *field.Path) (time.Duration, field.ErrorList) {
	duration, err := text.Parse()
	if err == nil && duration == 0 {
		err = errCronSpan
	}
	if err != nil {
		return 0, field.ErrorList{field.Invalid(path, shortened(string(text)), err.Error())}
	}
	return duration, nil
}

// parseCron returns the expression with single blanks, and its times.
func parseCron(text string) (string, cronTimes, error) {
	fields, err := cronFields(text)
	if err != nil {
		return "", cronTimes{}, err
	}
	expression := strings.Join(fields, " ")
	parsed, err := cron.ParseStandard(expression)
	if err != nil {
		return "", cronTimes{}, fmt.Errorf("must be a cron expression (days of the week are 0-6 from Sunday): %s", shortened(err.Error()))
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return "", cronTimes{}, errCronMacro
	}
	times := newCronTimes(spec)
	if !times.fires() {
		return "", cronTimes{}, errCronNever
	}
	return expression, times, nil
}

// cronFields splits the text into five fields, or returns a macro alone.
func cronFields(text string) ([]string, error) {
	switch {
	case len(text) < minCron || len(text) > maxCron:
		return nil, errCronLength
	case slices.Contains(cronMacros, text):
		return []string{text}, nil
	case text[0] == '@':
		return nil, errCronMacro
	case !cronPattern.MatchString(text):
		return nil, errCronFields
	}
	fields := strings.Fields(text)
	for _, f := range fields {
		for item := range strings.SplitSeq(f, ",") {
			if !cronItemPattern.MatchString(item) {
				return nil, errCronItem
			}
		}
	}
	return fields, nil
}

// newCronTimes takes the fields of the cron library and clears its mark for *,
// which matters for the two day fields only.
func newCronTimes(spec *cron.SpecSchedule) cronTimes {
	const star = 1 << 63
	return cronTimes{
		minutes:  spec.Minute &^ star,
		hours:    spec.Hour &^ star,
		days:     spec.Dom &^ star,
		months:   spec.Month &^ star,
		weekdays: spec.Dow &^ star,
		anyDay:   spec.Dom&star != 0 || spec.Dow&star != 0,
	}
}

// impliedDuration returns how long the window of an expression without duration
// is: a minute where it activates every minute, an hour where it activates once in
// an hour.
func impliedDuration(expression string) (time.Duration, error) {
	minute, _, _ := strings.Cut(expression, " ")
	switch {
	case minute == "*":
		return time.Minute, nil
	case minute[0] == '@' || cronOneOrAll.MatchString(minute):
		return time.Hour, nil
	default:
		return 0, errCronMinute
	}
}

func (f cronForm) rule(z zone) rule {
	return newCronRule(z, f.times, int64(f.duration/time.Second), f.civil)
}

func (f cronForm) text() []string {
	return []string{fmt.Sprintf("cron %q for %s", f.expression, lengthText(f.duration))}
}
