package lifecycle

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/schedule"
)

// The tests play on a Monday morning at ten, in a window from nine to six.
var (
	ten   = at("10:00:00")
	never = time.Time{}
)

func at(clock string) time.Time {
	parsed, err := time.Parse(time.RFC3339, "2026-11-23T"+clock+"Z")
	if err != nil {
		panic(err)
	}
	return parsed
}

// change is one way in which an observation differs from that of running.
type change func(*Observation)

// running is a machine in the middle of its window, with nothing to do.
func running(changes ...change) Observation {
	o := Observation{
		Now: ten,
		Settings: Settings{
			FinalizerTimeout: 10 * time.Minute,
			ForceFinalizer:   true,
			JoinTimeout:      30 * time.Minute,
		},
		Object: Object{
			HasFinalizer:            true,
			Enabled:                 true,
			GracefulShutdownTimeout: 20 * time.Minute,
			NodeDrainTimeout:        5 * time.Minute,
			Phase:                   v1alpha1.PhaseActive,
			HasMachineRef:           true,
			HasNodeRef:              true,
		},
		Schedule: schedule.Evaluation{
			Active: true, Provision: true, Cause: v1alpha1.CauseWindow,
			NextCleanup: at("18:00:00"), NextChange: at("18:00:00"),
		},
		Cluster: Cluster{Exists: true, InfrastructureProvisioned: true, ControlPlaneInitialized: true, Reachable: true},
		Machine: Machine{Exists: true, Running: true, HasNodeRef: true, CreatedAt: at("09:00:00")},
		Node:    Node{Known: true, Exists: true, Ready: true, Name: "ws-1"},
	}
	return with(o, changes...)
}

// resting is an object outside its window without a Machine.
func resting(changes ...change) Observation {
	return running(append([]change{closed, confirmedGone, phase(v1alpha1.PhaseInactive)}, changes...)...)
}

func with(o Observation, changes ...change) Observation {
	for _, c := range changes {
		c(&o)
	}
	return o
}

func closed(o *Observation) {
	eleven := ten.Add(time.Hour)
	o.Schedule = schedule.Evaluation{Cause: v1alpha1.CauseWindow, NextActivation: eleven, NextChange: eleven}
}

func now(clock string) change { return func(o *Observation) { o.Now = at(clock) } }

func phase(p v1alpha1.Phase) change { return func(o *Observation) { o.Object.Phase = p } }

// notInCache takes the Machine out of the cache; confirmedGone also confirms its absence.
func notInCache(o *Observation) { o.Machine, o.Node = Machine{}, Node{Known: true} }

func confirmedGone(o *Observation) {
	notInCache(o)
	o.Machine.ConfirmedAbsent = true
	o.Object.HasMachineRef, o.Object.HasNodeRef = false, false
}

func leftovers(o *Observation) {
	o.Leftovers = []v1alpha1.ObjectReference{{Kind: "K0sWorkerConfig", Name: "ws-1"}}
}

func machineDeleting(o *Observation) { o.Machine.Deleting, o.Machine.Running = true, false }

func skipping(o *Observation) { o.Machine.SkipsDrain, o.Machine.SkipsVolumeDetach = true, true }

func noNode(o *Observation) {
	o.Machine.HasNodeRef, o.Machine.Running, o.Object.HasNodeRef = false, false, false
	o.Node = Node{Known: true}
}

func notReady(o *Observation) { o.Node.Ready = false }

func unreachable(o *Observation) { o.Cluster.Reachable, o.Node = false, Node{} }

func contested(o *Observation) { o.Node = Node{Name: "ws-1", Rival: "ws-2"} }

func killSwitch(o *Observation) { o.Object.KillSwitch = true }

func disabled(o *Observation) { o.Object.Enabled = false }

func deleted(o *Observation) { o.Object.DeletedAt = o.Now }

func invalidSpec(o *Observation) {
	o.Object.Invalid = &Problem{Reason: v1alpha1.ScheduleInvalidReason, Message: "spec.schedule.cron: is not valid"}
}

func foreign(o *Observation) { o.Machine.Foreign = "Machine ws-1" }

func calendarMissing(o *Observation) {
	o.ScheduleUnknown = &Problem{Reason: v1alpha1.CalendarNotFoundReason, Message: "MachineCalendar does not exist"}
}

func clusterDeleting(o *Observation) { o.Cluster.Deleting = true }

func pausedObject(o *Observation) { o.Pause.Object = true }

func pausedCluster(o *Observation) { o.Pause.Cluster = true }

func pauseSince(clock string) change {
	since := at(clock)
	return func(o *Observation) { o.Pause.Since = since }
}

func reclaimRequested(o *Observation) {
	o.Node.ReclaimRequested, o.Node.ReclaimReason = true, "process-match: java"
}

func reclaims(clocks ...string) change {
	var instants []time.Time
	for _, clock := range clocks {
		instants = append(instants, at(clock))
	}
	return func(o *Observation) { o.Object.RecentReclaims = append(o.Object.RecentReclaims, instants...) }
}

// shutdown sets persisted clocks; parts beyond the start are set by changes.
func shutdown(reason v1alpha1.ShutdownReason, since string, parts ...func(*v1alpha1.ShutdownStatus)) change {
	started := metav1.NewTime(at(since))
	return func(o *Observation) {
		o.Object.Phase = v1alpha1.PhaseShuttingDown
		o.Object.Shutdown = &v1alpha1.ShutdownStatus{StartedAt: started, Reason: reason}
		for _, part := range parts {
			part(o.Object.Shutdown)
		}
	}
}

func draining(since string) func(*v1alpha1.ShutdownStatus) {
	started := metav1.NewTime(at(since))
	return func(s *v1alpha1.ShutdownStatus) { s.DrainStartedAt = started.DeepCopy() }
}

func drained(s *v1alpha1.ShutdownStatus) { s.Drained = true }

func pausedFor(seconds int64) func(*v1alpha1.ShutdownStatus) {
	return func(s *v1alpha1.ShutdownStatus) { s.PausedSeconds = seconds }
}

// row is an observation and what brief makes of the decision on it.
type row struct {
	given Observation
	want  string
}

func checkRows(t *testing.T, rows map[string]row) {
	t.Helper()
	for name, test := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := brief(test.given, Decide(test.given))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("decision differs (-want +got):\n%s", diff)
			}
		})
	}
}

// brief is a decision in one line: rule, phase, reason, actions, clocks, timeouts
// and the instant to wake at.
func brief(o Observation, d Decision) string {
	parts := []string{string(d.Rule), string(d.Phase), d.Reason}
	for _, action := range d.Actions {
		parts = append(parts, "do:"+briefAction(action))
	}
	if d.Shutdown != nil {
		parts = append(parts, briefShutdown(d.Shutdown))
	}
	for _, timeout := range d.Timeouts {
		parts = append(parts, "passed:"+string(timeout))
	}
	switch {
	case d.WakeAt.IsZero():
	case d.WakeAt.Equal(o.Now):
		parts = append(parts, "wake:now")
	default:
		parts = append(parts, "wake:"+d.WakeAt.Format("15:04:05.999"))
	}
	return strings.Join(parts, " ")
}

func briefAction(action Action) string {
	text := string(action.Kind)
	if action.Forced {
		text += "+Forced"
	}
	if action.SkipDrain {
		text += "+SkipDrain"
	}
	if action.SkipVolumeDetach {
		text += "+SkipVolumeDetach"
	}
	return text
}

func briefShutdown(s *v1alpha1.ShutdownStatus) string {
	text := fmt.Sprintf("{%s %s", s.Reason, s.StartedAt.Format("15:04:05"))
	if s.DrainStartedAt != nil {
		text += " drain " + s.DrainStartedAt.Format("15:04:05")
	}
	if s.Drained {
		text += " drained"
	}
	if s.PausedSeconds > 0 {
		text += fmt.Sprintf(" paused %ds", s.PausedSeconds)
	}
	return text + "}"
}
