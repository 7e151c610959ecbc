package lifecycle

import (
	"strings"
	"testing"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/schedule"
)

func TestMessagesNameTheirCause(t *testing.T) {
	t.Parallel()
	caused := func(cause v1alpha1.TransitionCause, reason string) change {
		return func(o *Observation) { o.Schedule.Cause, o.Schedule.Reason = cause, reason }
	}
	begun := shutdown(windowClosed, "09:59:00")
	blocked := func(o *Observation) {
		o.Object.Drain = &v1alpha1.DrainStatus{PodsTotal: 5, PodsRemaining: 2, BlockedBy: []string{"default/db-0: held by PodDisruptionBudget db"}}
	}
	tests := map[string]row{
		"an open window and its end": {running(), "A window is open; the schedule is active until 2026-11-23T18:00:00Z"},
		"a closed window and the next": {
			resting(), "No window is open; the schedule is active again at 2026-11-23T11:00:00Z",
		},
		"an override and its text": {
			running(caused(v1alpha1.CauseOverride, "quarter end")), `The override makes the schedule active ("quarter end"); the schedule is active until 2026-11-23T18:00:00Z`,
		},
		"an exception during a shutdown": {
			running(closed, caused(v1alpha1.CauseException, "public holiday"), begun, drainingSince959),
			`An exception makes the schedule inactive ("public holiday"); the schedule is active again at 2026-11-23T11:00:00Z; draining Node "ws-1" until 2026-11-23T10:04:00Z at the latest`,
		},
		"a calendar": {
			resting(caused(v1alpha1.CauseCalendar, "freeze")),
			`The MachineCalendar makes the schedule inactive ("freeze"); the schedule is active again at 2026-11-23T11:00:00Z`,
		},
		"the lead time": {resting(leadTime), "The lead time of the window that opens at 2026-11-23T11:00:00Z has begun; creating the Machine"},
		"an unreachable cluster": {
			running(disabled, unreachable, begun),
			"spec.schedule.enabled is false; the workload cluster cannot be reached: the Machine is deleted without drain at 2026-11-23T10:19:00Z",
		},
		"a Node that another Machine names": {
			running(disabled, contested, begun),
			`spec.schedule.enabled is false; Machine "ws-2" names the same Node: the Machine is deleted without drain at 2026-11-23T10:19:00Z`,
		},
		"what blocked a drain": {
			running(disabled, blocked, shutdown(windowClosed, "09:50:00", draining("09:50:00"))),
			`spec.schedule.enabled is false; nodeDrainTimeout has passed; deleting the Machine without further drain; 2 of 5 Pods remain, blocked: "default/db-0: held by PodDisruptionBudget db"`,
		},
		"how many Pods were cut off that nothing blocked": {
			running(disabled, shutdown(windowClosed, "09:50:00", draining("09:50:00")), func(o *Observation) {
				o.Object.Drain = &v1alpha1.DrainStatus{PodsTotal: 5, PodsRemaining: 3}
			}),
			"spec.schedule.enabled is false; nodeDrainTimeout has passed; deleting the Machine without further drain; 3 of 5 Pods remain",
		},
		"the agent's reason": {running(reclaimRequested), `The Node asked to be reclaimed ("process-match: java"); removing the machine`},
		"that Cluster API ignores the kill switch": {
			running(killSwitch, pausedCluster, begun),
			"The kill switch is on, but Cluster API ignores the deletion of the Machine while spec.paused of the Cluster is true; deleting the Machine without drain",
		},
		"the loop": {
			running(confirmedGone, reclaims("09:40:00", "09:45:00", "09:50:00")),
			"Activation is held until 2026-11-23T10:20:00Z after three or more emergency reclaims within 10 minutes",
		},
		"what a forced finalizer leaves": {
			running(deletedAt("09:00:00"), machineDeleting, begun, func(o *Observation) { o.Now = at("10:30:00") }),
			"The deletion has taken longer than --finalizer-timeout; left: the Machine and what it owns",
		},
		"the object in the way": {
			resting(foreign), `An object stands in the way that 5-Spot did not create for this ScheduledMachine: "Machine ws-1"`,
		},
		"a schedule without an end": {
			running(func(o *Observation) { o.Schedule = schedule.Evaluation{Active: true, Provision: true} }), "A window is open",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Decide(test.given).Message; got != test.want {
				t.Errorf("message:\n got %s\nwant %s", got, test.want)
			}
		})
	}
}

func drainingSince959(o *Observation) { draining("09:59:00")(o.Object.Shutdown) }

func TestMessagesAreSafeToShow(t *testing.T) {
	t.Parallel()
	o := running(reclaimRequested)
	o.Node.ReclaimReason = "\x1b[31m" + strings.Repeat("ü", 5000)
	got := Decide(o).Message
	if strings.ContainsRune(got, '\x1b') || len(got) > 400 {
		t.Errorf("%d bytes: %.80q", len(got), got)
	}
	o = resting(invalidSpec)
	o.Object.Invalid.Message = strings.Repeat("ü", 5000)
	if got := Decide(o).Message; len(got) != maxMessage {
		t.Errorf("%d bytes, want %d", len(got), maxMessage)
	}
}
