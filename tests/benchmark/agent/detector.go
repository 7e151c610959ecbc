//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/finos/five-spot/agent/detect"
	"github.com/finos/five-spot/tests/benchmark/agent/told"
)

// sighting is that somebody has found a program.
type sighting struct {
	told.Line
	// arrived is when this process heard of it.
	arrived int64
}

// detector is the process of the detector, as its parent sees it.
type detector struct {
	cmd    *exec.Cmd
	input  io.WriteCloser
	limits *cgroup

	counted chan told.Counts
	mu      sync.Mutex
	found   []sighting
}

// startDetector starts the detector, a program without all else that is in this one: how
// much memory it takes is measured.
func startDetector(ctx context.Context, binary string, mode detect.Mode, poll time.Duration, limits *cgroup) (*detector, error) {
	cmd, begin := within(ctx, limits, os.Environ(), binary, string(mode), poll.String())
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := begin(); err != nil {
		return nil, err
	}
	d := &detector{cmd: cmd, input: input, limits: limits, counted: make(chan told.Counts)}
	lines := json.NewDecoder(output)
	var first told.Line
	if err := lines.Decode(&first); err != nil {
		d.stop()
		return nil, fmt.Errorf("failed to start the detector: %w", err)
	}
	go d.read(lines)
	return d, nil
}

func (d *detector) read(lines *json.Decoder) {
	defer close(d.counted)
	for {
		var l told.Line
		if err := lines.Decode(&l); err != nil {
			return
		}
		if l.Counts != nil {
			d.counted <- *l.Counts
			continue
		}
		if l.PID == 0 {
			continue
		}
		s := sighting{l, told.Monotonic()}
		d.mu.Lock()
		d.found = append(d.found, s)
		d.mu.Unlock()
	}
}

// take returns what was found since the last call.
func (d *detector) take() []sighting {
	d.mu.Lock()
	defer d.mu.Unlock()
	found := d.found
	d.found = nil
	return found
}

// used is what the detector has counted and used. It has then told all that it found.
func (d *detector) used() (told.Counts, usage, error) {
	fmt.Fprintln(d.input)
	c, ok := <-d.counted
	if !ok {
		return told.Counts{}, usage{}, fmt.Errorf("the detector has ended: %w", d.cmd.Wait())
	}
	u, err := usageOf(d.cmd.Process.Pid)
	return c, u, err
}

func (d *detector) stop() {
	_ = d.input.Close()
	_ = d.cmd.Wait()
}
