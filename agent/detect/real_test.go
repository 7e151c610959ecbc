//go:build linux

package detect

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/finos/five-spot/agent/match"
	"github.com/finos/five-spot/pkg/reclaim"
)

func TestTheKernelTellsOfAProgramWhenItIsStarted(t *testing.T) {
	t.Parallel()
	needsEvents(t)
	d, seen := local(t, ModeAuto)
	run(t, d)
	d.Arm(commands("five-a"), time.Hour)
	seen.awaitScan(t, CauseArmed, 1)
	p := start(t, program(t, "five-a"), "wait")

	g := NewWithT(t)
	before := time.Now()
	f := next(t, d)
	g.Expect(f.PID).To(Equal(p.Process.Pid))
	g.Expect(f.Pattern).To(Equal("five-a"))
	g.Expect(f.At).To(BeTemporally("~", before, 20*time.Second))
	seen.await(t, "its latency", func(r *report) bool { return len(r.Latencies) == 1 && r.Latencies[0] > 0 && r.Events > 0 })
	g.Expect(d.Mode()).To(Equal(ModeNetlink))
	g.Expect(d.Healthy()).To(Succeed())
}

func TestWhatTheKernelTellsIsMatchedByItsArgumentsToo(t *testing.T) {
	t.Parallel()
	needsEvents(t)
	d, seen := local(t, ModeNetlink)
	run(t, d)
	d.Arm(match.New(reclaim.Config{ArgvSubstrings: []string{"five-b -jar ide"}}), time.Hour)
	seen.awaitScan(t, CauseArmed, 1)
	start(t, program(t, "five-b"), "wait", "-jar", "other")
	p := start(t, program(t, "five-b"), "wait", "-jar", "ide.jar")
	NewWithT(t).Expect(next(t, d).PID).To(Equal(p.Process.Pid))
}

func TestANameLongerThanTheKernelKeepsIsFound(t *testing.T) {
	t.Parallel()
	needsEvents(t)
	d, seen := local(t, ModeNetlink)
	run(t, d)
	d.Arm(commands("five-with-a-name-of-many-letters"), time.Hour)
	seen.awaitScan(t, CauseArmed, 1)
	start(t, program(t, "five-with-a-name-of-other-letters"), "wait")
	p := start(t, program(t, "five-with-a-name-of-many-letters"), "wait")
	NewWithT(t).Expect(next(t, d).PID).To(Equal(p.Process.Pid))
}

func TestTheKernelTellsOfAChangeOfName(t *testing.T) {
	t.Parallel()
	needsEvents(t)
	d, seen := local(t, ModeNetlink)
	run(t, d)
	p := start(t, program(t, "five-c"), "rename", "five-c-too")
	d.Arm(commands("five-c-too"), time.Hour)
	seen.awaitScan(t, CauseArmed, 1)
	p.tick(t)
	p.line(t)
	NewWithT(t).Expect(next(t, d).PID).To(Equal(p.Process.Pid))
}

// How short a life is seen depends on how busy the machine is, and is measured instead.
func TestAProgramThatEndsSoonIsNotLostAmongOthers(t *testing.T) {
	t.Parallel()
	needsEvents(t)
	d, seen := local(t, ModeNetlink)
	run(t, d)
	d.Arm(commands("five-d"), time.Hour)
	seen.awaitScan(t, CauseArmed, 1)

	ended := make(chan struct{})
	t.Cleanup(func() { <-ended })
	go func() {
		defer close(ended)
		for range 400 {
			_ = exec.CommandContext(t.Context(), "/bin/true").Run()
		}
	}()
	path := program(t, "five-d")
	var want []int
	for range 10 {
		want = append(want, start(t, path, "live", "500ms").Process.Pid)
	}
	seen.await(t, "all of them", func(r *report) bool { return len(r.Matches) >= len(want) })
	var got []int
	for range want {
		got = append(got, next(t, d).PID)
	}
	slices.Sort(want)
	slices.Sort(got)
	NewWithT(t).Expect(got).To(Equal(want))
}

func TestWhatRunsAlreadyIsFoundAndIsFoundAgainWhenItIsArmedAgain(t *testing.T) {
	t.Parallel()
	for _, mode := range []Mode{ModeNetlink, ModePoll} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			if mode == ModeNetlink {
				needsEvents(t)
			}
			name := "five-e-" + string(mode)
			p := start(t, program(t, name), "wait")
			d, seen := local(t, mode)
			run(t, d)
			for range 3 {
				d.Arm(commands(name), time.Hour)
				g.Expect(next(t, d).PID).To(Equal(p.Process.Pid))
			}
			d.Arm(nil, 0)
			seen.awaitMode(t, ModeIdle)
			g.Expect(d.Found()).To(BeEmpty())
		})
	}
}

func TestPollingFindsAProgramThatIsStarted(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	d, seen := local(t, ModePoll)
	run(t, d)
	d.Arm(commands("five-f"), 50*time.Millisecond)
	seen.awaitScan(t, CausePoll, 1)
	p := start(t, program(t, "five-f"), "wait")
	g.Expect(next(t, d).PID).To(Equal(p.Process.Pid))
	polled := seen.now().Scans[CausePoll]
	seen.awaitScan(t, CausePoll, polled+3)
	g.Expect(d.Found()).To(BeEmpty(), "it was found twice")
	g.Expect(d.Mode()).To(Equal(ModePoll))
	g.Expect(seen.now().Reasons).To(Equal([]string{""}), "it was asked for")
}

func TestPollingFindsAProcessThatBecomesAnotherProgram(t *testing.T) {
	t.Parallel()
	d, seen := local(t, ModePoll)
	run(t, d)
	// Its PID and its start stay the same, and it has been looked at before.
	p := start(t, program(t, "five-g"), "become", program(t, "five-g-too"))
	d.Arm(commands("five-g-too"), 50*time.Millisecond)
	seen.awaitScan(t, CausePoll, 2)
	p.tick(t)
	NewWithT(t).Expect(next(t, d).PID).To(Equal(p.Process.Pid))
}

func TestWithoutTheHostsNamespacesTheDetectorPollsAndSaysWhy(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		program string
		flags   uintptr
		reason  error
	}{
		"a network namespace of its own": {"five-h", syscall.CLONE_NEWNET, errRefused},
		"a PID namespace of its own":     {"five-i", syscall.CLONE_NEWPID, errOtherPIDs},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			cmd := exec.CommandContext(t.Context(), os.Args[0], test.program)
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: test.flags}
			detector := startCmd(t, cmd, "detect")
			tells := func() (p printed) {
				g.Expect(json.NewDecoder(strings.NewReader(detector.line(t))).Decode(&p)).To(Succeed())
				return p
			}
			for p := (printed{Mode: ModeIdle}); p.Mode != ModePoll; {
				g.Expect(p).To(Equal(printed{Mode: ModeIdle}))
				p = tells()
				if p.Mode == ModePoll {
					g.Expect(p.Reason).To(Equal(test.reason.Error()))
				}
			}
			found := start(t, program(t, test.program), "wait")
			g.Expect(tells()).To(Equal(printed{PID: found.Process.Pid}))
		})
	}
}

func TestScanFindsWhatRuns(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	p := start(t, program(t, "five-j"), "wait")
	now := time.Unix(1, 0)
	g.Eventually(func() ([]Found, error) { return Scan(DefaultProcRoot, commands("five-j"), now) }).
		Should(Equal([]Found{{PID: p.Process.Pid, Pattern: "five-j", At: now}}))
	_, err := Scan(t.TempDir()+"/none", commands("x"), now)
	g.Expect(err).To(MatchError(os.ErrNotExist))
}
