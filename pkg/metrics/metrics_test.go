package metrics

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/finos/five-spot/api/v1alpha1"
)

var machinesResource = schema.GroupResource{Group: "cluster.x-k8s.io", Resource: "machines"}

func newTestMetrics(t *testing.T) (*Metrics, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	return New(registry), registry
}

// scrape returns what is served at /metrics of the named metrics: their HELP, TYPE
// and sample lines.
func scrape(t *testing.T, registry *prometheus.Registry, names ...string) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(recorder,
		httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if recorder.Code != http.StatusOK {
		t.Fatalf("GET /metrics: %d %s", recorder.Code, recorder.Body)
	}
	if len(names) == 0 {
		return recorder.Body.String()
	}
	var b strings.Builder
	for line := range strings.Lines(recorder.Body.String()) {
		words := strings.FieldsFunc(strings.TrimPrefix(strings.TrimPrefix(line, "# HELP "), "# TYPE "), func(r rune) bool {
			return r == ' ' || r == '{'
		})
		for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
			if name, ok := strings.CutSuffix(words[0], suffix); ok && slices.Contains(names, name) {
				b.WriteString(line)
				break
			}
		}
	}
	return b.String()
}

// expect compares what is served of the named metrics.
func expect(t *testing.T, registry *prometheus.Registry, want string, names ...string) {
	t.Helper()
	if diff := cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(scrape(t, registry, names...))); diff != "" {
		t.Errorf("/metrics (-want +got):\n%s", diff)
	}
}

func TestNamesAndHelpAreCleanAndDocumented(t *testing.T) {
	t.Parallel()
	m, registry := newTestMetrics(t)
	registry.MustRegister(NewMachines(func() (iter.Seq[v1alpha1.Phase], error) { return slices.Values([]v1alpha1.Phase{}), nil }))
	m.SetControllerInfo("v1", "0")
	m.SetClusterReachable(types.NamespacedName{Namespace: "a", Name: "b"}, true)
	m.SetAdmissionPolicy("a", PolicyInstalled)
	problems, err := promlint.New(strings.NewReader(scrape(t, registry))).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if !strings.Contains(string(page), "| `"+family.GetName()+"` | "+strings.ToLower(family.GetType().String())+" |") {
			t.Errorf("docs/reference/metrics.md does not tell of %s with its type", family.GetName())
		}
		if !strings.HasPrefix(family.GetName(), "fivespot_") || !strings.HasSuffix(family.GetHelp(), ".") {
			t.Errorf("%s: %q", family.GetName(), family.GetHelp())
		}
	}
}

// The names of objects are only unique in their namespace.
func TestSeriesAboutOneObjectCarryItsNamespace(t *testing.T) {
	t.Parallel()
	m, _ := newTestMetrics(t)
	about := regexp.MustCompile(`variableLabels: \{([^}]*)\}`)
	ofOne := 0
	for _, collector := range []prometheus.Collector{
		m.reconciliations, m.reconciliationDuration, m.scheduleEvaluations, m.killSwitchActivations, m.emergencyReclaims, m.rapidReReclaims,
		m.nodeDrains, m.nodeDrainDuration, m.podEvictions, m.finalizerCleanupTimeouts, m.errors, m.isLeader,
		m.transitionLag, m.machineJoin, m.uptime, m.scheduledTime, m.clusterReachable, m.clusterAPIReady,
	} {
		descriptions := make(chan *prometheus.Desc, 1)
		collector.Describe(descriptions)
		labels := strings.Split(about.FindStringSubmatch((<-descriptions).String())[1], ",")
		if slices.Contains(labels, "name") || slices.Contains(labels, "cluster") {
			ofOne++
			if !slices.Contains(labels, "namespace") {
				t.Errorf("a series with the labels %v does not say in which namespace", labels)
			}
		}
	}
	if ofOne != 2 {
		t.Errorf("%d series are about one object, not 2", ofOne)
	}
}

func TestAnAdmissionPolicyIsInOneState(t *testing.T) {
	t.Parallel()
	m, registry := newTestMetrics(t)
	m.SetAdmissionPolicy("five-spot-crd-guard", PolicyForbidden)
	m.SetAdmissionPolicy("five-spot-crd-guard", PolicyInstalled)
	expect(t, registry, `
# HELP fivespot_admission_policies How an admission policy fares: 1 for the state that it is in, 0 for all others.
# TYPE fivespot_admission_policies gauge
fivespot_admission_policies{policy="five-spot-crd-guard",state="failed"} 0
fivespot_admission_policies{policy="five-spot-crd-guard",state="forbidden"} 0
fivespot_admission_policies{policy="five-spot-crd-guard",state="installed"} 1
fivespot_admission_policies{policy="five-spot-crd-guard",state="newer"} 0
fivespot_admission_policies{policy="five-spot-crd-guard",state="unbound"} 0
fivespot_admission_policies{policy="five-spot-crd-guard",state="unsupported"} 0
`, "fivespot_admission_policies")
}

func TestASecondRegistrationPanics(t *testing.T) {
	t.Parallel()
	_, registry := newTestMetrics(t)
	defer func() {
		if recover() == nil {
			t.Error("New() on a registry that has the metrics did not panic")
		}
	}()
	New(registry)
}

func TestADrainIsCountedAndMeasured(t *testing.T) {
	t.Parallel()
	m, registry := newTestMetrics(t)
	m.NodeDrained(DrainTimedOut, 90*time.Second)
	m.NodeDrained(DrainCompleted, -time.Second)
	expect(t, registry, `
# HELP fivespot_node_drains_total Number of drains of Nodes that ended, by how they ended.
# TYPE fivespot_node_drains_total counter
fivespot_node_drains_total{result="abandoned"} 0
fivespot_node_drains_total{result="cancelled"} 0
fivespot_node_drains_total{result="completed"} 1
fivespot_node_drains_total{result="timed_out"} 1
`, "fivespot_node_drains_total")
	served := scrape(t, registry, "fivespot_node_drain_duration_seconds")
	for _, line := range []string{
		`fivespot_node_drain_duration_seconds_sum{result="timed_out"} 90`,
		`fivespot_node_drain_duration_seconds_sum{result="completed"} 0`,
		`fivespot_node_drain_duration_seconds_count{result="cancelled"} 0`,
	} {
		if !strings.Contains(served, line+"\n") {
			t.Errorf("no %s in\n%s", line, served)
		}
	}
}

func TestEvictionsAreCountedByTheirAnswer(t *testing.T) {
	t.Parallel()
	m, registry := newTestMetrics(t)
	m.PodsEvicted(EvictionAccepted, 9)
	m.PodsEvicted(EvictionAccepted, 1)
	m.PodsEvicted(EvictionRefused, 3)
	m.PodsEvicted(EvictionFailed, 0)
	expect(t, registry, `
# HELP fivespot_pod_evictions_total Number of requests to take a Pod off its Node, by how they were answered.
# TYPE fivespot_pod_evictions_total counter
fivespot_pod_evictions_total{result="accepted"} 10
fivespot_pod_evictions_total{result="failed"} 0
fivespot_pod_evictions_total{result="refused"} 3
`, "fivespot_pod_evictions_total")
}

func TestReconciledCountsPhaseResultAndTime(t *testing.T) {
	t.Parallel()
	m, registry := newTestMetrics(t)
	m.Reconciled(v1alpha1.PhaseActive, nil, 30*time.Millisecond)
	m.Reconciled(v1alpha1.PhaseActive, nil, 30*time.Millisecond)
	m.Reconciled(v1alpha1.PhaseError, apierrors.NewInternalError(errors.New("down")), time.Second)
	m.Reconciled(v1alpha1.PhasePending, fmt.Errorf("failed to patch: %w", apierrors.NewConflict(machinesResource, "m", nil)), time.Second)
	m.Reconciled("", nil, time.Second)
	served := scrape(t, registry, "fivespot_reconciliations_total")
	for labels, want := range map[[2]string]string{
		{"Active", "success"}: "2", {"Active", "error"}: "0", {"Error", "error"}: "1",
		{"Pending", "conflict"}: "1", {"Pending", "error"}: "0", {"Unknown", "success"}: "1",
	} {
		line := fmt.Sprintf("fivespot_reconciliations_total{phase=%q,result=%q} %s\n", labels[0], labels[1], want)
		if !strings.Contains(served, line) {
			t.Errorf("no %s in\n%s", line, served)
		}
	}
	expect(t, registry, `
# HELP fivespot_errors_total Number of errors by type.
# TYPE fivespot_errors_total counter
fivespot_errors_total{error_type="conflict"} 0
fivespot_errors_total{error_type="forbidden"} 0
fivespot_errors_total{error_type="invalid"} 0
fivespot_errors_total{error_type="not_found"} 0
fivespot_errors_total{error_type="other"} 0
fivespot_errors_total{error_type="throttled"} 0
fivespot_errors_total{error_type="timeout"} 0
fivespot_errors_total{error_type="unavailable"} 1
`, "fivespot_errors_total")
	expectSamples(t, registry, "fivespot_reconciliation_duration_seconds", map[string]uint64{
		"Active": 2, "Error": 1, "Pending": 1, "Unknown": 1, "ShuttingDown": 0,
		"Inactive": 0, "Disabled": 0, "Terminated": 0, "EmergencyRemove": 0,
	})
}

// expectSamples compares the number of observations of a histogram by its one label.
func expectSamples(t *testing.T, registry *prometheus.Registry, name string, want map[string]uint64) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			label := ""
			if len(metric.GetLabel()) > 0 {
				label = metric.GetLabel()[0].GetValue()
			}
			got[label] = metric.GetHistogram().GetSampleCount()
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestErrorTypes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err  error
		want errorType
	}{
		"a conflict":                     {apierrors.NewConflict(machinesResource, "m", nil), errorConflict},
		"an object that exists":          {apierrors.NewAlreadyExists(machinesResource, "m"), errorConflict},
		"a missing right":                {apierrors.NewForbidden(machinesResource, "m", nil), errorForbidden},
		"a refusal":                      {apierrors.NewBadRequest("no"), errorInvalid},
		"an absence":                     {apierrors.NewNotFound(machinesResource, "m"), errorNotFound},
		"too many requests":              {apierrors.NewTooManyRequests("later", 1), errorThrottled},
		"a timeout of the API server":    {apierrors.NewTimeoutError("slow", 1), errorTimeout},
		"a timeout of our own":           {fmt.Errorf("failed to get: %w", context.DeadlineExceeded), errorTimeout},
		"an API server that is not well": {apierrors.NewServiceUnavailable("down"), errorUnavailable},
		"several errors at once":         {errors.Join(errors.New("one"), apierrors.NewNotFound(machinesResource, "m")), errorNotFound},
		"anything else":                  {errors.New("what"), errorOther},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := errorTypeOf(test.err); got != test.want {
				t.Errorf("errorTypeOf() = %s, want %s", got, test.want)
			}
			m, registry := newTestMetrics(t)
			m.Failed(test.err)
			m.Failed(nil)
			line := fmt.Sprintf("fivespot_errors_total{error_type=%q} 1\n", test.want)
			if served := scrape(t, registry, "fivespot_errors_total"); !strings.Contains(served, line) || strings.Count(served, "} 1\n") != 1 {
				t.Errorf("no %s in\n%s", line, served)
			}
		})
	}
}

func TestPlainCountersAndGauges(t *testing.T) {
	t.Parallel()
	m, registry := newTestMetrics(t)
	m.KillSwitchActivated()
	m.KillSwitchActivated()
	m.FinalizerCleanupTimedOut()
	m.Reclaimed(types.NamespacedName{Namespace: "bank", Name: "desk-7"}, false)
	m.Reclaimed(types.NamespacedName{Namespace: "bank", Name: "desk-7"}, true)
	m.ScheduleEvaluated(EvaluationActive)
	m.SetControllerInfo("v0.9.0", "1")
	m.SetControllerInfo("v1.0.0", "1")
	m.SetLeader(false)
	m.SetLeader(true)
	m.SetClusterAPIReady(true)
	expect(t, registry, `
# HELP fivespot_cluster_api_ready Whether the API server serves the version of Cluster API that is needed: 1 or 0.
# TYPE fivespot_cluster_api_ready gauge
fivespot_cluster_api_ready 1
# HELP fivespot_controller_info Always 1; the labels tell what runs.
# TYPE fivespot_controller_info gauge
fivespot_controller_info{instance_id="1",version="v1.0.0"} 1
# HELP fivespot_emergency_reclaims_total Number of machines that were given back because their Node asked for it.
# TYPE fivespot_emergency_reclaims_total counter
fivespot_emergency_reclaims_total 2
# HELP fivespot_finalizer_cleanup_timeouts_total Number of deletions that took longer than --finalizer-timeout.
# TYPE fivespot_finalizer_cleanup_timeouts_total counter
fivespot_finalizer_cleanup_timeouts_total 1
# HELP fivespot_is_leader Whether this process is the leader: 1 or 0.
# TYPE fivespot_is_leader gauge
fivespot_is_leader 1
# HELP fivespot_kill_switch_activations_total Number of times that a kill switch was turned on.
# TYPE fivespot_kill_switch_activations_total counter
fivespot_kill_switch_activations_total 2
# HELP fivespot_rapid_re_reclaims_total Number of reclaims that were at least the third of one machine within ten minutes.
# TYPE fivespot_rapid_re_reclaims_total counter
fivespot_rapid_re_reclaims_total{name="desk-7",namespace="bank"} 1
# HELP fivespot_schedule_evaluations_total Number of schedule evaluations by result.
# TYPE fivespot_schedule_evaluations_total counter
fivespot_schedule_evaluations_total{result="active"} 1
fivespot_schedule_evaluations_total{result="inactive"} 0
fivespot_schedule_evaluations_total{result="invalid"} 0
fivespot_schedule_evaluations_total{result="lead_time"} 0
fivespot_schedule_evaluations_total{result="unknown"} 0
`, "fivespot_cluster_api_ready", "fivespot_controller_info", "fivespot_finalizer_cleanup_timeouts_total",
		"fivespot_is_leader", "fivespot_kill_switch_activations_total", "fivespot_schedule_evaluations_total",
		"fivespot_emergency_reclaims_total", "fivespot_rapid_re_reclaims_total")
}

func TestAClusterThatIsForgottenLeavesNoSeries(t *testing.T) {
	t.Parallel()
	m, registry := newTestMetrics(t)
	m.SetClusterReachable(types.NamespacedName{Namespace: "lab", Name: "one"}, true)
	m.SetClusterReachable(types.NamespacedName{Namespace: "lab", Name: "two"}, true)
	m.SetClusterReachable(types.NamespacedName{Namespace: "lab", Name: "two"}, false)
	m.ForgetCluster(types.NamespacedName{Namespace: "lab", Name: "one"})
	expect(t, registry, `
# HELP fivespot_workload_cluster_reachable Whether there is a connection to the workload cluster: 1 or 0.
# TYPE fivespot_workload_cluster_reachable gauge
fivespot_workload_cluster_reachable{cluster="two",namespace="lab"} 0
`, "fivespot_workload_cluster_reachable")
}

func TestLagAndJoinTimesAreMeasured(t *testing.T) {
	t.Parallel()
	m, registry := newTestMetrics(t)
	m.TransitionActedUpon(DirectionActivate, 120*time.Millisecond)
	m.TransitionActedUpon(DirectionDeactivate, -time.Second)
	m.MachineJoined(4 * time.Minute)
	expectSamples(t, registry, "fivespot_transition_lag_seconds", map[string]uint64{"activate": 1, "deactivate": 1})
	expectSamples(t, registry, "fivespot_machine_join_seconds", map[string]uint64{"": 1})
	expect(t, registry, `
# HELP fivespot_machine_join_seconds Time from the creation of a Machine until its Node was Ready.
# TYPE fivespot_machine_join_seconds histogram
`+buckets("fivespot_machine_join_seconds", joinBuckets(), 240)+`
`, "fivespot_machine_join_seconds")
}

// buckets is how a histogram with one observation is served.
func buckets(name string, bounds []float64, observed float64) string {
	var b strings.Builder
	for _, bound := range bounds {
		count := 0
		if observed <= bound {
			count = 1
		}
		fmt.Fprintf(&b, "%s_bucket{le=\"%g\"} %d\n", name, bound, count)
	}
	fmt.Fprintf(&b, "%s_bucket{le=\"+Inf\"} 1\n%s_sum %g\n%s_count 1", name, name, observed, name)
	return b.String()
}
