package schedule

import (
	"cmp"
	"slices"
)

// rule is the part of a schedule that recurs.
type rule interface {
	// active is whether the rule is active at t.
	active(t int64) bool

	// until returns the first instant after t at which active changes, or never.
	until(t int64) int64

	// since returns the instant at which the active stretch began that t lies in,
	// or ever. It is meaningless where the rule is not active.
	since(t int64) int64
}

// civilSpan is a span of local time [start, end) in seconds from Monday 00:00.
type civilSpan struct {
	start, end int64
}

// weekly is a rule that repeats every week of local time.
type weekly struct {
	zone zone

	// spans start within the week, are sorted and neither touch nor overlap; the
	// last may run into the next week. No spans stand for the whole week.
	spans []civilSpan
}

// newWeekly merges the spans, which start within the week and last at most a week.
func newWeekly(z zone, spans []civilSpan) *weekly {
	slices.SortFunc(spans, func(a, b civilSpan) int { return cmp.Compare(a.start, b.start) })
	merged := spans[:1]
	for _, s := range spans[1:] {
		if last := &merged[len(merged)-1]; s.start <= last.end {
			last.end = max(last.end, s.end)
		} else {
			merged = append(merged, s)
		}
	}
	last := &merged[len(merged)-1]
	for len(merged) > 1 && merged[0].start+secondsPerWeek <= last.end {
		last.end = max(last.end, merged[0].end+secondsPerWeek)
		merged = merged[1:]
	}
	if last.end-last.start >= secondsPerWeek {
		return &weekly{zone: z}
	}
	return &weekly{zone: z, spans: slices.Clone(merged)}
}

func (w *weekly) always() bool { return len(w.spans) == 0 }

func (w *weekly) active(t int64) bool {
	if w.always() {
		return true
	}
	s := w.zone.at(t)
	lowest, highest := t+s.offset, t+s.offset
	if !s.quiet(t, maxShift) {
		lowest, highest = w.zone.lowest(t), w.zone.highest(t)
	}
	o := w.after(lowest)
	start, end := w.local(o)
	if lowest == highest {
		return start <= lowest
	}
	// In a repeat a window may hold t although it does not hold its local time: when
	// it holds an earlier and a later instant.
	for start <= highest {
		if from, to, ok := w.zone.span(start, end); ok && from <= t && t < to {
			return true
		}
		o = w.next(o)
		start, end = w.local(o)
	}
	return false
}

func (w *weekly) until(t int64) int64 {
	if w.always() {
		return never
	}
	end := int64(ever)
	for o := w.after(w.zone.lowest(t)); ; o = w.next(o) {
		from, to, ok := w.zone.span(w.local(o))
		switch {
		case !ok || to <= t:
		case end == ever && from > t:
			return from
		case end != ever && from > end:
			return end
		default:
			end = max(end, to)
		}
	}
}

func (w *weekly) since(t int64) int64 {
	if w.always() {
		return ever
	}
	start := t
	for o := w.before(w.zone.highest(t)); ; o = w.previous(o) {
		from, to, ok := w.zone.span(w.local(o))
		switch {
		case !ok || from > t:
		case to < start:
			return start
		default:
			start = min(start, from)
		}
	}
}

// occurrence is one of the spans in one week; week 0 begins on Monday 1970-01-05.
type occurrence struct {
	week int64
	span int
}

// weekZero is the local time at which week 0 begins.
const weekZero = 4 * secondsPerDay

// local returns the local time of the occurrence.
func (w *weekly) local(o occurrence) (start, end int64) {
	base := weekZero + o.week*secondsPerWeek
	return base + w.spans[o.span].start, base + w.spans[o.span].end
}

func (w *weekly) next(o occurrence) occurrence {
	if o.span++; o.span == len(w.spans) {
		o = occurrence{week: o.week + 1}
	}
	return o
}

func (w *weekly) previous(o occurrence) occurrence {
	if o.span--; o.span < 0 {
		o = occurrence{week: o.week - 1, span: len(w.spans) - 1}
	}
	return o
}

// after returns the first occurrence that ends after the local time.
func (w *weekly) after(local int64) occurrence {
	week := floorDiv(local-weekZero, secondsPerWeek)
	second := local - weekZero - week*secondsPerWeek
	if last := len(w.spans) - 1; w.spans[last].end > second+secondsPerWeek {
		return occurrence{week: week - 1, span: last}
	}
	i, _ := slices.BinarySearchFunc(w.spans, second, func(s civilSpan, second int64) int {
		if s.end > second {
			return 1
		}
		return -1
	})
	if i == len(w.spans) {
		return occurrence{week: week + 1}
	}
	return occurrence{week: week, span: i}
}

// before returns the last occurrence that starts at or before the local time.
func (w *weekly) before(local int64) occurrence {
	o := w.after(local)
	if start, _ := w.local(o); start > local {
		return w.previous(o)
	}
	return o
}
