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

	"github.com/finos/five-spot/tests/benchmark/agent/told"
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

func newTargets(path string, lifetime time.Duration) *targets {
	return &targets{path: path, lifetime: strconv.FormatFloat(lifetime.Seconds(), 'f', 3, 64)}
}

// newProgram puts the program that matches into the folder.
func newProgram(dir string) (path string, err error) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, told.Wanted)
	return path, os.Symlink(sleep, path)
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
	at := told.Monotonic()
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

// ended are the programs that were started since the last call. Whoever sees them has had
// time to.
func (t *targets) ended(ctx context.Context) []start {
	pause(ctx, time.Second)
	t.mu.Lock()
	defer t.mu.Unlock()
	started := t.started
	t.started = nil
	return started
}

// report prints how long it took until the programs that were started were found. The
// kernel's time of a program's start is used where there is one, and otherwise that before
// it was started, which is earlier.
func report(out io.Writer, name string, started []start, all []sighting) {
	found := map[int][]sighting{}
	for _, l := range all {
		found[l.PID] = append(found[l.PID], l)
	}
	var latencies []time.Duration
	for _, s := range started {
		i := slices.IndexFunc(found[s.pid], func(l sighting) bool { return l.At >= s.at })
		if i < 0 {
			continue
		}
		l := found[s.pid][i]
		if l.Latency == 0 {
			l.Latency = time.Duration(l.At - s.at)
		}
		latencies = append(latencies, l.Latency)
	}
	fmt.Fprintf(out, "%s\t%s, missed %d of %d\n", name, spread(latencies), len(started)-len(latencies), len(started))
}

func spread(all []time.Duration) string {
	return fmt.Sprintf("p50 %s, p90 %s, p99 %s, max %s",
		percentile(all, 50), percentile(all, 90), percentile(all, 99), percentile(all, 100))
}

func percentile(all []time.Duration, p int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[max(0, (len(all)*p+99)/100-1)].Round(10 * time.Microsecond)
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
