//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/finos/five-spot/tests/benchmark/agent/told"
)

// forkstat is Debian's program that tells of what the kernel tells of.
type forkstat struct {
	cmd  *exec.Cmd
	mu   sync.Mutex
	rows int
	seen []sighting
}

// startForkstat starts it within limits of its own. It returns when forkstat tells.
func startForkstat(ctx context.Context, path string, limits *cgroup) (*forkstat, error) {
	// It writes each row at once.
	cmd, begin := within(ctx, limits, os.Environ(), path, "-l", "-e", "exec")
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := begin(); err != nil {
		return nil, err
	}
	f := &forkstat{cmd: cmd}
	rows := bufio.NewScanner(output)
	rows.Buffer(nil, 4<<20)
	if !rows.Scan() { // The head of the table.
		return nil, fmt.Errorf("failed to start forkstat: %w", cmd.Wait())
	}
	go f.read(rows)
	return f, nil
}

func (f *forkstat) read(rows *bufio.Scanner) {
	for rows.Scan() {
		arrived := told.Monotonic()
		fields := strings.Fields(rows.Text())
		const command = 3
		f.mu.Lock()
		f.rows++
		if len(fields) > command && strings.HasSuffix(fields[command], "/"+told.Wanted) {
			if pid, err := strconv.Atoi(fields[command-1]); err == nil {
				f.seen = append(f.seen, sighting{told.Line{PID: pid, At: arrived}, arrived})
			}
		}
		f.mu.Unlock()
	}
}

// take returns how many rows there are, and which programs it has seen.
func (f *forkstat) take() (int, []sighting) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rows, f.seen
}

func (f *forkstat) stop() {
	_ = f.cmd.Process.Kill()
	_ = f.cmd.Wait()
}

// measureForkstat compares the detector with forkstat, in the same storm, each within
// limits of its own. Both times are those at which this process hears of a program that it
// has started.
func measureForkstat(ctx context.Context, out io.Writer, o options, d *detector, t *targets, dir string) error {
	path, err := exec.LookPath("forkstat")
	if err != nil {
		fmt.Fprintf(out, "forkstat\tnot here: %v\n", err)
		return nil
	}
	c, err := o.node.container("forkstat", o.limits)
	if err != nil {
		return err
	}
	defer c.remove()
	f, err := startForkstat(ctx, path, c)
	if err != nil {
		return err
	}
	defer f.stop()
	_, oursBefore, err := d.used()
	if err != nil {
		return err
	}
	theirsBefore, err := usageOf(f.cmd.Process.Pid)
	if err != nil {
		return err
	}
	end, err := o.startStorm(ctx, dir, o.beside)
	if err != nil {
		return err
	}
	t.run(ctx, o.times(o.beside), o.beside)
	started, err := end()
	if err != nil {
		return err
	}
	targets := t.ended(ctx)
	_, ours, err := d.used()
	if err != nil {
		return err
	}
	theirs, err := usageOf(f.cmd.Process.Pid)
	if err != nil {
		return err
	}
	found := d.take()
	for i := range found {
		found[i].Latency, found[i].At = 0, found[i].arrived
	}
	rows, seen := f.take()
	fmt.Fprintf(out, "beside forkstat\t%.0f programs/s for %s\n", float64(started)/o.beside.Seconds(), o.beside)
	fmt.Fprintf(out, "the detector, beside forkstat\t%s\n", ours.since(oursBefore, o.beside))
	fmt.Fprintf(out, "forkstat -l -e exec\t%s, %d rows; %.1f times the detector's processor time\n",
		theirs.since(theirsBefore, o.beside), rows, float64(theirs.CPU-theirsBefore.CPU)/float64(ours.CPU-oursBefore.CPU))
	report(out, "the detector, start to message", targets, found)
	report(out, "forkstat, start to message", targets, seen)
	return nil
}

// times is how many programs that match are started in the time.
func (o options) times(d time.Duration) int { return int(d.Seconds() * float64(o.targets)) }
