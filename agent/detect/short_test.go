//go:build linux

package detect

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"
	clocktesting "k8s.io/utils/clock/testing"
)

// These tests are about programs that end soon. When the agent gets to look depends on the
// machine: Linux promises a processor to nobody within 50 ms. What the agent does until it
// has looked does not.

// TestAProgramOfFiftyMillisecondsIsFound gives the machine three tries for each program,
// and no time: one that is started when it has ended tells that its turn has passed.
func TestAProgramOfFiftyMillisecondsIsFound(t *testing.T) {
	t.Parallel()
	needsEvents(t)
	g := NewWithT(t)
	d, seen := local(t, ModeNetlink)
	run(t, d)
	sleep, err := exec.LookPath("sleep")
	g.Expect(err).NotTo(HaveOccurred())
	short := filepath.Join(t.TempDir(), "five-k")
	g.Expect(os.Symlink(sleep, short)).To(Succeed())
	marker := program(t, "five-k")
	d.Arm(commands("five-k"), time.Hour)
	seen.awaitScan(t, CauseArmed, 1)

	isFound := func() (found bool) {
		cmd := exec.CommandContext(t.Context(), short, "0.05")
		g.Expect(cmd.Run()).To(Succeed())
		after := start(t, marker, "wait")
		defer after.tick(t)
		for {
			switch next(t, d).PID {
			case cmd.Process.Pid:
				found = true
			case after.Process.Pid:
				return found
			}
		}
	}
	const programs, tries = 50, 3
	for range programs {
		missed := 0
		for !isFound() {
			missed++
			g.Expect(missed).To(BeNumerically("<", tries), "it was missed again and again")
		}
	}
}

func TestNoTimerIsBetweenTheKernelsWordAndTheLook(t *testing.T) {
	t.Parallel()
	needsEvents(t)
	seen, stopped := newNotes(), clocktesting.NewFakeClock(time.Unix(1_800_000_000, 0))
	d := New(Options{Mode: ModeNetlink, Clock: stopped, Log: logr.Discard(), Observer: seen})
	run(t, d)
	t.Cleanup(func() { stopped.Step(time.Hour) }) // Whoever waits for it may end.
	d.Arm(commands("five-l"), time.Hour)
	seen.awaitScan(t, CauseArmed, 1)
	p := start(t, program(t, "five-l"), "wait")
	NewWithT(t).Expect(next(t, d).PID).To(Equal(p.Process.Pid))
}

func TestOnlyTheProcessThatTheKernelTellsOfIsRead(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		comm, cmdline string
		want          []string
	}{
		"a process that matches":   {"idea\n", "idea\x00", []string{"cmdline", "comm", "cmdline", "comm", "stat", "cgroup"}},
		"one that does not":        {"vi\n", "vi\x00", []string{"cmdline", "comm"}},
		"one that has ended":       {"idea\n", "", []string{"cmdline"}},
		"one with a long argument": {"vi\n", "vi\x00" + string(bytes.Repeat([]byte{'x'}, usualCmdline)), []string{"cmdline", "cmdline", "comm"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			w := newWorld(t, ModeNetlink)
			for pid := 1000; pid < 1200; pid++ {
				w.proc.process(pid, 5, "other\n", "other\x00", desktop)
			}
			run(t, w.Detector)
			w.Arm(commands("idea", "last"), time.Hour)
			from := w.source(t)
			w.seen.awaitScan(t, CauseArmed, 1)
			w.proc.process(77, 5, test.comm, test.cmdline, desktop)
			w.proc.process(78, 5, "last\n", "last\x00", desktop)
			reads := watchReads(t, w.proc.root, filepath.Join(w.proc.root, "77"), filepath.Join(w.proc.root, "1100"))
			from.put(change{pid: 77})
			from.put(change{pid: 78})
			for f := next(t, w.Detector); f.PID != 78; f = next(t, w.Detector) {
				g.Expect(f.PID).To(Equal(77))
			}
			g.Expect(reads()).To(Equal(test.want))
		})
	}
}

// watchReads returns what tells which files were opened in the folders, and as "list" that
// one of them was listed.
func watchReads(tb testing.TB, folders ...string) func() []string {
	tb.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = unix.Close(fd) })
	for _, folder := range folders {
		if _, err := unix.InotifyAddWatch(fd, folder, unix.IN_OPEN|unix.IN_ACCESS); err != nil {
			tb.Fatal(err)
		}
	}
	return func() (read []string) {
		buffer := make([]byte, 64<<10)
		for {
			n, err := unix.Read(fd, buffer)
			if errors.Is(err, unix.EAGAIN) {
				return read
			}
			if err != nil {
				tb.Fatal(err)
			}
			for events := buffer[:n]; len(events) >= unix.SizeofInotifyEvent; {
				mask, length := binary.NativeEndian.Uint32(events[4:]), int(binary.NativeEndian.Uint32(events[12:]))
				name, _, _ := bytes.Cut(events[unix.SizeofInotifyEvent:unix.SizeofInotifyEvent+length], []byte{0})
				switch {
				case mask&unix.IN_ISDIR != 0 && mask&unix.IN_ACCESS != 0:
					read = append(read, "list")
				case mask&unix.IN_ISDIR == 0 && mask&unix.IN_OPEN != 0:
					read = append(read, string(name))
				}
				events = events[unix.SizeofInotifyEvent+length:]
			}
		}
	}
}
