//go:build linux

// Program agent measures the reclaim agent: how long it takes from the start of a program
// to its match and to the request on the Node, how many programs are missed while
// thousands of others start, what looking at all processes takes, and what the agent uses.
// It prints figures and judges nothing.
//
// The detector, which can find many programs one after the other, runs in a process of its
// own; then the agent's own binary runs against a real API server. Both are within the
// requests and limits that the agent's DaemonSet has, if a cgroup can be made.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/finos/five-spot/agent/detect"
	"github.com/finos/five-spot/tests/testenv"
)

// role names what this program does where it is started by itself.
const role = "BENCH_AGENT_ROLE"

// options are what is measured.
type options struct {
	limits
	node *node

	mode      detect.Mode
	poll      time.Duration
	idle      time.Duration
	storm     time.Duration
	rate      int
	names     bool
	lifetime  time.Duration
	targets   int
	processes int
	scanned   int
	beside    time.Duration
	polled    int
	requests  int
	busy      int
}

func main() {
	if err := act(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func act() error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	switch os.Getenv(role) {
	case "within":
		return becomeProgram()
	case "storm":
		return stormForParent(ctx)
	case "busy":
		beBusy()
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
	flag.BoolVar(&o.names, "names", false, "have the storm give names to processes, which takes a machine less than starting programs")
	flag.DurationVar(&o.lifetime, "lifetime", 50*time.Millisecond, "how long a program that matches lives")
	flag.IntVar(&o.targets, "targets", 10, "programs that match, per second, started at random moments")
	flag.IntVar(&o.processes, "processes", 500, "processes on the idle machine")
	flag.IntVar(&o.scanned, "scanned", 1000, "processes of which all are looked at")
	flag.DurationVar(&o.beside, "beside", 20*time.Second, "how long to measure beside forkstat, in another storm")
	flag.IntVar(&o.polled, "polled", 200, "programs that are found by polling; 0 leaves that out")
	flag.IntVar(&o.requests, "requests", 100, "requests of the whole agent; 0 leaves it out, and with it the control plane")
	flag.IntVar(&o.busy, "busy", 0, "programs that take all the processor time they get, all the while")
	flag.IntVar(&o.request, "request", 50, "processor time that is asked for, in thousandths of a processor")
	flag.IntVar(&o.millicpu, "millicpu", 500, "limit of processor time, in the same unit")
	flag.IntVar(&o.memory, "memory", 64, "limit of memory in MiB")
	flag.Parse()
	return o
}

func measure(ctx context.Context, out io.Writer, o options) error {
	dir, err := os.MkdirTemp("", "bench-agent-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path, err := newProgram(dir)
	if err != nil {
		return err
	}
	binary, err := testenv.Build(ctx, dir, "detector", "./tests/benchmark/agent/detector")
	if err != nil {
		return err
	}
	c, leave := o.live(out)
	defer leave()
	defer c.remove()
	stop, err := keepBusy(ctx, o.busy)
	if err != nil {
		return err
	}
	defer stop()
	if err := measureScan(ctx, out, o.scanned); err != nil {
		return err
	}
	if err := measureDetector(ctx, out, o, c, binary, path); err != nil {
		return err
	}
	if o.polled > 0 {
		if err := measurePoll(ctx, out, o, binary, path); err != nil {
			return err
		}
	}
	if o.requests > 0 {
		return measureAgent(ctx, out, o, path)
	}
	return nil
}

// live makes the cgroups of a Node where that can be done, and returns that of the
// detector.
func (o *options) live(out io.Writer) (c *cgroup, leave func()) {
	leave = func() {}
	n, err := newNode()
	if err == nil {
		if c, err = n.container("detector", o.limits); err == nil {
			leave, err = n.owner()
		}
	}
	if err != nil {
		fmt.Fprintf(out, "limits\tnone, a cgroup cannot be made: %v\n", err)
		c.remove()
		return nil, func() {}
	}
	fmt.Fprintf(out, "limits\t%d millicpu, %d asked for, %d MiB (cgroups version %d)\n", o.millicpu, o.request, o.memory, n.version)
	o.node = n
	return c, leave
}

// pause waits.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
