//go:build linux

package detect

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sys/unix"
	"k8s.io/utils/clock"

	"github.com/finos/five-spot/agent/match"
	"github.com/finos/five-spot/pkg/reclaim"
)

// act names what the test program does instead of testing: tests start it under other
// names.
const act = "DETECT_TEST_ACT"

func init() {
	if os.Getenv(act) == "rename" {
		// Only the name of the first thread is that of the process.
		runtime.LockOSThread()
	}
}

func TestMain(m *testing.M) {
	switch os.Getenv(act) {
	case "":
		os.Exit(m.Run())
	case "wait":
		waitForInput()
	case "live":
		d, err := time.ParseDuration(os.Args[1])
		if err != nil {
			panic(err)
		}
		<-time.After(d)
	case "rename":
		waitForInput()
		if err := nameThread([]byte(os.Args[1])); err != nil {
			panic(err)
		}
		fmt.Fprintln(os.Stdout, "renamed")
		waitForInput()
	case "become":
		waitForInput()
		if err := unix.Exec(os.Args[1], os.Args[1:], []string{act + "=wait"}); err != nil {
			panic(err)
		}
	case "detect":
		detectForOther(os.Args[1])
	}
}

// waitForInput returns when there is a byte of input, or the end of it.
func waitForInput() {
	_, _ = os.Stdin.Read(make([]byte, 1))
}

// program returns the path of a program of the given name.
func program(tb testing.TB, name string) string {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(tb.TempDir(), name)
	if err := os.Symlink(self, path); err != nil {
		tb.Fatal(err)
	}
	return path
}

// running is a process that a test started.
type running struct {
	*exec.Cmd
	input  *os.File
	output *bufio.Reader
}

// start starts a process that lives as long as the test, if it does not end before.
func start(tb testing.TB, path, does string, args ...string) running {
	tb.Helper()
	return startCmd(tb, exec.CommandContext(tb.Context(), path, args...), does)
}

func startCmd(tb testing.TB, cmd *exec.Cmd, does string) running {
	tb.Helper()
	cmd.Env = append(os.Environ(), act+"="+does, "GORACE=atexit_sleep_ms=0")
	reader, input, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	cmd.Stdin, cmd.Stderr = reader, os.Stderr
	output, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	err = cmd.Start()
	reader.Close()
	if err != nil {
		input.Close()
		if errors.Is(err, unix.EPERM) {
			tb.Skipf("this environment does not allow it: %v", err)
		}
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		input.Close()
		_ = cmd.Wait()
	})
	return running{cmd, input, bufio.NewReader(output)}
}

// tick lets a process go on that waits for input.
func (r running) tick(tb testing.TB) {
	tb.Helper()
	if _, err := r.input.Write([]byte{'\n'}); err != nil {
		tb.Fatal(err)
	}
}

func (r running) line(tb testing.TB) string {
	tb.Helper()
	line, err := r.output.ReadString('\n')
	if err != nil {
		tb.Fatal(err)
	}
	return line
}

// report is what an Observer was told.
type report struct {
	Using     []Mode
	Reasons   []string
	Events    int
	Losses    int
	Scans     map[Cause]int
	Matches   []Found
	Latencies []time.Duration
}

// notes is an Observer that remembers.
type notes struct {
	mu sync.Mutex
	report
	// told receives after every call.
	told chan struct{}
}

func newNotes() *notes {
	return &notes{report: report{Scans: map[Cause]int{}}, told: make(chan struct{}, 1)}
}

func (n *notes) note(f func(r *report)) {
	n.mu.Lock()
	f(&n.report)
	n.mu.Unlock()
	offer(n.told, struct{}{})
}

func (n *notes) Using(mode Mode, reason string) {
	n.note(func(r *report) { r.Using, r.Reasons = append(r.Using, mode), append(r.Reasons, reason) })
}
func (n *notes) Received(events int) { n.note(func(r *report) { r.Events += events }) }
func (n *notes) Lost(times int)      { n.note(func(r *report) { r.Losses += times }) }
func (n *notes) Scanned(cause Cause, _ int, _ time.Duration) {
	n.note(func(r *report) { r.Scans[cause]++ })
}

func (n *notes) Matched(found Found, latency time.Duration) {
	n.note(func(r *report) { r.Matches, r.Latencies = append(r.Matches, found), append(r.Latencies, latency) })
}

// now is what was told up to now.
func (n *notes) now() report {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := n.report
	r.Scans = maps.Clone(r.Scans)
	return r
}

// await waits until the Observer was told something.
func (n *notes) await(tb testing.TB, what string, is func(r *report) bool) {
	tb.Helper()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for {
		n.mu.Lock()
		ok := is(&n.report)
		seen := fmt.Sprintf("%+v", n.report)
		n.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-n.told:
		case <-limit.C:
			tb.Fatalf("waited for %s, saw %s", what, seen)
		}
	}
}

func (n *notes) awaitMode(tb testing.TB, mode Mode) {
	tb.Helper()
	n.await(tb, "mode "+string(mode), func(r *report) bool { return len(r.Using) > 0 && r.Using[len(r.Using)-1] == mode })
}

func (n *notes) awaitScan(tb testing.TB, cause Cause, times int) {
	tb.Helper()
	n.await(tb, "scan "+string(cause), func(r *report) bool { return r.Scans[cause] >= times })
}

// run runs a Detector as long as the test.
func run(tb testing.TB, d *Detector) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Error(err)
		}
	})
}

// local returns a Detector of this machine's processes.
func local(tb testing.TB, mode Mode) (*Detector, *notes) {
	tb.Helper()
	seen := newNotes()
	return New(Options{Mode: mode, Clock: clock.RealClock{}, Log: logr.Discard(), Observer: seen}), seen
}

// needsEvents skips where the kernel does not tell of processes.
func needsEvents(tb testing.TB) {
	tb.Helper()
	from, err := listen(clock.RealClock{})
	if err != nil {
		tb.Skipf("the kernel does not tell of processes here: %v", err)
	}
	from.close()
}

func commands(names ...string) *match.Matcher { return match.New(reclaim.Config{Commands: names}) }

// next returns the next process that is found.
func next(tb testing.TB, d *Detector) Found {
	tb.Helper()
	select {
	case f := <-d.Found():
		return f
	case <-time.After(20 * time.Second):
		tb.Fatal("nothing was found")
		return Found{}
	}
}

// detectForOther tells on its output what a Detector does here that looks for the name.
func detectForOther(name string) {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt) //nolint:forbidigo // This is a process of its own.
	defer cancel()
	d := New(Options{Clock: clock.RealClock{}, Log: logr.Discard(), Observer: printer{json.NewEncoder(os.Stdout)}})
	go func() { _ = d.Run(ctx) }()
	d.Arm(commands(name), 50*time.Millisecond)
	waitForInput()
}

// printer is an Observer for another process.
type printer struct{ out *json.Encoder }

type printed struct {
	Mode   Mode
	Reason string
	PID    int
}

func (p printer) Using(mode Mode, reason string) {
	p.print(printed{Mode: mode, Reason: reason})
}
func (p printer) Received(int)                         {}
func (p printer) Lost(int)                             {}
func (p printer) Scanned(Cause, int, time.Duration)    {}
func (p printer) Matched(found Found, _ time.Duration) { p.print(printed{PID: found.PID}) }

func (p printer) print(what printed) {
	if err := p.out.Encode(what); err != nil {
		panic(err)
	}
}
