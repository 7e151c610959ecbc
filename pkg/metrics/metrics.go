package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

	"github.com/finos/five-spot/api/v1alpha1"
)

const namespace = "fivespot"

// Metrics are the metrics that are written while things happen. They are safe for
// concurrent use.
type Metrics struct {
	reconciliations          *prometheus.CounterVec
	reconciliationDuration   *prometheus.HistogramVec
	scheduleEvaluations      *prometheus.CounterVec
	killSwitchActivations    prometheus.Counter
	emergencyReclaims        prometheus.Counter
	rapidReReclaims          *prometheus.CounterVec
	nodeDrains               *prometheus.CounterVec
	nodeDrainDuration        *prometheus.HistogramVec
	podEvictions             *prometheus.CounterVec
	finalizerCleanupTimeouts prometheus.Counter
	errors                   *prometheus.CounterVec
	controllerInfo           *prometheus.GaugeVec
	isLeader                 prometheus.Gauge
	transitionLag            *prometheus.HistogramVec
	machineJoin              prometheus.Histogram
	uptime                   prometheus.Counter
	scheduledTime            prometheus.Counter
	clusterReachable         *prometheus.GaugeVec
	clusterAPIReady          prometheus.Gauge
	admissionPolicies        *prometheus.GaugeVec

	spans *spans
}

// New registers all metrics. It panics when one of their names is taken, as
// MustRegister does.
func New(registerer prometheus.Registerer) *Metrics {
	m := &Metrics{
		reconciliations:          counterVec("reconciliations_total", "Number of reconciliations by the phase that they ended in and their result.", "phase", "result"),
		reconciliationDuration:   histogramVec("reconciliation_duration_seconds", "Duration of reconciliations by the phase that they ended in.", reconcileBuckets(), "phase"),
		scheduleEvaluations:      counterVec("schedule_evaluations_total", "Number of schedule evaluations by result.", "result"),
		killSwitchActivations:    counter("kill_switch_activations_total", "Number of times that a kill switch was turned on."),
		emergencyReclaims:        counter("emergency_reclaims_total", "Number of machines that were given back because their Node asked for it."),
		rapidReReclaims:          counterVec("rapid_re_reclaims_total", "Number of reclaims that were at least the third of one machine within ten minutes.", "namespace", "name"),
		nodeDrains:               counterVec("node_drains_total", "Number of drains of Nodes that ended, by how they ended.", "result"),
		nodeDrainDuration:        histogramVec("node_drain_duration_seconds", "Duration of drains of Nodes by how they ended.", drainBuckets(), "result"),
		podEvictions:             counterVec("pod_evictions_total", "Number of requests to take a Pod off its Node, by how they were answered.", "result"),
		finalizerCleanupTimeouts: counter("finalizer_cleanup_timeouts_total", "Number of deletions that took longer than --finalizer-timeout."),
		errors:                   counterVec("errors_total", "Number of errors by type.", "error_type"),
		controllerInfo:           gaugeVec("controller_info", "Always 1; the labels tell what runs.", "version", "instance_id"),
		isLeader:                 gauge("is_leader", "Whether this process is the leader: 1 or 0."),
		transitionLag:            histogramVec("transition_lag_seconds", "Time from a boundary of a schedule until it was acted upon.", lagBuckets(), "direction"),
		machineJoin:              histogram("machine_join_seconds", "Time from the creation of a Machine until its Node was Ready.", joinBuckets()),
		uptime:                   counter("uptime_seconds_total", "Time for which machines ran with a Ready Node, summed over all machines."),
		scheduledTime:            counter("scheduled_seconds_total", "Time for which schedules were active, summed over all machines."),
		clusterReachable:         gaugeVec("workload_cluster_reachable", "Whether there is a connection to the workload cluster: 1 or 0.", "namespace", "cluster"),
		clusterAPIReady:          gauge("cluster_api_ready", "Whether the API server serves the version of Cluster API that is needed: 1 or 0."),
		admissionPolicies:        gaugeVec("admission_policies", "How an admission policy fares: 1 for the state that it is in, 0 for all others.", "policy", "state"),
		spans:                    newSpans(),
	}
	registerer.MustRegister(m.reconciliations, m.reconciliationDuration, m.scheduleEvaluations,
		m.killSwitchActivations, m.emergencyReclaims, m.rapidReReclaims,
		m.nodeDrains, m.nodeDrainDuration, m.podEvictions, m.finalizerCleanupTimeouts, m.errors, m.controllerInfo, m.isLeader,
		m.transitionLag, m.machineJoin, m.uptime, m.scheduledTime, m.clusterReachable, m.clusterAPIReady, m.admissionPolicies)
	m.startAtZero()
	return m
}

// startAtZero makes every counter of an enum present from the start, so that the
// first event is a rise and not a new series.
func (m *Metrics) startAtZero() {
	for _, result := range evaluationResults() {
		m.scheduleEvaluations.WithLabelValues(string(result))
	}
	for _, errorType := range errorTypes() {
		m.errors.WithLabelValues(string(errorType))
	}
	for _, result := range drainResults() {
		m.nodeDrains.WithLabelValues(string(result))
		m.nodeDrainDuration.WithLabelValues(string(result))
	}
	for _, result := range evictionResults() {
		m.podEvictions.WithLabelValues(string(result))
	}
	for _, direction := range directions() {
		m.transitionLag.WithLabelValues(string(direction))
	}
	for _, phase := range v1alpha1.Phases() {
		m.reconciliationDuration.WithLabelValues(string(phase))
		for _, result := range results() {
			m.reconciliations.WithLabelValues(string(phase), string(result))
		}
	}
}

// Reconciled counts a reconciliation that left the object in phase, with the error
// that it ended with, nil for none. A conflict is no error: somebody else wrote
// first, and it is decided again.
func (m *Metrics) Reconciled(phase v1alpha1.Phase, err error, took time.Duration) {
	label := phaseLabel(phase)
	result := resultOf(err)
	m.reconciliations.WithLabelValues(label, string(result)).Inc()
	m.reconciliationDuration.WithLabelValues(label).Observe(took.Seconds())
	if result == ResultError {
		m.errors.WithLabelValues(string(errorTypeOf(err))).Inc()
	}
}

// ScheduleEvaluated counts the evaluation of a schedule.
func (m *Metrics) ScheduleEvaluated(result EvaluationResult) {
	m.scheduleEvaluations.WithLabelValues(string(result)).Inc()
}

// KillSwitchActivated counts that a kill switch was turned on, once for each time.
func (m *Metrics) KillSwitchActivated() { m.killSwitchActivations.Inc() }

// Reclaimed counts that a machine is given back because its Node asked for it, and,
// when that is at least the third time within ten minutes, that it goes in circles.
func (m *Metrics) Reclaimed(object types.NamespacedName, rapid bool) {
	m.emergencyReclaims.Inc()
	if rapid {
		m.rapidReReclaims.WithLabelValues(object.Namespace, object.Name).Inc()
	}
}

// NodeDrained counts and measures a drain that ended, once for each drain.
func (m *Metrics) NodeDrained(result DrainResult, took time.Duration) {
	m.nodeDrains.WithLabelValues(string(result)).Inc()
	m.nodeDrainDuration.WithLabelValues(string(result)).Observe(max(took, 0).Seconds())
}

// PodsEvicted counts requests to take a Pod off its Node: evictions, and deletions where
// a Node is reclaimed.
func (m *Metrics) PodsEvicted(result EvictionResult, pods int) {
	m.podEvictions.WithLabelValues(string(result)).Add(float64(pods))
}

// FinalizerCleanupTimedOut counts a deletion that took longer than
// --finalizer-timeout, once for each deletion.
func (m *Metrics) FinalizerCleanupTimedOut() { m.finalizerCleanupTimeouts.Inc() }

// Failed counts an error outside of reconciliations; nil counts nothing.
func (m *Metrics) Failed(err error) {
	if err != nil {
		m.errors.WithLabelValues(string(errorTypeOf(err))).Inc()
	}
}

// SetControllerInfo tells which version and instance this process is.
func (m *Metrics) SetControllerInfo(version, instanceID string) {
	m.controllerInfo.Reset()
	m.controllerInfo.WithLabelValues(version, instanceID).Set(1)
}

// SetLeader tells whether this process is the leader.
func (m *Metrics) SetLeader(leader bool) { m.isLeader.Set(truth(leader)) }

// SetClusterAPIReady tells whether the API server serves the version of Cluster API
// that is needed.
func (m *Metrics) SetClusterAPIReady(ready bool) { m.clusterAPIReady.Set(truth(ready)) }

// SetAdmissionPolicy tells how an admission policy fares. The policies are few and known.
func (m *Metrics) SetAdmissionPolicy(policy string, state PolicyState) {
	for _, each := range policyStates() {
		m.admissionPolicies.WithLabelValues(policy, string(each)).Set(truth(each == state))
	}
}

// TransitionActedUpon measures how long after its boundary a transition of a
// schedule was acted upon. A clock that was set back counts as no lag.
func (m *Metrics) TransitionActedUpon(direction Direction, lag time.Duration) {
	m.transitionLag.WithLabelValues(string(direction)).Observe(max(lag, 0).Seconds())
}

// MachineJoined measures how long after its creation a Machine's Node was Ready.
func (m *Metrics) MachineJoined(took time.Duration) { m.machineJoin.Observe(max(took, 0).Seconds()) }

// SetClusterReachable tells whether there is a connection to a workload cluster.
func (m *Metrics) SetClusterReachable(cluster types.NamespacedName, reachable bool) {
	m.clusterReachable.WithLabelValues(cluster.Namespace, cluster.Name).Set(truth(reachable))
}

// ForgetCluster ends the series of a workload cluster that no machine needs any more.
func (m *Metrics) ForgetCluster(cluster types.NamespacedName) {
	m.clusterReachable.DeleteLabelValues(cluster.Namespace, cluster.Name)
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
