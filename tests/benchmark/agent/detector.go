//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sys/unix"
	"k8s.io/utils/clock"

	"github.com/finos/five-spot/agent/detect"
	"github.com/finos/five-spot/agent/match"
	"github.com/finos/five-spot/pkg/reclaim"
)

// wanted is the name of the programs that match.
const wanted = "five-spot-bench"

// line is what the detector's process tells.
type line struct {
	Ready   bool
	PID     int
	Latency time.Duration
	At      int64 // nanoseconds of the monotonic clock
	Usage   *usage
}

// usage is what the detector's process has used since it was started.
type usage struct {
	CPU            time.Duration
	Resident, Peak int // KiB
	Events         int
	Lost, Rescans  int
}

// detector is the process of the detector, as its parent sees it.
type detector struct {
	cmd    *exec.Cmd
	input  io.WriteCloser
	limits *cgroup

	usages chan usage
	mu     sync.Mutex
	found  []line
}

func startDetector(ctx context.Context, o options, limits *cgroup) (*detector, error) {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", string(o.mode), o.poll.String())
	cmd.Env = append(os.Environ(), role+"=detector")
	cmd.Stderr = os.Stderr
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	d := &detector{cmd: cmd, input: input, limits: limits, usages: make(chan usage)}
	if err := limits.add(cmd.Process.Pid); err != nil {
		d.stop()
		return nil, err
	}
	// It waits for a first line, so that it begins within its limits.
	fmt.Fprintln(input)
	lines := json.NewDecoder(output)
	var first line
	if err := lines.Decode(&first); err != nil {
		d.stop()
		return nil, fmt.Errorf("failed to start the detector: %w", err)
	}
	go d.read(lines)
	return d, nil
}

func (d *detector) read(lines *json.Decoder) {
	defer close(d.usages)
	for {
		var l line
		if err := lines.Decode(&l); err != nil {
			return
		}
		if l.Usage != nil {
			d.usages <- *l.Usage
			continue
		}
		if l.PID == 0 {
			continue
		}
		d.mu.Lock()
		d.found = append(d.found, l)
		d.mu.Unlock()
	}
}

// take returns what was found since the last call.
func (d *detector) take() []line {
	d.mu.Lock()
	defer d.mu.Unlock()
	found := d.found
	d.found = nil
	return found
}

func (d *detector) usage() (usage, error) {
	fmt.Fprintln(d.input)
	u, ok := <-d.usages
	if !ok {
		return usage{}, fmt.Errorf("the detector has ended: %w", d.cmd.Wait())
	}
	return u, nil
}

func (d *detector) stop() {
	_ = d.input.Close()
	_ = d.cmd.Wait()
}

// teller is the Observer in the detector's process.
type teller struct {
	mu    sync.Mutex
	out   *json.Encoder
	usage usage
}

func (t *teller) locked(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
}

func (t *teller) Using(mode detect.Mode, reason string) {
	if reason != "" {
		fmt.Fprintln(os.Stderr, "the detector uses", mode, "because", reason)
	}
}
func (t *teller) Received(events int) { t.locked(func() { t.usage.Events += events }) }
func (t *teller) Lost(times int)      { t.locked(func() { t.usage.Lost += times }) }

func (t *teller) Scanned(cause detect.Cause, _ int, _ time.Duration) {
	t.locked(func() {
		switch cause {
		case detect.CauseArmed:
			_ = t.out.Encode(line{Ready: true})
		case detect.CauseLost:
			t.usage.Rescans++
		case detect.CausePoll, detect.CauseSweep:
		}
	})
}

func (t *teller) Matched(found detect.Found, latency time.Duration) {
	at := monotonic()
	t.locked(func() { _ = t.out.Encode(line{PID: found.PID, Latency: latency, At: at}) })
}

// detectForParent is what the detector's process does: for every line of input it tells
// what it has used.
func detectForParent(ctx context.Context) error {
	input := bufio.NewScanner(os.Stdin)
	input.Scan()
	poll, err := time.ParseDuration(os.Args[2])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t := &teller{out: json.NewEncoder(os.Stdout)}
	d := detect.New(detect.Options{Mode: detect.Mode(os.Args[1]), Clock: clock.RealClock{}, Log: logr.Discard(), Observer: t})
	go func() { _ = d.Run(ctx) }()
	d.Arm(match.New(reclaim.Config{Commands: []string{wanted}, ArgvSubstrings: []string{"-jar /opt/bench/"}}), poll)
	for input.Scan() {
		t.locked(func() {
			u := t.usage
			u.CPU, u.Resident, u.Peak = used()
			_ = t.out.Encode(line{Usage: &u})
		})
	}
	return nil
}

// used is the processor time of this process, and its resident memory now and at most in
// KiB.
func used() (cpu time.Duration, resident, peak int) {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0, 0, 0
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0, 0
	}
	for row := range bytes.Lines(status) {
		fields := bytes.Fields(row)
		if len(fields) < 2 {
			continue
		}
		switch string(fields[0]) {
		case "VmRSS:":
			resident, _ = strconv.Atoi(string(fields[1]))
		case "VmHWM:":
			peak, _ = strconv.Atoi(string(fields[1]))
		}
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()), resident, peak
}

func monotonic() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0
	}
	return now.Nano()
}
