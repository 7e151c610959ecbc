package schedule

import (
	"errors"
	"slices"
	"strings"

	"github.com/finos/five-spot/api/v1alpha1"
)

const (
	maxDayRange  = 64
	maxHourRange = 128
)

var (
	errDays  = errors.New("must be days of the week or ranges of them in lower case, such as mon, mon-fri or mon-wed,fri-sun")
	errHours = errors.New("must be hours from 0 to 23 or ranges of them, such as 9, 9-17 or 0-9,18-23")
	errStart = errors.New("must be a local time from 00:00 to 23:59, such as 09:30")
	errEnd   = errors.New("must be a local time from 00:00 to 24:00, such as 17:30")
)

// daySet has one bit for each day, from Monday.
type daySet uint32

const everyWeekday daySet = 1<<7 - 1

func (d daySet) has(day int) bool { return d&(1<<day) != 0 }

// hourSet has one bit for each hour.
type hourSet uint32

func (h hourSet) has(hour int) bool { return h&(1<<hour) != 0 }

// parseDays reads a list such as mon-wed,fri.
func parseDays(text string) (daySet, error) {
	mask, ok := parseRanges(text, maxDayRange, 7, weekday)
	if !ok {
		return 0, errDays
	}
	return daySet(mask), nil
}

// parseHours reads a list such as 0-9,18-23.
func parseHours(text string) (hourSet, error) {
	mask, ok := parseRanges(text, maxHourRange, 24, hour)
	if !ok {
		return 0, errHours
	}
	return hourSet(mask), nil
}

// parseRanges reads a comma-separated list of values and of ranges, which include
// both ends and wrap around after size values. Blanks around values are ignored.
func parseRanges(text string, maxLength, size int, value func(string) (int, bool)) (mask uint32, ok bool) {
	if len(text) > maxLength {
		return 0, false
	}
	for item := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(item, "-")
		first, ok := value(strings.Trim(low, " "))
		if !ok {
			return 0, false
		}
		last := first
		if isRange {
			if last, ok = value(strings.Trim(high, " ")); !ok {
				return 0, false
			}
		}
		for v := first; ; v = (v + 1) % size {
			mask |= 1 << v
			if v == last {
				break
			}
		}
	}
	return mask, true
}

func weekday(text string) (int, bool) {
	day := slices.Index(weekdayKeys[:], v1alpha1.Weekday(text))
	return day, day >= 0
}

func hour(text string) (int, bool) {
	if len(text) < 1 || len(text) > 2 {
		return 0, false
	}
	return number(text, 23)
}

// number reads decimal digits up to a largest value.
func number(text string, largest int) (int, bool) {
	n := 0
	for _, digit := range []byte(text) {
		if digit < '0' || digit > '9' {
			return 0, false
		}
		n = n*10 + int(digit-'0')
	}
	return n, n <= largest
}

// parseStart reads the time at which a window opens, in seconds of the day.
func parseStart(text string) (int64, error) {
	t, ok := clockTime(text)
	if !ok {
		return 0, errStart
	}
	return t, nil
}

// parseEnd reads the time at which a window closes, in seconds of the day.
func parseEnd(text string) (int64, error) {
	if text == "24:00" {
		return secondsPerDay, nil
	}
	t, ok := clockTime(text)
	if !ok {
		return 0, errEnd
	}
	return t, nil
}

// clockTime reads HH:MM.
func clockTime(text string) (int64, bool) {
	if len(text) != len("15:04") || text[2] != ':' {
		return 0, false
	}
	hours, ok := number(text[:2], 23)
	if !ok {
		return 0, false
	}
	minutes, ok := number(text[3:], 59)
	return int64(hours)*secondsPerHour + int64(minutes)*secondsPerMinute, ok
}
