//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// targets are programs that match.
type targets struct {
	path, lifetime string

	mu      sync.Mutex
	started []start
	running sync.WaitGroup
}

type start struct {
	pid int
	at  int64 // nanoseconds of the monotonic clock, before the program was started
}

func newTargets(dir string, o options) (*targets, error) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, wanted)
	if err := os.Symlink(sleep, path); err != nil {
		return nil, err
	}
	return &targets{path: path, lifetime: strconv.FormatFloat(o.lifetime.Seconds(), 'f', 3, 64)}, nil
}

// run starts n programs at random moments within the duration, and waits for its end.
func (t *targets) run(ctx context.Context, n int, within time.Duration) {
	moments := make([]time.Duration, n)
	for i := range moments {
		moments[i] = rand.N(within)
	}
	slices.Sort(moments)
	begin := time.Now()
	for _, moment := range moments {
		pause(ctx, time.Until(begin.Add(moment)))
		t.running.Go(func() { t.start(ctx) })
	}
	pause(ctx, time.Until(begin.Add(within)))
	t.running.Wait()
}

func (t *targets) start(ctx context.Context) {
	at := monotonic()
	cmd := exec.CommandContext(ctx, t.path, t.lifetime)
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	t.mu.Lock()
	t.started = append(t.started, start{cmd.Process.Pid, at})
	t.mu.Unlock()
	_ = cmd.Wait()
}

// report prints how long it took until the programs that were started were found, and
// begins anew. The kernel's time of a program's start is used where there is one, and
// otherwise that before it was started, which is earlier.
func (t *targets) report(ctx context.Context, out io.Writer, name string, d *detector) {
	pause(ctx, time.Second)
	found := map[int][]line{}
	for _, l := range d.take() {
		found[l.PID] = append(found[l.PID], l)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var latencies []time.Duration
	missed := 0
	for _, s := range t.started {
		i := slices.IndexFunc(found[s.pid], func(l line) bool { return l.At >= s.at })
		if i < 0 {
			missed++
			continue
		}
		l := found[s.pid][i]
		if l.Latency == 0 {
			l.Latency = time.Duration(l.At - s.at)
		}
		latencies = append(latencies, l.Latency)
	}
	fmt.Fprintf(out, "%s, start to match\tp50 %s, p90 %s, p99 %s, max %s, missed %d of %d\n", name,
		percentile(latencies, 50), percentile(latencies, 90), percentile(latencies, 99), percentile(latencies, 100), missed, len(t.started))
	t.started = nil
}

func percentile(all []time.Duration, p int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[max(0, (len(all)*p+99)/100-1)].Round(10 * time.Microsecond)
}

// sleepers starts processes that do nothing until stop is called.
func sleepers(ctx context.Context, n int) (stop func(), err error) {
	var all []*exec.Cmd
	stop = func() {
		for _, cmd := range all {
			_ = cmd.Process.Kill()
		}
		for _, cmd := range all {
			_ = cmd.Wait()
		}
	}
	for range n {
		cmd := exec.CommandContext(ctx, "sleep", "3600")
		if err := cmd.Start(); err != nil {
			stop()
			return nil, err
		}
		all = append(all, cmd)
	}
	return stop, nil
}

// pids are the processes of this machine.
func pids() []string {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var all []string
	for _, entry := range entries {
		if strings.Trim(entry.Name(), "0123456789") == "" {
			all = append(all, entry.Name())
		}
	}
	return all
}
