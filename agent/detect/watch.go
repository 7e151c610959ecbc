//go:build linux

package detect

import (
	"time"

	"golang.org/x/sys/unix"
)

// watch is what is done between two calls of Arm.
type watch struct {
	*Detector
	arming *arming
	look   *look

	// from is nil in ModePoll.
	from source
	// lost is how often changes were lost since all processes were looked at.
	lost int

	used   []change
	looked map[int]struct{}
}

// scan looks at all processes, and between them at what the kernel tells, so that it can
// take its time. A loss that it comes to know of is left to catchUp, which follows.
func (w *watch) scan(cause Cause) {
	start := w.busy()
	n, err := w.look.all(func(pid int, pattern string) { w.tell(pid, pattern, 0) }, w.changes)
	took := w.idle().Sub(start)
	w.fail(err)
	if err == nil {
		w.Observer.Scanned(cause, n, took)
	}
}

// catchUp looks at what the kernel tells.
func (w *watch) catchUp() {
	w.busy()
	w.changes()
	w.idle()
	if w.lost > 0 {
		w.Log.Info("The kernel lost events, looking at all processes", "times", w.lost)
		w.Observer.Lost(w.lost)
		w.lost = 0
		w.scan(CauseLost)
	}
}

// changes looks at the processes that the kernel told of. One look is enough for all
// changes of a process up to now.
func (w *watch) changes() {
	if w.from == nil {
		return
	}
	changes, lost := w.from.changes().take(w.used)
	w.used = changes
	w.lost += lost
	if n := w.from.received(); n > 0 {
		w.Observer.Received(n)
	}
	clear(w.looked)
	for _, c := range changes {
		if _, ok := w.looked[c.pid]; ok {
			continue
		}
		w.looked[c.pid] = struct{}{}
		if pattern, ok := w.look.at(c.pid); ok {
			w.tell(c.pid, pattern, since(c.at))
		}
	}
}

// tell tells of a process that matches, unless something else is looked for by now.
func (w *watch) tell(pid int, pattern string, latency time.Duration) {
	f := Found{PID: pid, Pattern: pattern, At: w.Clock.Now()}
	if w.send(f) {
		w.Observer.Matched(f, latency)
	}
}

func (w *watch) send(f Found) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.Detector.arming != w.arming {
		return false
	}
	select {
	case w.found <- f:
	default:
		// Who is to read has enough of them.
	}
	return true
}

func (w *watch) busy() time.Time {
	now := w.Clock.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busySince = now
	return now
}

func (w *watch) idle() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busySince = time.Time{}
	return w.Clock.Now()
}

// since is how long ago an instant of the kernel's monotonic clock was.
func since(at uint64) time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0
	}
	return max(0, time.Duration(now.Nano()-int64(at))) //nolint:gosec // It counts since the machine was started.
}
