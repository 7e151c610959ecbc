//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/finos/five-spot/agent/detect"
)

// measureDetector measures the detector alone.
func measureDetector(ctx context.Context, out io.Writer, o options, c *cgroup, binary, path string) error {
	d, err := startDetector(ctx, binary, o.mode, o.poll, c)
	if err != nil {
		return err
	}
	defer d.stop()
	fmt.Fprintf(out, "mode\t%s\n", o.mode)
	t, dir := newTargets(path, o.lifetime), filepath.Dir(path)
	if err := measureIdle(ctx, out, o, d, t); err != nil {
		return err
	}
	if err := measureStorm(ctx, out, o, d, t, dir); err != nil {
		return err
	}
	if o.names {
		return nil // It would be compared in a storm of programs.
	}
	return measureForkstat(ctx, out, o, d, t, dir)
}

// measureIdle measures what the detector uses while nothing happens, and then how long
// programs take that are started one by one.
func measureIdle(ctx context.Context, out io.Writer, o options, d *detector, t *targets) error {
	stop, err := sleepers(ctx, o.processes-len(pids()))
	if err != nil {
		return err
	}
	defer stop()
	if _, _, err := d.used(); err != nil { // After it has seen them all.
		return err
	}
	events, before, err := d.used()
	if err != nil {
		return err
	}
	pause(ctx, o.idle)
	eventsAfter, after, err := d.used()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "idle, %d processes\t%s, %.1f events/s\n", len(pids()),
		after.since(before, o.idle), float64(eventsAfter.Events-events.Events)/o.idle.Seconds())
	const calm = 200
	t.run(ctx, calm, o.idle)
	report(out, "idle, start to match", t.ended(ctx), d.take())
	return nil
}

// measureStorm measures while many other programs start.
func measureStorm(ctx context.Context, out io.Writer, o options, d *detector, t *targets, dir string) error {
	counted, before, err := d.used()
	if err != nil {
		return err
	}
	end, err := o.startStorm(ctx, dir, o.storm)
	if err != nil {
		return err
	}
	t.run(ctx, o.times(o.storm), o.storm)
	started, err := end()
	if err != nil {
		return err
	}
	report(out, "storm, start to match", t.ended(ctx), d.take())
	countedAfter, after, err := d.used()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "storm\t%.0f %s/s for %s, %.0f events/s, lost %d times, %d rescans, %s, throttled %s\n",
		float64(started)/o.storm.Seconds(), o.ofStorm(), o.storm, float64(countedAfter.Events-counted.Events)/o.storm.Seconds(),
		countedAfter.Lost-counted.Lost, countedAfter.Rescans-counted.Rescans, after.since(before, o.storm), d.limits.throttled())
	return nil
}

// intervals is how many of them programs live that are to be found by polling.
const intervals = 4

// measurePoll measures how long programs take that are found by polling, beside as many
// processes as there are on the idle machine.
func measurePoll(ctx context.Context, out io.Writer, o options, binary, path string) error {
	c, err := o.node.container("poll", o.limits)
	if err != nil {
		return err
	}
	defer c.remove()
	d, err := startDetector(ctx, binary, detect.ModePoll, o.poll, c)
	if err != nil {
		return err
	}
	defer d.stop()
	stop, err := sleepers(ctx, o.processes-len(pids()))
	if err != nil {
		return err
	}
	defer stop()
	_, before, err := d.used()
	if err != nil {
		return err
	}
	t := newTargets(path, intervals*o.poll)
	t.run(ctx, o.polled, o.idle)
	_, after, err := d.used()
	if err != nil {
		return err
	}
	started := t.ended(ctx)
	report(out, fmt.Sprintf("poll every %s, start to match", o.poll), started, d.take())
	fmt.Fprintf(out, "poll, %d processes\t%s\n", len(pids()), after.since(before, o.idle))
	return nil
}
