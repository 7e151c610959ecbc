package schedule

import "time"

const (
	secondsPerMinute = 60
	secondsPerHour   = 60 * secondsPerMinute
	secondsPerDay    = 24 * secondsPerHour
	secondsPerWeek   = 7 * secondsPerDay

	// ever and never are instants before and after all others. They are far enough
	// from the ends of int64 that adding a few years does not overflow.
	ever  = -1 << 60
	never = 1 << 60

	// maxOffset is more than any zone was ever away from UTC.
	maxOffset = 16 * secondsPerHour

	// maxShift is more than any zone ever turned its clocks back at once: two
	// crossed the date line and repeated a day.
	maxShift = 26 * secondsPerHour
)

// zone resolves local civil time, in seconds since 1970-01-01 00:00 on the wall
// clock, to instants, in Unix seconds.
type zone struct {
	location *time.Location

	// table holds the stretches of the years in which schedules are evaluated,
	// sorted and without a hole, because the standard library works them out anew
	// each time that it is asked. It never changes.
	table []stretch
}

// stretch is a span of instants [start, end) during which a zone's offset does
// not change. Neighbours may have the same offset.
type stretch struct {
	start, end, offset int64
}

// at returns the stretch that t lies in.
func (z zone) at(t int64) stretch {
	low, high := 0, len(z.table)
	if high == 0 || t < z.table[0].start || t >= z.table[high-1].end {
		return stretchAt(z.location, t)
	}
	for high-low > 1 {
		middle := (low + high) / 2
		if z.table[middle].start <= t {
			low = middle
		} else {
			high = middle
		}
	}
	return z.table[low]
}

// quiet is whether no clock change is within margin seconds of t, so that local
// civil time runs evenly there.
func (s stretch) quiet(t, margin int64) bool {
	return t-s.start >= margin && s.end-t >= margin
}

// highest returns the latest local time that any instant up to t has shown.
func (z zone) highest(t int64) int64 {
	s := z.at(t)
	local := t + s.offset
	for start := s.start; t-start < maxShift; start = s.start {
		s = z.at(start - 1)
		local = max(local, start-1+s.offset)
	}
	return local
}

// lowest returns the earliest local time that any instant from t on shows.
func (z zone) lowest(t int64) int64 {
	s := z.at(t)
	local := t + s.offset
	for end := s.end; end-t < maxShift; end = s.end {
		s = z.at(end)
		local = min(local, end+s.offset)
	}
	return local
}

// reached returns the first instant that shows the local time or a later one: in
// a gap the instant of the gap, in a repeat the first occurrence.
func (z zone) reached(local int64) int64 {
	for s := z.at(local - maxOffset); ; s = z.at(s.end) {
		if t := max(s.start, local-s.offset); t < s.end {
			return t
		}
	}
}

// span returns the smallest interval of instants that contains every instant
// whose local time lies in [start, end), and false when there is none because a
// gap swallows it.
func (z zone) span(start, end int64) (from, to int64, ok bool) {
	for s := z.at(start - maxOffset); ; s = z.at(s.end) {
		from = max(s.start, start-s.offset)
		if from < min(s.end, end-s.offset) {
			break
		}
		if s.end >= end+maxOffset {
			return 0, 0, false
		}
	}
	for s := z.at(end + maxOffset); ; s = z.at(s.start - 1) {
		to = min(s.end, end-s.offset)
		if to > max(s.start, start-s.offset) {
			return from, to, true
		}
	}
}

// floorDiv divides and rounds towards negative infinity.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
