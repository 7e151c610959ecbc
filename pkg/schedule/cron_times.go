package schedule

import (
	"math/bits"
	"time"
)

const (
	minutesPerHour = 60
	minutesPerDay  = 24 * minutesPerHour

	// cronSearch is how far ahead the next activation can be: from one 29 February
	// to the next it is eight years where a century is no leap year.
	cronSearch = 9 * 366 * secondsPerDay
)

// cronTimes are the local minutes at which a cron expression activates, as one bit
// for each value that a field may have.
type cronTimes struct {
	minutes, hours, days, months, weekdays uint64

	// anyDay is set where one of the two day fields is *: then both must match,
	// otherwise one is enough.
	anyDay bool
}

const (
	allDays     = 1<<32 - 1<<1
	allMonths   = 1<<13 - 1<<1
	allWeekdays = 1<<7 - 1
)

// everyDay is whether the expression activates on each day of the year.
func (c *cronTimes) everyDay() bool {
	days, weekdays := c.days == allDays, c.weekdays == allWeekdays
	if c.months != allMonths {
		return false
	}
	if c.anyDay {
		return days && weekdays
	}
	return days || weekdays
}

// fires is whether there is any day on which the expression activates. 30 February
// is none.
func (c *cronTimes) fires() bool {
	if c.minutes == 0 || c.hours == 0 || c.months == 0 || c.weekdays == 0 {
		return false
	}
	if !c.anyDay {
		return true
	}
	for month := time.January; month <= time.December; month++ {
		const leapYear = 2000
		length := time.Date(leapYear, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
		if c.months&(1<<month) != 0 && c.days&(2<<length-1) != 0 {
			return true
		}
	}
	return false
}

// onDay is whether the expression activates on the day.
func (c *cronTimes) onDay(day time.Time) bool {
	if c.months&(1<<day.Month()) == 0 {
		return false
	}
	inMonth := c.days&(1<<day.Day()) != 0
	inWeek := c.weekdays&(1<<day.Weekday()) != 0
	if c.anyDay {
		return inMonth && inWeek
	}
	return inMonth || inWeek
}

// latest returns the last activation from lowest to local.
func (c *cronTimes) latest(local, lowest int64) (int64, bool) {
	for local >= lowest {
		midnight := floorDiv(local, secondsPerDay) * secondsPerDay
		if c.onDay(date(midnight)) {
			if minute, ok := c.latestMinute((local - midnight) / secondsPerMinute); ok {
				activation := midnight + minute*secondsPerMinute
				return activation, activation >= lowest
			}
		}
		local = midnight - 1
	}
	return 0, false
}

// earliest returns the first activation at or after local, if there is any for the
// next nine years.
func (c *cronTimes) earliest(local int64) (int64, bool) {
	limit := local + cronSearch
	minute := floorDiv(local+secondsPerMinute-1, secondsPerMinute)
	for minute*secondsPerMinute < limit {
		midnight := floorDiv(minute, minutesPerDay) * minutesPerDay
		day := date(midnight * secondsPerMinute)
		if c.onDay(day) {
			if m, ok := c.earliestMinute(minute - midnight); ok {
				return (midnight + m) * secondsPerMinute, true
			}
		}
		minute = midnight + minutesPerDay
		if c.months&(1<<day.Month()) == 0 {
			minute = time.Date(day.Year(), day.Month()+1, 1, 0, 0, 0, 0, time.UTC).Unix() / secondsPerMinute
		}
	}
	return 0, false
}

// latestMinute returns the last activation of a day at or before the minute of
// that day.
func (c *cronTimes) latestMinute(minute int64) (int64, bool) {
	hour := minute / minutesPerHour
	if c.hours&(1<<hour) != 0 {
		if m := c.minutes & (2<<(minute%minutesPerHour) - 1); m != 0 {
			return hour*minutesPerHour + highestBit(m), true
		}
	}
	earlier := c.hours & (1<<hour - 1)
	if earlier == 0 {
		return 0, false
	}
	return highestBit(earlier)*minutesPerHour + highestBit(c.minutes), true
}

// earliestMinute returns the first activation of a day at or after the minute of
// that day.
func (c *cronTimes) earliestMinute(minute int64) (int64, bool) {
	hour := minute / minutesPerHour
	if c.hours&(1<<hour) != 0 {
		if m := c.minutes &^ (1<<(minute%minutesPerHour) - 1); m != 0 {
			return hour*minutesPerHour + lowestBit(m), true
		}
	}
	later := c.hours &^ (2<<hour - 1)
	if later == 0 {
		return 0, false
	}
	return lowestBit(later)*minutesPerHour + lowestBit(c.minutes), true
}

func highestBit(mask uint64) int64 { return int64(bits.Len64(mask)) - 1 }

func lowestBit(mask uint64) int64 { return int64(bits.TrailingZeros64(mask)) }
