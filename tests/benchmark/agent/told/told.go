//go:build linux

// Package told is what the detector that is measured and who measures it tell each other.
package told

import (
	"time"

	"golang.org/x/sys/unix"
)

const (
	// Wanted is the name of the programs that match.
	Wanted = "five-spot-bench"

	// Unwanted is looked for in command lines, and in none.
	Unwanted = "-jar /opt/bench/"
)

// Line is what the detector's process tells: that it is ready, that it has found a
// process, or what it has counted.
type Line struct {
	Ready   bool
	PID     int
	Latency time.Duration
	// At is when it found the process, in nanoseconds of the monotonic clock.
	At     int64
	Counts *Counts
}

// Counts are what the detector has counted since it was started.
type Counts struct{ Events, Lost, Rescans int }

// Monotonic is the time of the clock that all processes of a machine share.
func Monotonic() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0
	}
	return now.Nano()
}
