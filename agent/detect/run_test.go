//go:build linux

package detect

import (
	"os"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/finos/five-spot/agent/match"
	"github.com/finos/five-spot/pkg/reclaim"
)

const desktop = "0::/user.slice/app.scope\n"

func TestNothingIsDoneWhileNothingIsLookedFor(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	w := newWorld(t, ModeAuto)
	g.Expect(w.Healthy()).To(MatchError(errNotRunning))
	run(t, w.Detector)
	g.Eventually(w.Healthy).Should(Succeed())
	g.Expect(w.Mode()).To(Equal(ModeIdle))
	g.Consistently(func() any { return w.seen.now() }, "50ms").Should(HaveField("Scans", BeEmpty()))
	g.Expect(w.clock.HasWaiters()).To(BeFalse())
	g.Expect(w.kernel.opened).To(BeEmpty())
}

func TestTheModeThatIsAskedForIsUsed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		mode    Mode
		refuses bool
		using   []Mode
		reasons []string
		healthy bool
	}{
		"auto with events":       {"", false, []Mode{ModeNetlink}, []string{""}, true},
		"auto without events":    {ModeAuto, true, []Mode{ModePoll}, []string{errFake.Error()}, true},
		"netlink with events":    {ModeNetlink, false, []Mode{ModeNetlink}, []string{""}, true},
		"netlink without events": {ModeNetlink, true, []Mode{ModeIdle}, []string{errFake.Error()}, false},
		"poll":                   {ModePoll, false, []Mode{ModePoll}, []string{""}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			w := newWorld(t, test.mode)
			w.kernel.refuses.Store(test.refuses)
			w.Arm(commands("idea"), 0)
			run(t, w.Detector)
			w.seen.await(t, "a mode", func(r *report) bool { return len(r.Using) > 0 })
			g.Expect(w.seen.now().Using).To(Equal(test.using))
			g.Expect(w.seen.now().Reasons).To(Equal(test.reasons))
			g.Expect(w.Mode()).To(Equal(test.using[0]))
			if test.healthy {
				w.seen.awaitScan(t, CauseArmed, 1)
				g.Expect(w.Healthy()).To(Succeed())
				return
			}
			g.Eventually(w.Healthy).Should(MatchError(errFake))
			g.Expect(w.seen.now().Scans).To(BeEmpty())
		})
	}
}

func TestEventsArePutToUseAsSoonAsTheyCome(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		mode, meanwhile Mode
		waiters         int
		after           time.Duration
	}{
		"by auto, which polls meanwhile":   {ModeAuto, ModePoll, 2, retryInterval},
		"by netlink, which finds nothing":  {ModeNetlink, ModeIdle, 1, retrySoon},
		"by auto at the second time of it": {ModeAuto, ModePoll, 2, 2 * retryInterval},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			w := newWorld(t, test.mode)
			w.kernel.refuses.Store(true)
			run(t, w.Detector)
			w.Arm(commands("idea"), 0)
			w.seen.awaitMode(t, test.meanwhile)
			for left := test.after; left > 0; left -= retryInterval {
				w.kernel.refuses.Store(left > retryInterval)
				asked := w.kernel.asked.Load()
				w.step(t, test.waiters, min(left, retryInterval))
				g.Eventually(w.kernel.asked.Load).Should(Equal(asked + 1))
			}
			w.seen.awaitMode(t, ModeNetlink)
			g.Eventually(w.Healthy).Should(Succeed())
		})
	}
}

func TestAKernelThatFallsSilentIsAskedAgainAndPollingBridgesTheGap(t *testing.T) {
	t.Parallel()
	for name, silence := range map[string]func(t *testing.T, w fakeWorld, from *fakeSource){
		"it does not tell of our own thread": func(t *testing.T, w fakeWorld, _ *fakeSource) {
			t.Helper()
			w.kernel.deaf.Store(true)
			w.step(t, 1, beatInterval)
		},
		"the socket fails": func(_ *testing.T, _ fakeWorld, from *fakeSource) { close(from.stop) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			w := newWorld(t, ModeAuto)
			run(t, w.Detector)
			w.Arm(commands("idea"), 0)
			from := w.source(t)
			w.seen.awaitScan(t, CauseArmed, 1)
			silence(t, w, from)
			w.seen.awaitMode(t, ModePoll)
			g.Expect(w.seen.now().Reasons).To(HaveExactElements("", errStopped.Error()))
			w.kernel.deaf.Store(false)
			w.step(t, 2, retrySoon)
			w.source(t)
			w.seen.awaitMode(t, ModeNetlink)
			g.Eventually(w.kernel.open.Load).Should(BeEquivalentTo(1))
		})
	}
}

func TestTheSweepFindsWhatTheKernelDidNotTellOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ModeNetlink)
	run(t, w.Detector)
	w.Arm(commands("idea"), 0)
	w.seen.awaitScan(t, CauseArmed, 1)
	w.proc.process(77, 5, "idea\n", "idea\x00", desktop)
	for range beatsPerSweep {
		w.step(t, 1, beatInterval)
	}
	NewWithT(t).Expect(next(t, w.Detector)).To(Equal(Found{PID: 77, Pattern: "idea", At: w.clock.Now()}))
	w.seen.awaitScan(t, CauseSweep, 1)
}

func TestAfterALossAllProcessesAreLookedAt(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	w := newWorld(t, ModeNetlink)
	run(t, w.Detector)
	w.Arm(commands("idea"), 0)
	from := w.source(t)
	w.seen.awaitScan(t, CauseArmed, 1)
	w.proc.process(77, 5, "idea\n", "idea\x00", desktop)
	from.lose()
	g.Expect(next(t, w.Detector).PID).To(Equal(77))
	w.seen.awaitScan(t, CauseLost, 1)
	g.Expect(w.seen.now().Losses).To(Equal(1))
}

func TestALossWhileAllProcessesAreLookedAtIsMadeUpForAfterIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ModeNetlink)
	run(t, w.Detector)
	for pid := 100; pid < 200; pid++ {
		w.proc.process(pid, 5, "vi\n", "vi\x00", desktop)
	}
	w.kernel.loses.Store(true)
	w.Arm(commands("idea"), 0)
	w.seen.awaitScan(t, CauseArmed, 1)
	w.seen.awaitScan(t, CauseLost, 1)
	NewWithT(t).Expect(w.seen.now().Losses).To(Equal(1))
}

func TestAProcessIsFoundOnceUntilItIsAnotherOne(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	w := newWorld(t, ModeNetlink)
	w.proc.process(77, 5, "idea\n", "idea\x00", desktop)
	run(t, w.Detector)
	w.Arm(commands("idea"), 0)
	from := w.source(t)
	g.Expect(next(t, w.Detector).PID).To(Equal(77))
	quiet := func(c change) {
		w.proc.process(78, w.clock.Now().Nanosecond(), "vi\n", "vi\x00", desktop)
		from.put(c)
		g.Consistently(w.Found(), "20ms").ShouldNot(Receive())
	}
	quiet(change{pid: 77})
	quiet(change{pid: 78})
	quiet(change{pid: 79})

	w.proc.process(77, 6, "idea\n", "idea\x00", desktop)
	from.put(change{pid: 77})
	g.Expect(next(t, w.Detector).PID).To(Equal(77), "another process has its PID")

	w.proc.process(77, 6, "vi\n", "vi\x00", desktop)
	quiet(change{pid: 77})
	w.proc.process(77, 6, "idea\n", "idea\x00", desktop)
	from.put(change{pid: 77})
	g.Expect(next(t, w.Detector).PID).To(Equal(77), "it became the program again")
}

func TestProcessesInPodsAreFoundOnlyWhereTheConfigSaysSo(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		pods           bool
		initial, other string
		want           []int
	}{
		"left out":                         {false, "0::/init.scope\n", "0::/kubepods/burstable/pod1/2\n", []int{77}},
		"looked for":                       {true, "0::/init.scope\n", "0::/kubepods/burstable/pod1/2\n", []int{77, 78}},
		"left out, as it looks from a Pod": {false, "0::/../../../../init.scope\n", "0::/../../pod1/2\n", []int{77}},
		"left out, cgroups of version 1":   {false, "4:memory:/\n", "9:cpu:/\n4:memory:/kubepods/pod1/2\n", []int{77}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, ModePoll)
			w.proc.process(1, 1, "init\n", "/sbin/init\x00", test.initial)
			w.proc.process(77, 5, "idea\n", "idea\x00", "0::/../../../../user.slice\n")
			w.proc.process(78, 5, "idea\n", "idea\x00", test.other)
			found, err := Scan(w.proc.root, match.New(reclaim.Config{Commands: []string{"idea"}, MatchPods: test.pods}), w.clock.Now())
			g := NewWithT(t)
			g.Expect(err).NotTo(HaveOccurred())
			var got []int
			for _, f := range found {
				got = append(got, f.PID)
			}
			slices.Sort(got)
			g.Expect(got).To(Equal(test.want))
		})
	}
}

func TestWhatWasFoundBeforeIsGoneWhenSomethingElseIsLookedFor(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	w := newWorld(t, ModePoll)
	for pid := 100; pid < 100+2*maxFound; pid++ {
		w.proc.process(pid, 5, "idea\n", "idea\x00", desktop)
	}
	w.proc.process(99, 5, "goland\n", "goland\x00", desktop)
	run(t, w.Detector)
	w.Arm(commands("idea"), 0)
	w.seen.await(t, "all of them", func(r *report) bool { return len(r.Matches) == 2*maxFound })
	g.Expect(w.Found()).To(HaveLen(maxFound), "who does not read holds nothing up")
	w.Arm(commands("goland"), 0)
	g.Expect(next(t, w.Detector).Pattern).To(Equal("goland"))
	w.Arm(nil, 0)
	w.seen.awaitMode(t, ModeIdle)
	g.Expect(w.Found()).To(BeEmpty())
}

func TestWhatIsFoundTooLateIsNotTold(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	w := newWorld(t, ModePoll)
	w.Arm(commands("idea"), 0)
	late := &watch{Detector: w.Detector, arming: w.arming}
	late.tell(1, "idea", 0)
	g.Expect(w.Found()).To(Receive())
	w.Arm(nil, 0)
	late.tell(2, "idea", 0)
	g.Expect(w.Found()).NotTo(Receive())
	g.Expect(w.seen.now().Matches).To(HaveLen(1))
}

func TestADetectorWhoseProcIsMissingIsNotHealthyUntilItIsThere(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	w := newWorld(t, ModePoll)
	w.ProcRoot += "/mount"
	run(t, w.Detector)
	w.Arm(commands("idea"), 0)
	g.Eventually(w.Healthy).Should(MatchError(os.ErrNotExist))
	w.proc.write("mount/77/stat", "77 (idea) S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 5 23 24\n")
	w.proc.write("mount/77/comm", "idea\n")
	w.proc.write("mount/77/cgroup", desktop)
	w.proc.write("mount/77/cmdline", "idea\x00")
	w.step(t, 1, retrySoon)
	g.Expect(next(t, w.Detector).PID).To(Equal(77))
	g.Eventually(w.Healthy).Should(Succeed())
}

func TestAProcOfOtherPIDsIsPolled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ModeAuto)
	w.proc.remove("self")
	run(t, w.Detector)
	w.Arm(commands("idea"), 0)
	w.seen.awaitMode(t, ModePoll)
	NewWithT(t).Expect(w.seen.now().Reasons).To(Equal([]string{errOtherPIDs.Error()}))
}

func TestADetectorThatIsStuckIsNotHealthy(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	w := newWorld(t, ModePoll)
	w.setRunning(true)
	stuck := &watch{Detector: w.Detector}
	stuck.busy()
	w.clock.Step(stuckAfter)
	g.Expect(w.Healthy()).To(Succeed())
	w.clock.Step(time.Nanosecond)
	g.Expect(w.Healthy()).To(MatchError(errStuck))
	stuck.idle()
	g.Expect(w.Healthy()).To(Succeed())
	w.setRunning(false)
	g.Expect(w.Healthy()).To(MatchError(errNotRunning))
}

func TestModesAreParsed(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"auto", "netlink", "poll"} {
		mode, err := ParseMode(text)
		NewWithT(t).Expect(mode, err).To(BeEquivalentTo(text))
	}
	for _, text := range []string{"", "idle", "Auto", "ebpf"} {
		_, err := ParseMode(text)
		NewWithT(t).Expect(err).To(MatchError("the detector must be auto, netlink or poll"))
	}
}
