package metrics

import (
	"iter"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/finos/five-spot/api/v1alpha1"
)

// Machines counts ScheduledMachines by phase whenever it is asked.
type Machines struct {
	list    func() (iter.Seq[v1alpha1.Phase], error)
	active  *prometheus.Desc
	byPhase *prometheus.Desc
}

var _ prometheus.Collector = &Machines{}

// NewMachines returns a collector over list, which yields the phase of each
// ScheduledMachine that this instance looks after. While list fails, for example
// because the cache is not filled yet, the metrics are absent rather than wrong.
func NewMachines(list func() (iter.Seq[v1alpha1.Phase], error)) *Machines {
	return &Machines{
		list: list,
		active: prometheus.NewDesc(prometheus.BuildFQName(namespace, "", "machines_active"),
			"Number of ScheduledMachines in the phase Active.", nil, nil),
		byPhase: prometheus.NewDesc(prometheus.BuildFQName(namespace, "", "machines_by_phase"),
			"Number of ScheduledMachines by phase.", []string{"phase"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (m *Machines) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- m.active
	descriptions <- m.byPhase
}

// Collect implements prometheus.Collector. An object that has no phase yet is not
// counted.
func (m *Machines) Collect(collected chan<- prometheus.Metric) {
	phases, err := m.list()
	if err != nil {
		return
	}
	counts := map[v1alpha1.Phase]int{}
	for phase := range phases {
		counts[phase]++
	}
	for _, phase := range v1alpha1.Phases() {
		collected <- prometheus.MustNewConstMetric(m.byPhase, prometheus.GaugeValue, float64(counts[phase]), string(phase))
	}
	collected <- prometheus.MustNewConstMetric(m.active, prometheus.GaugeValue, float64(counts[v1alpha1.PhaseActive]))
}
