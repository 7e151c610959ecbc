//go:build linux

package detect

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
)

// fakeKernel stands for the kernel's side of the proc connector.
type fakeKernel struct {
	refuses atomic.Bool
	deaf    atomic.Bool
	// loses is whether a subscription begins with a loss.
	loses  atomic.Bool
	asked  atomic.Int32
	opened chan *fakeSource
	open   atomic.Int32
}

var errFake = errors.New("the kernel is fake")

func (k *fakeKernel) listen(clock.Clock) (source, error) {
	defer k.asked.Add(1)
	if k.refuses.Load() {
		return nil, errFake
	}
	from := &fakeSource{kernel: k, queue: newQueue(), stop: make(chan struct{})}
	if k.loses.Load() {
		from.lose()
	}
	k.open.Add(1)
	k.opened <- from
	return from, nil
}

type fakeSource struct {
	*queue
	kernel *fakeKernel
	stop   chan struct{}
}

func (s *fakeSource) changes() *queue        { return s.queue }
func (s *fakeSource) received() int          { return 0 }
func (s *fakeSource) beat() bool             { return !s.kernel.deaf.Load() }
func (s *fakeSource) ended() <-chan struct{} { return s.stop }
func (s *fakeSource) close()                 { s.kernel.open.Add(-1) }

// fakeProc is a /proc.
type fakeProc struct {
	t    testing.TB
	root string
}

func newProc(tb testing.TB) fakeProc {
	tb.Helper()
	p := fakeProc{tb, tb.TempDir()}
	for _, name := range []string{"uptime", "12x", "-5", "0"} {
		p.write(name, "not a process")
	}
	// The kernel tells of the agent by the same number.
	if err := os.Symlink(strconv.Itoa(os.Getpid()), filepath.Join(p.root, "self")); err != nil {
		tb.Fatal(err)
	}
	p.process(1, 1, "init\n", "/sbin/init\x00", "0::/init.scope\n")
	p.process(2, 1, "kthreadd\n", "", "0::/\n")
	return p
}

func (p fakeProc) write(path, content string) {
	p.t.Helper()
	path = filepath.Join(p.root, path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
		p.t.Fatal(err)
	}
}

func (p fakeProc) process(pid, started int, comm, cmdline, cgroup string) {
	p.t.Helper()
	dir := strconv.Itoa(pid)
	p.write(dir+"/comm", comm)
	p.write(dir+"/cgroup", cgroup)
	p.write(dir+"/stat", fmt.Sprintf("%d (%s) S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 %d 23 24\n", pid, comm, started))
	p.write(dir+"/cmdline", cmdline)
}

func (p fakeProc) remove(path string) {
	p.t.Helper()
	if err := os.RemoveAll(filepath.Join(p.root, path)); err != nil {
		p.t.Fatal(err)
	}
}

// fakeWorld is a Detector in which nothing is real.
type fakeWorld struct {
	*Detector
	seen   *notes
	clock  *clocktesting.FakeClock
	kernel *fakeKernel
	proc   fakeProc
}

func newWorld(tb testing.TB, mode Mode) fakeWorld {
	tb.Helper()
	w := fakeWorld{
		seen: newNotes(), clock: clocktesting.NewFakeClock(time.Unix(1_800_000_000, 0)),
		kernel: &fakeKernel{opened: make(chan *fakeSource, 16)}, proc: newProc(tb),
	}
	w.Detector = New(Options{Mode: mode, ProcRoot: w.proc.root, Clock: w.clock, Log: logr.Discard(), Observer: w.seen})
	w.listen = w.kernel.listen
	tb.Cleanup(func() {
		if open := w.kernel.open.Load(); open != 0 {
			tb.Errorf("%d subscriptions were left open", open)
		}
	})
	return w
}

// step moves the clock on when that many wait for it.
func (w fakeWorld) step(tb testing.TB, waiters int, d time.Duration) {
	tb.Helper()
	limit := time.Now().Add(20 * time.Second)
	for w.clock.Waiters() != waiters {
		if time.Now().After(limit) {
			tb.Fatalf("%d wait for the clock", w.clock.Waiters())
		}
		<-time.After(time.Millisecond)
	}
	w.clock.Step(d)
}

func (w fakeWorld) source(tb testing.TB) *fakeSource {
	tb.Helper()
	select {
	case from := <-w.kernel.opened:
		return from
	case <-time.After(20 * time.Second):
		tb.Fatal("the kernel was not asked")
		return nil
	}
}
