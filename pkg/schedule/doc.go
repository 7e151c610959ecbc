// Package schedule tells whether an instant is inside a ScheduledMachine's
// schedule, what changes next, and why. It is pure and safe for concurrent use.
//
// All rules are written in local civil time and all answers are instants. The two
// meet in one place, zone, which reads a time zone as a list of stretches of
// constant offset, so that gaps and repeats have one meaning everywhere: a window
// is the smallest contiguous interval that contains every instant whose local
// civil time lies in it.
package schedule
