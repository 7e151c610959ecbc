//go:build linux

// Program agent measures how the reclaim agent detects processes: how long it takes from
// the start of a program to its match, how many are missed while thousands of others
// start, what looking at all processes takes, and what the agent uses. It prints figures
// and judges nothing. The detector runs in a process of its own within the limits that
// the agent's DaemonSet has, if a cgroup can be made.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/finos/five-spot/agent/detect"
)

// role names what this program does where it is started by itself.
const role = "BENCH_AGENT_ROLE"

// options are what is measured.
type options struct {
	mode      detect.Mode
	poll      time.Duration
	idle      time.Duration
	storm     time.Duration
	rate      int
	lifetime  time.Duration
	targets   int
	processes int
	scanned   int
	millicpu  int
	memory    int
}

func main() {
	if err := act(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func act() error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	switch os.Getenv(role) {
	case "detector":
		return detectForParent(ctx)
	case "storm":
		return stormForParent(ctx)
	}
	return measure(ctx, os.Stdout, parse())
}

func parse() options {
	var o options
	flag.StringVar((*string)(&o.mode), "mode", string(detect.ModeNetlink), "netlink or poll")
	flag.DurationVar(&o.poll, "poll", 250*time.Millisecond, "interval of the mode poll")
	flag.DurationVar(&o.idle, "idle", 20*time.Second, "how long to measure on the idle machine")
	flag.DurationVar(&o.storm, "storm", 60*time.Second, "how long to measure in the storm")
	flag.IntVar(&o.rate, "rate", 3000, "programs that the storm starts, per second")
	flag.DurationVar(&o.lifetime, "lifetime", 50*time.Millisecond, "how long a program that matches lives")
	flag.IntVar(&o.targets, "targets", 10, "programs that match, per second, started at random moments")
	flag.IntVar(&o.processes, "processes", 500, "processes on the idle machine")
	flag.IntVar(&o.scanned, "scanned", 1000, "processes of which all are looked at")
	flag.IntVar(&o.millicpu, "millicpu", 500, "limit of the detector's processor time")
	flag.IntVar(&o.memory, "memory", 64, "limit of the detector's memory in MiB")
	flag.Parse()
	return o
}

func measure(ctx context.Context, out io.Writer, o options) error {
	dir, err := os.MkdirTemp("", "bench-agent-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	limits, err := newCgroup(o.millicpu, o.memory)
	if err != nil {
		fmt.Fprintf(out, "limits\tnone, a cgroup cannot be made: %v\n", err)
	} else {
		defer limits.remove()
		fmt.Fprintf(out, "limits\t%d millicpu, %d MiB (%s)\n", o.millicpu, o.memory, limits)
	}
	if err := measureScan(ctx, out, o.scanned); err != nil {
		return err
	}
	d, err := startDetector(ctx, o, limits)
	if err != nil {
		return err
	}
	defer d.stop()
	fmt.Fprintf(out, "mode\t%s\n", o.mode)
	t, err := newTargets(dir, o)
	if err != nil {
		return err
	}
	if err := measureIdle(ctx, out, o, d, t); err != nil {
		return err
	}
	return measureStorm(ctx, out, o, d, t, dir)
}

// measureIdle measures what the detector uses while nothing happens, and then how long
// programs take that are started one by one.
func measureIdle(ctx context.Context, out io.Writer, o options, d *detector, t *targets) error {
	stop, err := sleepers(ctx, o.processes-len(pids()))
	if err != nil {
		return err
	}
	defer stop()
	if _, err := d.usage(); err != nil { // After it has seen them all.
		return err
	}
	before, err := d.usage()
	if err != nil {
		return err
	}
	pause(ctx, o.idle)
	after, err := d.usage()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "idle, %d processes\t%.3f %% of a core, %.1f events/s, resident %.1f MiB, at most %.1f MiB\n", len(pids()),
		100*(after.CPU-before.CPU).Seconds()/o.idle.Seconds(), float64(after.Events-before.Events)/o.idle.Seconds(),
		float64(after.Resident)/1024, float64(after.Peak)/1024)
	const calm = 200
	t.run(ctx, calm, o.idle)
	t.report(ctx, out, "idle", d)
	return nil
}

// measureStorm measures while many other programs start.
func measureStorm(ctx context.Context, out io.Writer, o options, d *detector, t *targets, dir string) error {
	before, err := d.usage()
	if err != nil {
		return err
	}
	end, err := startStorm(ctx, dir, o)
	if err != nil {
		return err
	}
	t.run(ctx, int(o.storm.Seconds()*float64(o.targets)), o.storm)
	started, err := end()
	if err != nil {
		return err
	}
	t.report(ctx, out, "storm", d)
	after, err := d.usage()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "storm\t%.0f programs/s for %s, %.0f events/s, lost %d times, %d rescans, %.1f %% of a core, resident %.1f MiB, at most %.1f MiB, throttled %s\n",
		float64(started)/o.storm.Seconds(), o.storm, float64(after.Events-before.Events)/o.storm.Seconds(),
		after.Lost-before.Lost, after.Rescans-before.Rescans, 100*(after.CPU-before.CPU).Seconds()/o.storm.Seconds(),
		float64(after.Resident)/1024, float64(after.Peak)/1024, d.limits.throttled())
	return nil
}

// pause waits.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
