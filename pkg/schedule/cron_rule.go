package schedule

import (
	"slices"
	"time"
)

// cronHorizon is how long a cron rule may stay active without a break before it is
// taken to stay so for ever. It spans a year with all its clock changes, and more
// than any break of a rule that does not hold every day.
const cronHorizon = 400 * secondsPerDay

// cronRule is active for some time after each activation of a cron expression.
type cronRule struct {
	zone  zone
	times cronTimes

	// duration is how long a window stays open after its activation, in seconds of
	// elapsed time.
	duration int64

	// civil is set where duration is also a span of local time: when the clocks are
	// turned back the window then stays open until the span has ended for the last
	// time, so that a rule for every minute or hour has no hole in it.
	civil bool

	// runs are the activations of one day, joined where one follows the other
	// within duration.
	runs []minuteRun

	// unbroken is set where the runs of all days are joined.
	unbroken bool
}

// minuteRun is a run of activations, in minutes of the day, both ends included.
type minuteRun struct {
	first, last int64
}

func newCronRule(z zone, times cronTimes, duration int64, civil bool) *cronRule {
	c := &cronRule{zone: z, times: times, duration: duration, civil: civil}
	for minute := int64(0); ; minute++ {
		next, ok := times.earliestMinute(minute)
		if !ok {
			break
		}
		if n := len(c.runs); n > 0 && (next-c.runs[n-1].last)*secondsPerMinute <= duration {
			c.runs[n-1].last = next
		} else {
			c.runs = append(c.runs, minuteRun{first: next, last: next})
		}
		minute = next
	}
	overnight := (c.runs[0].first-c.runs[0].last)*secondsPerMinute + secondsPerDay
	c.unbroken = len(c.runs) == 1 && overnight <= duration && times.everyDay()
	return c
}

func (c *cronRule) active(t int64) bool {
	s := c.zone.at(t)
	if local := t + s.offset; s.quiet(t, c.reach()) {
		activation, ok := c.times.latest(local, local-c.duration)
		return ok && local < activation+c.duration
	}
	_, end := c.present(t)
	return t < end
}

// reach is how far back in local time an activation can lie whose window is open.
func (c *cronRule) reach() int64 { return c.duration + maxShift }

// present returns the last activation up to t, in local time, and when its window
// ends; ever when it was so long ago that it does not matter.
func (c *cronRule) present(t int64) (activation, end int64) {
	highest := c.zone.highest(t)
	activation, ok := c.times.latest(highest, highest-c.reach())
	if !ok {
		return highest, ever
	}
	return activation, c.end(activation)
}

// end returns the instant at which the window of an activation closes. A later
// activation's window never closes earlier.
func (c *cronRule) end(activation int64) int64 {
	end := c.zone.reached(activation) + c.duration
	if c.civil {
		if _, to, ok := c.zone.span(activation, activation+c.duration); ok {
			end = max(end, to)
		}
	}
	return end
}

func (c *cronRule) until(t int64) int64 {
	activation, end := c.present(t)
	if end <= t {
		next, ok := c.times.earliest(c.zone.highest(t) + 1)
		if !ok {
			return never
		}
		return c.zone.reached(next)
	}
	for {
		activation = c.lastOfRun(activation)
		end = c.end(activation)
		if end > t+cronHorizon {
			return never
		}
		next, ok := c.times.earliest(activation + secondsPerMinute)
		if !ok || c.zone.reached(next) > end {
			return end
		}
		activation = next
	}
}

func (c *cronRule) since(t int64) int64 {
	activation, _ := c.present(t)
	for {
		activation = c.firstOfRun(activation)
		start := c.zone.reached(activation)
		if start < t-cronHorizon {
			return ever
		}
		before := activation - secondsPerMinute
		previous, ok := c.times.latest(before, before-c.reach())
		if !ok || c.end(previous) < start {
			return start
		}
		activation = previous
	}
}

// lastOfRun returns the last activation that is joined with the given one and
// happens before the next clock change. It saves walking a run minute by minute.
func (c *cronRule) lastOfRun(activation int64) int64 {
	s := c.zone.at(c.zone.reached(activation))
	last := min(activation+cronHorizon, s.end+s.offset-1)
	if !c.unbroken {
		run, midnight := c.run(activation)
		last = min(last, midnight+run.last*secondsPerMinute)
	}
	last, _ = c.times.latest(last, activation)
	return last
}

// firstOfRun is lastOfRun backwards.
func (c *cronRule) firstOfRun(activation int64) int64 {
	s := c.zone.at(c.zone.reached(activation))
	first := activation - cronHorizon
	if s.start > ever {
		first = max(first, s.start+c.zone.at(s.start-1).offset)
	}
	if !c.unbroken {
		run, midnight := c.run(activation)
		first = max(first, midnight+run.first*secondsPerMinute)
	}
	first, _ = c.times.earliest(first)
	return first
}

// run returns the run that an activation belongs to, and the midnight before it.
func (c *cronRule) run(activation int64) (run minuteRun, midnight int64) {
	midnight = floorDiv(activation, secondsPerDay) * secondsPerDay
	minute := (activation - midnight) / secondsPerMinute
	i, found := slices.BinarySearchFunc(c.runs, minute, func(r minuteRun, minute int64) int {
		return int(r.first - minute)
	})
	if !found {
		i--
	}
	return c.runs[i], midnight
}

// date returns the civil date of a local time.
func date(local int64) time.Time {
	return time.Unix(local, 0).UTC()
}
