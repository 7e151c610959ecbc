package lifecycle

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/finos/five-spot/api/v1alpha1"
)

// dimension is one input of the walk: all its values, by name.
type dimension struct {
	name   string
	values []value
}

type value struct {
	name  string
	apply change
}

func nothing(*Observation) {}

// dimensions are multiplied with each other. Later ones see what earlier ones set.
func dimensions() []dimension {
	return []dimension{
		{"machine", []value{
			{"none", notInCache},
			{"confirmed gone", confirmedGone},
			{"gone with leftovers", func(o *Observation) { confirmedGone(o); leftovers(o) }},
			{"joining", noNode},
			{"running", nothing},
			{"deleting", machineDeleting},
			{"deleting without waits", func(o *Observation) { machineDeleting(o); skipping(o) }},
			{"deleting, still paused", func(o *Observation) { machineDeleting(o); stillPaused(o) }},
		}},
		{"node", []value{
			{"as the machine", nothing},
			{"unreachable", unreachable},
			{"first seen", func(o *Observation) { o.Object.HasNodeRef = false; o.Node.HasOwnTaints = true }},
			{"not ready", notReady},
			{"reclaim requested", reclaimRequested},
			{"cordoned by us", func(o *Observation) { o.Node.CordonedByUs = true }},
		}},
		{"pause", []value{
			{"none", nothing},
			{"object", func(o *Observation) { pausedObject(o); pauseSince("09:50:00")(o) }},
			{"cluster", func(o *Observation) { pausedCluster(o); pauseSince("09:50:00")(o) }},
			{"just ended", pauseSince("09:50:00")},
		}},
		{"deletion", []value{
			{"none", nothing}, {"recent", deletedAt("09:59:00")}, {"past the finalizer timeout", deletedAt("09:00:00")},
		}},
		{"kill switch", []value{{"off", nothing}, {"on", killSwitch}}},
		{"schedule.enabled", []value{{"true", nothing}, {"false", disabled}}},
		{"cluster", []value{
			{"ready", nothing}, {"missing", withoutCluster}, {"deleting", clusterDeleting}, {"not initialized", withoutControlPlane},
		}},
		{"spec", []value{{"valid", nothing}, {"invalid", invalidSpec}, {"calendar missing", calendarMissing}, {"foreign", foreign}}},
		{"schedule", []value{{"open", nothing}, {"closed", closed}, {"lead time", func(o *Observation) { closed(o); leadTime(o) }}}},
		{"shutdown", []value{
			{"none", nothing},
			{"begun", shutdown(windowClosed, "09:59:30")},
			{"draining", shutdown(windowClosed, "09:59:30", draining("09:59:31"))},
			{"drained", shutdown(windowClosed, "09:59:30", draining("09:59:31"), drained)},
			{"drain timed out", shutdown(v1alpha1.ShutdownDisabled, "09:45:00", draining("09:45:00"))},
			{"timed out", shutdown(deletedReason, "09:00:00", draining("09:00:00"), pausedFor(1))},
			{"reclaim begun", emergency("09:59:30")},
			{"reclaim timed out", emergency("09:45:00", draining("09:45:00"))},
			{"killed", shutdown(v1alpha1.ShutdownKillSwitch, "09:59:30")},
		}},
	}
}

var threeReclaims = []time.Time{at("09:40:00"), at("09:41:00"), at("09:42:00")}

// varied are the inputs that are not multiplied, but shaken over the walk, so that
// each of their values meets each combination of a few others many times.
func varied(o *Observation, step, round int) {
	bits := rand.New(rand.NewPCG(uint64(step), uint64(round))).Uint64()
	turn := func(bit int) bool { return bits>>bit&1 == 1 }
	phases := append([]v1alpha1.Phase{""}, v1alpha1.Phases()...)
	o.Object.Phase = phases[bits>>32%uint64(len(phases))]
	o.Settings.ForceFinalizer = turn(1)
	o.Object.HasFinalizer = turn(2) || turn(3)
	o.Object.HasMachineRef = turn(4)
	o.Object.WantsTaints, o.Object.WantsReclaimAgent = turn(5), turn(6)
	if turn(7) && turn(8) {
		o.Object.RecentReclaims = append(slices.Clone(threeReclaims), o.Object.RecentReclaims...)
	}
	if turn(9) {
		o.CreateNotBefore = ten.Add(30 * time.Second)
	}
	if turn(10) {
		referenceMissing(o)
	}
	if turn(11) {
		o.Schedule.NextChange = never
	}
}

// rounds is how often an observation is decided with other varied inputs. The last
// rules of the list get more, because the first ones decide most of the walk.
func rounds(o Observation) int {
	if isPaused(o) || isDeleting(o) || isKilled(o) {
		return 1
	}
	return 4
}

// TestEveryDecisionKeepsTheInvariants walks over the cross product of the inputs.
func TestEveryDecisionKeepsTheInvariants(t *testing.T) {
	t.Parallel()
	all := dimensions()
	for i, machine := range all[0].values {
		t.Run("machine "+machine.name, func(t *testing.T) {
			t.Parallel()
			walk(t, all, i)
		})
	}
}

// walk decides all observations of which the first dimension has its given value.
func walk(t *testing.T, all []dimension, first int) {
	t.Helper()
	total := 1
	for _, d := range all {
		total *= len(d.values)
	}
	decided := map[Rule]int{}
	checked, base := invariants(), running()
	for step := first; step < total; step += len(all[0].values) {
		o := observed(base, all, step)
		for round := range rounds(o) {
			o := o
			varied(&o, step, round)
			d := Decide(o)
			decided[d.Rule]++
			for _, invariant := range checked {
				if broken := invariant.check(o, d); broken != "" {
					t.Fatalf("%s: %s\n%s round=%d\ndecided: %s\n%q", invariant.name, broken, where(all, step), round, brief(o, d), d.Message)
				}
			}
		}
	}
	if len(decided) != len(rulesInOrder) {
		t.Errorf("the walk met only the rules %v", decided)
	}
	t.Logf("decided by %v", decided)
}

func observed(o Observation, all []dimension, step int) Observation {
	for _, d := range all {
		d.values[step%len(d.values)].apply(&o)
		step /= len(d.values)
	}
	return o
}

func where(all []dimension, step int) string {
	text := fmt.Sprintf("step %d:", step)
	for _, d := range all {
		text += fmt.Sprintf(" %s=%s;", d.name, d.values[step%len(d.values)].name)
		step /= len(d.values)
	}
	return text
}

var rulesInOrder = []Rule{
	RulePaused, RuleDeleting, RuleKillSwitch, RuleEmergencyReclaim, RuleDisabled,
	RuleClusterGoing, RuleInvalid, RuleScheduleUnknown, RuleWindowOpen, RuleWindowClosed,
}

func TestRulesAreTriedInTheirDocumentedOrder(t *testing.T) {
	t.Parallel()
	var names []Rule
	for _, r := range rules() {
		names = append(names, r.name)
	}
	if diff := cmp.Diff(rulesInOrder, names); diff != "" {
		t.Errorf("order of the rules (-want +got):\n%s", diff)
	}
	// Everything holds at once; the causes then go one after the other.
	o := running(pausedObject, deleted, reclaimRequested, disabled, clusterDeleting, invalidSpec, calendarMissing)
	mended := []change{
		func(o *Observation) { o.Pause = Pause{} },
		func(o *Observation) { o.Object.DeletedAt = never; killSwitch(o) },
		func(o *Observation) { o.Object.KillSwitch = false },
		func(o *Observation) { o.Node.ReclaimRequested = false },
		func(o *Observation) { o.Object.Enabled = true },
		func(o *Observation) { o.Cluster.Deleting = false },
		func(o *Observation) { o.Object.Invalid = nil },
		func(o *Observation) { o.ScheduleUnknown = nil },
		closed,
	}
	got := []Rule{Decide(o).Rule}
	for _, mend := range mended {
		mend(&o)
		got = append(got, Decide(o).Rule)
	}
	if diff := cmp.Diff(rulesInOrder, got); diff != "" {
		t.Errorf("precedence (-want +got):\n%s", diff)
	}
}

func TestDecideChangesNothingInItsObservation(t *testing.T) {
	t.Parallel()
	build := func() Observation {
		return running(closed, reclaimRequested, pauseSince("09:50:00"), reclaims("01:00:00", "02:00:00"),
			shutdown(windowClosed, "09:49:00", draining("09:49:00")))
	}
	o, same := build(), build()
	d := Decide(o)
	d.Shutdown.Drained = true
	d.RecentReclaims[0] = ten.Add(time.Hour)
	if diff := cmp.Diff(same, o); diff != "" {
		t.Errorf("the observation changed (-want +got):\n%s", diff)
	}
}

// has tells whether d does any of the kinds.
func has(d Decision, kinds ...ActionKind) bool { return slices.ContainsFunc(kinds, d.Has) }

func shutsDown(d Decision) bool { return has(d, ActionDrainNode, ActionDeleteMachine) }
