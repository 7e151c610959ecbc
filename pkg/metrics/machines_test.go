package metrics

import (
	"errors"
	"iter"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/finos/five-spot/api/v1alpha1"
)

func TestMachinesAreCountedWhenTheyAreAskedFor(t *testing.T) {
	t.Parallel()
	phases := []v1alpha1.Phase{v1alpha1.PhaseActive, v1alpha1.PhaseActive, v1alpha1.PhaseInactive, ""}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(NewMachines(func() (iter.Seq[v1alpha1.Phase], error) { return slices.Values(phases), nil }))
	want := func(active, inactive string) string {
		return `
# HELP fivespot_machines_active Number of ScheduledMachines in the phase Active.
# TYPE fivespot_machines_active gauge
fivespot_machines_active ` + active + `
# HELP fivespot_machines_by_phase Number of ScheduledMachines by phase.
# TYPE fivespot_machines_by_phase gauge
fivespot_machines_by_phase{phase="Active"} ` + active + `
fivespot_machines_by_phase{phase="Disabled"} 0
fivespot_machines_by_phase{phase="EmergencyRemove"} 0
fivespot_machines_by_phase{phase="Error"} 0
fivespot_machines_by_phase{phase="Inactive"} ` + inactive + `
fivespot_machines_by_phase{phase="Pending"} 0
fivespot_machines_by_phase{phase="ShuttingDown"} 0
fivespot_machines_by_phase{phase="Terminated"} 0
`
	}
	expect(t, registry, want("2", "1"), "fivespot_machines_active", "fivespot_machines_by_phase")
	phases = phases[1:2]
	expect(t, registry, want("1", "0"), "fivespot_machines_active", "fivespot_machines_by_phase")
}

func TestACacheThatIsNotFilledHidesTheCountsAndNothingElse(t *testing.T) {
	t.Parallel()
	m, registry := newTestMetrics(t)
	registry.MustRegister(NewMachines(func() (iter.Seq[v1alpha1.Phase], error) { return nil, errors.New("not filled") }))
	m.SetLeader(true)
	expect(t, registry, `
# HELP fivespot_is_leader Whether this process is the leader: 1 or 0.
# TYPE fivespot_is_leader gauge
fivespot_is_leader 1
`, "fivespot_machines_active", "fivespot_machines_by_phase", "fivespot_is_leader")
}
