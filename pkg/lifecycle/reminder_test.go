package lifecycle

import (
	"testing"

	"github.com/finos/five-spot/api/v1alpha1"
)

func stillPaused(o *Observation) { o.Machine.StillPaused = true }

func pauseEndedAt(clock string) change {
	ended := at(clock)
	return func(o *Observation) { o.Pause.Ended = ended }
}

func remindedAt(clock string) change {
	reminded := at(clock)
	return func(o *Observation) { o.Machine.RemindedAt = reminded }
}

func TestClusterAPIIsRemindedOfTheEndOfAPause(t *testing.T) {
	t.Parallel()
	// leaving is a Machine that the kill switch has deleted while the Cluster was paused.
	leaving := func(changes ...change) Observation {
		before := []change{killSwitch, machineDeleting, skipping, stillPaused, shutdown(v1alpha1.ShutdownKillSwitch, "09:50:00")}
		return running(append(before, changes...)...)
	}
	const (
		waits   = "killSwitch Terminated KillSwitch {KillSwitch 09:50:00} wake:18:00:00.1"
		reminds = "killSwitch Terminated KillSwitch do:RemindClusterAPI {KillSwitch 09:50:00} wake:18:00:00.1"
	)
	checkRows(t, map[string]row{
		"a pause that has just ended": {
			leaving(pauseSince("09:55:00")),
			"killSwitch Terminated KillSwitch do:RemindClusterAPI {KillSwitch 09:50:00 paused 300s} wake:18:00:00.1",
		},
		"a pause of which nobody knows when it ended":   {leaving(), waits},
		"a pause that ended while there was no manager": {leaving(pauseEndedAt("09:58:00")), reminds},
		"an earlier reminder was for an earlier pause":  {leaving(pauseEndedAt("09:58:00"), remindedAt("09:57:00")), reminds},
		"one reminder is enough at first": {
			leaving(pauseEndedAt("09:59:30"), remindedAt("09:59:30")),
			"killSwitch Terminated KillSwitch {KillSwitch 09:50:00} wake:10:00:30",
		},
		"a reminder that had no effect":           {leaving(pauseEndedAt("09:58:00"), remindedAt("09:59:00")), reminds},
		"no reminder when it looks by itself":     {leaving(pauseEndedAt("09:50:00"), remindedAt("09:58:00")), waits},
		"no reminder while the Cluster is paused": {leaving(pausedCluster, pauseEndedAt("09:58:00")), waits},
		"no reminder when it has noticed": {
			leaving(pauseEndedAt("09:58:00"), func(o *Observation) { o.Machine.StillPaused = false }), waits,
		},
		"a Machine on its way is reminded of": {
			running(noNode, stillPaused, pauseEndedAt("09:58:00"), phase(v1alpha1.PhasePending)),
			"windowOpen Pending JoinTimeout do:EnsureMachine do:RemindClusterAPI passed:joinTimeout wake:18:00:00.1",
		},
		"a Machine that runs can wait": {
			running(stillPaused, pauseEndedAt("09:58:00")), "windowOpen Active AsScheduled wake:18:00:00.1",
		},
		"an object that is paused itself is left alone": {
			running(machineDeleting, stillPaused, pausedObject, pauseEndedAt("09:58:00")), "paused Active Paused",
		},
		"an invalid object touches nothing": {
			running(machineDeleting, stillPaused, invalidSpec, pauseEndedAt("09:58:00")), "invalid Error Error",
		},
	})
}
