package metrics

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Sample is what one observation of a ScheduledMachine says about its time.
type Sample struct {
	// At is the instant of the observation.
	At time.Time

	// Up is whether the Machine runs with a Ready Node.
	Up bool

	// Scheduled is whether the schedule is active, and WindowStart and WindowEnd the
	// active span that At lies in; zero where it is not known or has no end in sight.
	Scheduled              bool
	WindowStart, WindowEnd time.Time
}

// accumulate tells for how long a machine was up and scheduled between two
// observations. Whether it was up changes by events, each of which is observed, so
// the earlier sample holds until the later one. Whether it was scheduled changes
// at boundaries, which are known exactly, however late they were observed.
func accumulate(last, now Sample) (up, scheduled time.Duration) {
	elapsed := now.At.Sub(last.At)
	if elapsed <= 0 {
		return 0, 0
	}
	if last.Up {
		up = elapsed
	}
	if sameWindow(last, now) {
		return up, elapsed
	}
	rest := restOfWindow(last, now.At)
	return up, rest + beginOfWindow(now, last.At.Add(rest))
}

// restOfWindow is for how long the window of a sample went on until now.
func restOfWindow(last Sample, now time.Time) time.Duration {
	if !last.Scheduled {
		return 0
	}
	end := now
	if !last.WindowEnd.IsZero() && last.WindowEnd.Before(end) {
		end = last.WindowEnd
	}
	return max(0, end.Sub(last.At))
}

// beginOfWindow is for how long the window of a sample has been open, not counting
// the time before from.
func beginOfWindow(now Sample, from time.Time) time.Duration {
	if !now.Scheduled || now.WindowStart.IsZero() {
		return 0
	}
	if now.WindowStart.After(from) {
		from = now.WindowStart
	}
	return max(0, now.At.Sub(from))
}

// sameWindow is whether both samples are of one active span. Its end may have been
// edited meanwhile.
func sameWindow(last, now Sample) bool {
	return last.Scheduled && now.Scheduled && last.WindowStart.Equal(now.WindowStart)
}

// spans remembers the last sample of each object. It starts anew with the process:
// time for which nobody looked is not counted.
type spans struct {
	lock sync.Mutex
	last map[types.UID]Sample
}

func newSpans() *spans { return &spans{last: map[types.UID]Sample{}} }

func (s *spans) observe(uid types.UID, now Sample) (up, scheduled time.Duration) {
	s.lock.Lock()
	defer s.lock.Unlock()
	last, ok := s.last[uid]
	s.last[uid] = now
	if !ok {
		return 0, 0
	}
	return accumulate(last, now)
}

func (s *spans) forget(uid types.UID) {
	s.lock.Lock()
	defer s.lock.Unlock()
	delete(s.last, uid)
}

// Observed adds the time since the object's last observation to the uptime and the
// scheduled time.
func (m *Metrics) Observed(uid types.UID, now Sample) {
	up, scheduled := m.spans.observe(uid, now)
	m.uptime.Add(up.Seconds())
	m.scheduledTime.Add(scheduled.Seconds())
}

// Forget drops what is known of an object that is gone or belongs to another
// instance.
func (m *Metrics) Forget(uid types.UID) { m.spans.forget(uid) }
