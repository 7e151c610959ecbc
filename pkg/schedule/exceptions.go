package schedule

import (
	"slices"
)

// exception is a span of instants [start, end) with a fixed state.
type exception struct {
	start, end int64
	active     bool
	reason     string
}

// exceptions are sorted and do not overlap.
type exceptions []exception

// add inserts those parts of x that no present exception covers, so that earlier
// ones win.
func (e exceptions) add(x exception) exceptions {
	for i := e.after(x.start); x.start < x.end; i++ {
		if i == len(e) || e[i].start >= x.end {
			return slices.Insert(e, i, x)
		}
		if e[i].start > x.start {
			part := x
			part.end = e[i].start
			e = slices.Insert(e, i, part)
		}
		x.start = e[i].end
	}
	return e
}

// after returns the index of the first exception that ends after t.
func (e exceptions) after(t int64) int {
	i, _ := slices.BinarySearchFunc(e, t, func(x exception, t int64) int {
		if x.end > t {
			return 1
		}
		return -1
	})
	return i
}

// around returns the exception that t lies in, or else the bounds of the free
// time around t.
func (e exceptions) around(t int64) (in *exception, from, to int64) {
	from, to = ever, never
	i := e.after(t)
	if i < len(e) {
		if e[i].start <= t {
			return &e[i], e[i].start, e[i].end
		}
		to = e[i].start
	}
	if i > 0 {
		from = e[i-1].end
	}
	return nil, from, to
}
