//go:build linux

// Program detector is the detector of the reclaim agent and nothing else, for what
// measures it. It takes the mode and the interval of polling, and tells what it finds on
// its output; for every line of input it tells what it has counted.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"github.com/finos/five-spot/agent/detect"
	"github.com/finos/five-spot/agent/match"
	"github.com/finos/five-spot/pkg/reclaim"
	"github.com/finos/five-spot/tests/benchmark/agent/told"
)

func main() {
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// teller is the Observer.
type teller struct {
	mu     sync.Mutex
	out    *json.Encoder
	counts told.Counts
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
func (t *teller) Received(events int) { t.locked(func() { t.counts.Events += events }) }
func (t *teller) Lost(times int)      { t.locked(func() { t.counts.Lost += times }) }

func (t *teller) Scanned(cause detect.Cause, _ int, _ time.Duration) {
	t.locked(func() {
		switch cause {
		case detect.CauseArmed:
			_ = t.out.Encode(told.Line{Ready: true})
		case detect.CauseLost:
			t.counts.Rescans++
		case detect.CausePoll, detect.CauseSweep:
		}
	})
}

func (t *teller) Matched(found detect.Found, latency time.Duration) {
	at := told.Monotonic()
	t.locked(func() { _ = t.out.Encode(told.Line{PID: found.PID, Latency: latency, At: at}) })
}

func run(ctx context.Context, mode, interval string) error {
	poll, err := time.ParseDuration(interval)
	if err != nil {
		return err
	}
	t := &teller{out: json.NewEncoder(os.Stdout)}
	d := detect.New(detect.Options{Mode: detect.Mode(mode), Clock: clock.RealClock{}, Log: logr.Discard(), Observer: t})
	go func() { _ = d.Run(ctx) }()
	d.Arm(match.New(reclaim.Config{Commands: []string{told.Wanted}, ArgvSubstrings: []string{told.Unwanted}}), poll)
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		t.locked(func() {
			c := t.counts
			_ = t.out.Encode(told.Line{Counts: &c})
		})
	}
	return nil
}
