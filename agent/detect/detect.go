//go:build linux

// Package detect finds processes that a match.Matcher is for. It has the kernel tell of
// new programs and new names over the netlink proc connector where that works, and reads
// /proc again and again where it does not. What runs already when it is armed is found
// by reading /proc once.
package detect

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"github.com/finos/five-spot/agent/match"
	"github.com/finos/five-spot/pkg/reclaim"
)

// DefaultProcRoot is where /proc is.
const DefaultProcRoot = "/proc"

const (
	// maxFound is how many processes wait at most for whoever reads them.
	maxFound = 16

	// stuckAfter is how long looking at processes may take before it is taken for dead.
	stuckAfter = 30 * time.Second
)

// Mode is how processes are detected.
type Mode string

// The modes. ModeAuto is asked for only, ModeIdle is in use only.
const (
	// ModeAuto is ModeNetlink where it works and ModePoll elsewhere.
	ModeAuto Mode = "auto"

	// ModeNetlink is that the kernel tells.
	ModeNetlink Mode = "netlink"

	// ModePoll is that /proc is read in an interval.
	ModePoll Mode = "poll"

	// ModeIdle is that nothing is looked for.
	ModeIdle Mode = "idle"
)

// errMode is that a mode cannot be asked for.
var errMode = fmt.Errorf("the detector must be %s, %s or %s", ModeAuto, ModeNetlink, ModePoll)

// ParseMode returns the mode of that name, of those that can be asked for.
func ParseMode(name string) (Mode, error) {
	switch mode := Mode(name); mode {
	case ModeAuto, ModeNetlink, ModePoll:
		return mode, nil
	case ModeIdle:
	}
	return "", errMode
}

// Cause is why all processes were looked at.
type Cause string

// The causes.
const (
	// CauseArmed is that it was begun to look for something.
	CauseArmed Cause = "armed"

	// CausePoll is that the interval of ModePoll is over.
	CausePoll Cause = "poll"

	// CauseLost is that events of the kernel were lost.
	CauseLost Cause = "lost"

	// CauseSweep is that ModeNetlink looks whether it missed anything.
	CauseSweep Cause = "sweep"
)

// Found is a process that matches.
type Found struct {
	PID     int
	Pattern string
	At      time.Time
}

// Observer is told what the Detector does. It must not block.
type Observer interface {
	// Using tells which mode is in use from now on. The reason says why it is not
	// ModeNetlink where that was asked for, and is empty otherwise.
	Using(mode Mode, reason string)

	// Received tells of that many events of the kernel.
	Received(events int)

	// Lost tells that an unknown number of events was lost that many times.
	Lost(times int)

	// Scanned tells that all processes were looked at.
	Scanned(cause Cause, processes int, took time.Duration)

	// Matched tells of a process, and how long ago it became what matches; zero where
	// that is not known.
	Matched(found Found, latency time.Duration)
}

// Options are how a Detector works.
type Options struct {
	// Mode is ModeAuto where it is empty.
	Mode Mode

	// ProcRoot is DefaultProcRoot where it is empty.
	ProcRoot string

	Clock    clock.Clock
	Log      logr.Logger
	Observer Observer
}

// Detector finds processes while it runs and is armed. Its methods may be used at any
// time and by several goroutines.
type Detector struct {
	Options

	listen func(clock.Clock) (source, error)
	found  chan Found

	mu      sync.Mutex
	arming  *arming
	running bool
	mode    Mode
	reason  string
	failure error
	// busySince is when it was begun to look at processes, zero between.
	busySince time.Time
}

// arming is what is looked for until changed is closed.
type arming struct {
	matcher  *match.Matcher
	interval time.Duration
	changed  chan struct{}
}

// source is where changes of processes come from.
type source interface {
	changes() *queue
	received() int
	beat() bool
	ended() <-chan struct{}
	close()
}

// New returns a Detector that looks for nothing.
func New(options Options) *Detector {
	if options.Mode == "" {
		options.Mode = ModeAuto
	}
	if options.ProcRoot == "" {
		options.ProcRoot = DefaultProcRoot
	}
	return &Detector{
		Options: options, listen: listen, found: make(chan Found, maxFound), mode: ModeIdle,
		arming: &arming{changed: make(chan struct{})},
	}
}

// Arm has the Detector look for what the Matcher matches, or for nothing if it is nil;
// then it uses no time at all. The interval is that of ModePoll, and
// reclaim.DefaultPollInterval if it is not positive. Every process that matches is found
// once, also if it was found before. When Arm returns, what was found before is gone from
// the channel.
func (d *Detector) Arm(matcher *match.Matcher, interval time.Duration) {
	if interval <= 0 {
		interval = reclaim.DefaultPollInterval
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.arming.changed)
	d.arming = &arming{matcher: matcher, interval: interval, changed: make(chan struct{})}
	for {
		select {
		case <-d.found:
		default:
			return
		}
	}
}

// Found receives every process that matches. When nobody reads, some are kept and the
// others left out.
func (d *Detector) Found() <-chan Found { return d.found }

// Mode is the mode in use.
func (d *Detector) Mode() Mode {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mode
}

// Errors of Healthy.
var (
	errNotRunning = errors.New("the detector does not run")
	errStuck      = errors.New("the detector is stuck at looking at processes")
)

// Healthy returns why no process can be found; nil if that is possible, or nothing is
// looked for.
func (d *Detector) Healthy() error {
	now := d.Clock.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !d.running:
		return errNotRunning
	case !d.busySince.IsZero() && now.Sub(d.busySince) > stuckAfter:
		return errStuck
	}
	return d.failure
}

// Scan returns the processes that match now, without a Detector.
func Scan(procRoot string, matcher *match.Matcher, now time.Time) ([]Found, error) {
	all, err := openProcesses(procRoot)
	if err != nil {
		return nil, err
	}
	defer all.close()
	var matching []Found
	look := newLook(all, matcher)
	err = all.each(func(pid int) {
		if pattern, ok := look.at(pid); ok {
			matching = append(matching, Found{PID: pid, Pattern: pattern, At: now})
		}
	})
	return matching, err
}
