// Package cycle is what the agent does for as long as it runs: arm the detector, ask for
// the reclaim of the Node when it finds a process, wait until the request is gone from
// the Node, and arm again, which finds the process once more if it still runs. A match
// never ends it.
package cycle

import (
	"context"
	"math"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/finos/five-spot/agent/annotate"
	"github.com/finos/five-spot/agent/detect"
	"github.com/finos/five-spot/pkg/reclaim"
)

const (
	// firstRetry and lastRetry are how long to wait after an attempt that failed: at
	// first, since the owner waits for the machine, and at most.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 15 * time.Second

	// firstLook and lastLook are how long to wait between looks whether the request is
	// gone. The agent may get its Node but not watch it.
	firstLook = time.Second
	lastLook  = 15 * time.Second
)

// Detector finds processes.
type Detector interface {
	// Arm looks for what the Config asks for, among all processes that run and those
	// that start from now on. An empty one ends that. What was found before is gone:
	// the processes may have ended, and those that have not are found again.
	Arm(config reclaim.Config)

	// Found has the processes that were found.
	Found() <-chan detect.Found
}

// Annotator asks for the reclaim of the Node, one attempt at a time.
type Annotator interface {
	Request(ctx context.Context, request reclaim.Request) (annotate.Result, error)
	Requested(ctx context.Context) (bool, error)
}

// Observer is told what happens. It must not block.
type Observer interface {
	// RequestFailed is that one attempt failed; there will be another. Attempts are
	// counted from 1 for each process that was found.
	RequestFailed(found detect.Found, attempt int, err error)

	// Requested is that the request is on the Node.
	Requested(found detect.Found, result annotate.Result)

	// Dropped is that a request which was not on the Node yet is given up, because
	// nobody looks for its pattern any more.
	Dropped(found detect.Found)

	// LookFailed is that it is not known whether the request is still on the Node.
	LookFailed(err error)

	// Released is that the request is gone from the Node.
	Released(found detect.Found)
}

// Cycle ties a Detector to an Annotator.
type Cycle struct {
	detector  Detector
	annotator Annotator
	observer  Observer
}

// New returns a Cycle.
func New(detector Detector, annotator Annotator, observer Observer) *Cycle {
	return &Cycle{detector: detector, annotator: annotator, observer: observer}
}

// Run follows the Configs until ctx ends. Until the first one there is nothing to do.
func (c *Cycle) Run(ctx context.Context, configs <-chan reclaim.Config) {
	var config reclaim.Config
	for {
		select {
		case <-ctx.Done():
			return
		case config = <-configs:
			c.detector.Arm(config)
		case found := <-c.detector.Found():
			if asksFor(config, found.Pattern) {
				config = c.handle(ctx, config, configs, found)
				c.detector.Arm(config)
			}
		}
	}
}

// handle returns when the request for the process was on the Node and is gone from it,
// or was dropped, with the Config that is in force then.
func (c *Cycle) handle(ctx context.Context, config reclaim.Config, configs <-chan reclaim.Config, found detect.Found) reclaim.Config {
	c.detector.Arm(reclaim.Config{})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	landed, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		if c.request(ctx, found) {
			close(landed)
			c.await(ctx, found)
		}
	}()
	pending := true
	for {
		select {
		case <-gone:
			return config
		case <-landed:
			landed, pending = nil, false
		case config = <-configs:
			if pending && !asksFor(config, found.Pattern) {
				c.observer.Dropped(found)
				cancel()
				<-gone
				return config
			}
		}
	}
}

// request returns when the request is on the Node, or with false when ctx ends.
func (c *Cycle) request(ctx context.Context, found detect.Found) bool {
	request, attempt := reclaim.Matched(found.Pattern, found.At), 0
	return until(ctx, firstRetry, lastRetry, func(ctx context.Context) bool {
		attempt++
		result, err := c.annotator.Request(ctx, request)
		switch {
		case err == nil:
			c.observer.Requested(found, result)
		case ctx.Err() == nil:
			c.observer.RequestFailed(found, attempt, err)
		}
		return err == nil
	})
}

// await returns when the request is gone from the Node, or when ctx ends.
func (c *Cycle) await(ctx context.Context, found detect.Found) {
	if until(ctx, firstLook, lastLook, func(ctx context.Context) bool {
		requested, err := c.annotator.Requested(ctx)
		if err != nil && ctx.Err() == nil {
			c.observer.LookFailed(err)
		}
		return err == nil && !requested
	}) {
		c.observer.Released(found)
	}
}

// until tries at once and then less and less often; it returns whether a try succeeded
// before ctx ended.
func until(ctx context.Context, first, last time.Duration, try func(context.Context) bool) bool {
	backoff := wait.Backoff{Duration: first, Factor: 2, Jitter: 0.2, Steps: math.MaxInt32, Cap: last}
	err := backoff.DelayFunc().Until(ctx, true, true, func(ctx context.Context) (bool, error) {
		return try(ctx), nil
	})
	return err == nil
}

// asksFor is whether the Config has the pattern.
func asksFor(config reclaim.Config, pattern string) bool {
	return slices.Contains(config.Commands, pattern) || slices.Contains(config.ArgvSubstrings, pattern)
}
