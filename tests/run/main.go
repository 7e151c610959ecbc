// Command run shows 5-Spot at work on this machine alone: it starts an embedded
// management and workload cluster with Cluster API and a simulated provider of
// machines, runs the operator as it would run anywhere, applies a sample whose
// windows open and close within minutes and another whose Pods run on its machine,
// and prints what happens, one line per change.
//
// It leaves the world up until Ctrl-C. With --once it ends after one full cycle,
// and fails when a step of it was not seen in order within --deadline.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

// options are the command line.
type options struct {
	once     bool
	deadline time.Duration
	operator string
}

func main() {
	opts, err := parse(os.Args[1:])
	if errors.Is(err, pflag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second Ctrl-C does not wait for a clean end.
	context.AfterFunc(ctx, stop)
	err = run(ctx, os.Stdout, opts)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var opts options
	flags := pflag.NewFlagSet("run", pflag.ContinueOnError)
	flags.BoolVar(&opts.once, "once", false, "End after one full cycle of the sample; fail when a step was missing.")
	flags.DurationVar(&opts.deadline, "deadline", 8*time.Minute, "How long --once waits for a full cycle.")
	flags.StringVar(&opts.operator, "operator", "", "Run this binary as the operator instead of building it.")
	if err := flags.Parse(args); err != nil {
		return options{}, fmt.Errorf("failed to parse the command line: %w", err)
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("failed to parse the command line: unexpected argument %q", flags.Arg(0))
	}
	return opts, nil
}
