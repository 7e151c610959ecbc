package schedule

import (
	"time"
	// Time zones must not depend on what the image or the host brings along.
	_ "time/tzdata"

	"github.com/finos/five-spot/api/v1alpha1"
)

// Schedule is a compiled schedule. It does not change and may be used by many
// goroutines at once. It works in whole seconds; its zero value is not valid, use
// Parse.
type Schedule struct {
	rule     rule
	own      exceptions
	calendar exceptions
	override override
	lead     int64
	text     string
}

// override fixes the state from, as a rule ever, to before until. Without an override
// until is ever.
type override struct {
	from   int64
	until  int64
	active bool
	reason string
}

// Calendar is a compiled MachineCalendar. It does not change and may be shared by
// many schedules.
type Calendar struct {
	exceptions exceptions
}

// WithCalendar returns a schedule that obeys the calendar's exceptions too, where
// none of its own holds. They replace those of an earlier calendar; a nil calendar
// has none. s itself does not change.
func (s *Schedule) WithCalendar(c *Calendar) *Schedule {
	with := *s
	with.calendar = nil
	if c != nil {
		with.calendar = c.exceptions
	}
	return &with
}

// WithMaxOverride returns a schedule whose override counts for no longer than limit: from
// then before its end. Until then it does not, whenever it was written. A limit of 0 or
// less is none. s itself does not change.
func (s *Schedule) WithMaxOverride(limit time.Duration) *Schedule {
	with := *s
	with.override.from = ever
	if limit > 0 && s.override.until > ever {
		with.override.from = s.override.until - int64(limit/time.Second)
	}
	return &with
}

// Active is whether the schedule is active at now. Lead time does not count. It
// does not allocate.
func (s *Schedule) Active(now time.Time) bool {
	return s.at(now.Unix()).active
}

// Next returns the next change of Active after now, and false when there is none
// in sight. A change is found however far away it is, with one exception: a cron
// schedule that stays active without a break for more than 400 days is taken to
// stay so.
func (s *Schedule) Next(now time.Time) (Transition, bool) {
	c, ok := s.change(now.Unix())
	if !ok {
		return Transition{}, false
	}
	return c.transition(), true
}

// String returns the recurring rule as one line that people can read, such as
// "Mon-Fri 09:00-18:00 America/New_York", of at most 512 characters.
func (s *Schedule) String() string {
	return s.text
}

// verdict is what decides at an instant, and over which instants [start, end)
// around it the same layer of the schedule decides.
type verdict struct {
	start, end int64
	active     bool
	cause      v1alpha1.TransitionCause
	reason     string
}

// at returns what decides at t. The rule may change within the verdict's bounds.
func (s *Schedule) at(t int64) verdict {
	v := s.layer(t)
	if v.cause == v1alpha1.CauseWindow {
		v.active = s.rule.active(t)
	}
	return v
}

// layer returns what decides at t, in order of precedence; for the rule without
// its state.
func (s *Schedule) layer(t int64) verdict {
	if s.override.from <= t && t < s.override.until {
		return verdict{
			start: s.override.from, end: s.override.until,
			active: s.override.active, cause: v1alpha1.CauseOverride, reason: s.override.reason,
		}
	}
	own, from, to := s.own.around(t)
	if t < s.override.from {
		to = min(to, s.override.from)
	} else {
		from = max(from, s.override.until)
	}
	if own != nil {
		return verdict{start: from, end: to, active: own.active, cause: v1alpha1.CauseException, reason: own.reason}
	}
	calendar, calendarFrom, calendarTo := s.calendar.around(t)
	from, to = max(from, calendarFrom), min(to, calendarTo)
	if calendar != nil {
		return verdict{start: from, end: to, active: calendar.active, cause: v1alpha1.CauseCalendar, reason: calendar.reason}
	}
	return verdict{start: from, end: to, cause: v1alpha1.CauseWindow}
}

// change is a change of Active.
type change struct {
	at int64
	verdict

	// leadFrom is the earliest instant from which lead time may count: before it,
	// something other than the rule decides.
	leadFrom int64
}

func (c change) transition() Transition {
	return Transition{Time: time.Unix(c.at, 0).UTC(), Active: c.active, Cause: c.cause}
}

// change returns the next change of Active after t.
func (s *Schedule) change(t int64) (change, bool) {
	v := s.at(t)
	was, leadFrom := v.active, int64(ever)
	for {
		if v.cause == v1alpha1.CauseWindow {
			t = min(v.end, s.rule.until(t))
		} else {
			t = v.end
			leadFrom = t
		}
		if t >= never {
			return change{}, false
		}
		if v = s.at(t); v.active != was {
			return change{at: t, verdict: v, leadFrom: leadFrom}, true
		}
	}
}

// since returns the instant at which the active span began that t lies in, or ever
// when that is not known.
func (s *Schedule) since(t int64) int64 {
	for v := s.at(t); v.active; v = s.at(t - 1) {
		at := min(t, v.end-1)
		t = v.start
		if v.cause == v1alpha1.CauseWindow {
			t = max(v.start, s.rule.since(at))
		}
		if t <= ever {
			return ever
		}
	}
	return t
}
