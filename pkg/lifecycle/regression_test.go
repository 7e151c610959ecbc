package lifecycle

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/finos/five-spot/api/v1alpha1"
)

// persisted is o as the next decision sees it, after the status of d was written.
func persisted(o Observation, d Decision) Observation {
	o.Object.Phase, o.Object.Shutdown, o.Object.RecentReclaims = d.Phase, d.Shutdown, d.RecentReclaims
	return o
}

func TestErrorIsNotAbsorbing(t *testing.T) {
	t.Parallel()
	for _, cause := range []change{invalidSpec, foreign} {
		for _, given := range []Observation{running(), running(confirmedGone), resting()} {
			broken := with(given, cause)
			d := Decide(broken)
			if d.Phase != v1alpha1.PhaseError {
				t.Fatalf("phase = %s, want Error", d.Phase)
			}
			mended := persisted(given, d)
			if got := Decide(mended); got.Phase == v1alpha1.PhaseError || got.Rule == RuleInvalid {
				t.Errorf("after the cause has gone: %s", brief(mended, got))
			}
		}
	}
}

func TestTerminatedIsNotTerminal(t *testing.T) {
	t.Parallel()
	o := running(confirmedGone, killSwitch, phase(v1alpha1.PhaseTerminated))
	o = persisted(o, Decide(o))
	o.Object.KillSwitch = false
	o = persisted(o, Decide(o))
	if d := Decide(o); d.Phase != v1alpha1.PhasePending || !d.Has(ActionEnsureMachine) {
		t.Errorf("killSwitch false leads back through the rules, but decided %s", brief(o, d))
	}
}

func TestKillSwitchActsInEveryPhase(t *testing.T) {
	t.Parallel()
	for _, p := range append([]v1alpha1.Phase{""}, v1alpha1.Phases()...) {
		t.Run("from phase "+string(p), func(t *testing.T) {
			t.Parallel()
			o := running(phase(p), killSwitch)
			o = persisted(o, Decide(o))
			d := Decide(o)
			if d.Phase != v1alpha1.PhaseTerminated || len(d.Actions) != 1 || d.Actions[0] != deletion(true, true) {
				t.Errorf("decided %s", brief(o, d))
			}
		})
	}
}

func TestDisabledGetsTheFullGrace(t *testing.T) {
	t.Parallel()
	o := running(disabled)
	o = persisted(o, Decide(o))
	o = persisted(o, Decide(o))
	o.Now = ten.Add(o.Object.NodeDrainTimeout - time.Second)
	if d := Decide(o); !d.Has(ActionDrainNode) || d.Has(ActionDeleteMachine) {
		t.Errorf("a second before the timeout the Node is still drained, but decided %s", brief(o, d))
	}
}

func TestShutdownClocksSurviveOtherTransitions(t *testing.T) {
	t.Parallel()
	o := running(closed)
	o = persisted(o, Decide(o))
	o = persisted(o, Decide(o))
	started, drainStarted := o.Object.Shutdown.StartedAt, *o.Object.Shutdown.DrainStartedAt
	transitions := []change{
		invalidSpec, calendarMissing, disabled, clusterDeleting, unreachable, pausedObject,
		func(o *Observation) { o.Pause = Pause{Since: o.Now} }, deleted, killSwitch,
	}
	for i, transition := range transitions {
		o.Now = o.Now.Add(time.Second)
		transition(&o)
		d := Decide(o)
		if d.Shutdown == nil || !d.Shutdown.StartedAt.Equal(&started) || !d.Shutdown.DrainStartedAt.Equal(&drainStarted) {
			t.Fatalf("transition %d lost a clock: %s", i, brief(o, d))
		}
		o = persisted(o, d)
	}
}

func TestARestartNeitherRestartsNorSkipsATimeout(t *testing.T) {
	t.Parallel()
	// All that a restarted controller has is what was persisted.
	o := running(closed, unreachable, shutdown(windowClosed, "09:50:00"))
	o.Object.GracefulShutdownTimeout = 15 * time.Minute
	if d := Decide(o); d.Has(ActionDeleteMachine) || !d.WakeAt.Equal(at("10:05:00")) {
		t.Errorf("before the deadline: %s", brief(o, d))
	}
	o.Now = at("13:00:00")
	if d := Decide(o); !d.Has(ActionDeleteMachine) {
		t.Errorf("after a long downtime: %s", brief(o, d))
	}
}

func TestShutdownLooksAtTheScheduleAgain(t *testing.T) {
	t.Parallel()
	o := running(closed)
	o = persisted(o, Decide(o))
	o = persisted(o, Decide(o))
	o = with(o, open)
	o.Node.CordonedByUs = true
	if d := Decide(o); d.Phase != v1alpha1.PhaseActive || d.Shutdown != nil || !d.Has(ActionUncordonNode) {
		t.Errorf("a window that opens again cancels the shutdown, but decided %s", brief(o, d))
	}
}

func TestAWindowThatReopensWhileTheMachineIsDeletedEndsInANewMachine(t *testing.T) {
	t.Parallel()
	o := running(machineDeleting, shutdown(windowClosed, "09:59:00"))
	waiting := Decide(o)
	if waiting.Has(ActionEnsureMachine) {
		t.Fatalf("creates under the name of a Machine that is still there: %s", brief(o, waiting))
	}
	o = with(persisted(o, waiting), confirmedGone)
	if d := Decide(o); !d.Has(ActionEnsureMachine) || d.Shutdown != nil {
		t.Errorf("when the Machine is gone the next is created, but decided %s", brief(o, d))
	}
}

func TestTheFinalizerWaitsUntilTheMachineIsGone(t *testing.T) {
	t.Parallel()
	for _, p := range v1alpha1.Phases() {
		t.Run("from phase "+string(p), func(t *testing.T) {
			t.Parallel()
			o := running(phase(p), deleted)
			o = persisted(o, Decide(o))
			o.Object.Shutdown.Drained = true
			for _, state := range []change{nothing, machineDeleting, notInCache} {
				state(&o)
				d := Decide(o)
				if d.Has(ActionReleaseFinalizer) {
					t.Fatalf("released too early: %s", brief(o, d))
				}
				o = persisted(o, d)
			}
			o = with(o, confirmedGone)
			if d := Decide(o); !d.Has(ActionReleaseFinalizer) {
				t.Errorf("not released when the Machine is gone: %s", brief(o, d))
			}
		})
	}
}

func TestNoPhaseLeaksAMachine(t *testing.T) {
	t.Parallel()
	for _, p := range []v1alpha1.Phase{v1alpha1.PhasePending, v1alpha1.PhaseError, v1alpha1.PhaseEmergencyRemove} {
		for name, leave := range map[string]change{"window closes": closed, "is disabled": disabled, "is deleted": deleted} {
			t.Run(string(p)+" "+name, func(t *testing.T) {
				t.Parallel()
				o := running(phase(p), leave, noNode)
				begun := Decide(o)
				o = persisted(o, begun)
				if d := Decide(o); begun.Shutdown == nil || !d.Has(ActionDeleteMachine) {
					t.Errorf("the Machine stays: %s", brief(o, d))
				}
			})
		}
	}
}

func TestAPauseDuringAnImmediateRemovalIsNotCountedTwice(t *testing.T) {
	t.Parallel()
	// The kill switch works through a pause and writes clocks during it.
	o := running(pausedObject, pauseSince("09:00:00"), killSwitch)
	o = persisted(o, Decide(o))
	o.Object.KillSwitch, o.Pause.Object = false, false
	o.Now = at("10:01:00")
	o = with(o, closed)
	if got := Decide(o).Shutdown.PausedSeconds; got != 60 {
		t.Errorf("PausedSeconds = %d, want the minute since the shutdown began", got)
	}
}

func TestClocksAreWholeSeconds(t *testing.T) {
	t.Parallel()
	o := running(closed, now("10:00:00.7"))
	want := metav1.NewTime(at("10:00:00"))
	if got := Decide(o).Shutdown.StartedAt; !got.Equal(&want) {
		t.Errorf("StartedAt = %v: what is read back would differ", got)
	}
}
