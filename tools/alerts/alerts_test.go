package alerts_test

import (
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"sigs.k8s.io/yaml"
)

const manifest = "../../pkg/monitoring/manifests/prometheus_rule.yaml"

// The series are of every minute from 0 to 2 h, and the alerts are looked at after that.
const (
	step   = "load 1m\n"
	lookAt = 2 * time.Hour
)

// alerts are the expressions of the rule, by the names of the alerts.
func alerts(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	object := struct{ Spec map[string]any }{}
	if err := yaml.Unmarshal(text, &object); err != nil {
		t.Fatal(err)
	}
	spec, err := yaml.Marshal(object.Spec)
	if err != nil {
		t.Fatal(err)
	}
	groups, errs := rulefmt.Parse(spec, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	for _, err := range errs {
		t.Error(err)
	}
	found := map[string]string{}
	for _, group := range groups.Groups {
		for i := range group.Rules {
			found[group.Rules[i].Alert] = group.Rules[i].Expr
		}
	}
	return found
}

// cases are series with which each alert fires, and such with which it does not. A sample
// is a value, or a first one with what is added each minute.
var cases = map[string]struct{ fires, quiet map[string]string }{
	"FiveSpotNobodyActs": {
		fires: map[string]string{
			"nobody leads":     `fivespot_is_leader{pod="a"} 0x120`,
			"none is there":    `up{job="other"} 1x120`,
			"none is any more": `fivespot_is_leader{pod="a"} 1x100 stale`,
		},
		quiet: map[string]string{"one leads and one stands by": "fivespot_is_leader{pod=\"a\"} 1x120\nfivespot_is_leader{pod=\"b\"} 0x120"},
	},
	"FiveSpotClusterAPIMissing": {
		fires: map[string]string{"both replicas say so": "fivespot_cluster_api_ready{pod=\"a\"} 0x120\nfivespot_cluster_api_ready{pod=\"b\"} 0x120"},
		quiet: map[string]string{"the one that leads has it": "fivespot_cluster_api_ready{pod=\"a\"} 0x120\nfivespot_cluster_api_ready{pod=\"b\"} 1x120"},
	},
	"FiveSpotAdmissionPolicyMissing": {
		fires: map[string]string{"a right is missing": "fivespot_admission_policies{policy=\"p\",state=\"forbidden\"} 1x120\nfivespot_admission_policies{policy=\"p\",state=\"installed\"} 0x120"},
		quiet: map[string]string{
			"it is installed":          "fivespot_admission_policies{policy=\"p\",state=\"installed\"} 1x120\nfivespot_admission_policies{policy=\"p\",state=\"failed\"} 0x120",
			"it is of a newer manager": `fivespot_admission_policies{policy="p",state="newer"} 1x120`,
			"it is not wanted":         `fivespot_admission_policies{policy="p",state="unbound"} 1x120`,
		},
	},
	"FiveSpotMachinesInError": {
		fires: map[string]string{"one of two instances has one": "fivespot_machines_by_phase{phase=\"Error\",pod=\"a\"} 1x120\nfivespot_machines_by_phase{phase=\"Error\",pod=\"b\"} 0x120"},
		quiet: map[string]string{"all are Active": "fivespot_machines_by_phase{phase=\"Error\"} 0x120\nfivespot_machines_by_phase{phase=\"Active\"} 9x120"},
	},
	"FiveSpotMachineKilled": {
		fires: map[string]string{"one a moment ago": "fivespot_kill_switch_activations_total 0x114 1x5"},
		quiet: map[string]string{"one an hour ago": "fivespot_kill_switch_activations_total 0x60 1x60", "the manager started anew": "fivespot_kill_switch_activations_total 3x110 0x10"},
	},
	"FiveSpotKilledMachinesForgotten": {
		fires: map[string]string{"one is Terminated": `fivespot_machines_by_phase{phase="Terminated"} 1x120`},
		quiet: map[string]string{"none is": `fivespot_machines_by_phase{phase="Terminated"} 0x120`},
	},
	"FiveSpotReclaimLoop": {
		fires: map[string]string{"a machine went in circles": `fivespot_rapid_re_reclaims_total{namespace="bank",name="desk-7"} 1x90 2x29`},
		quiet: map[string]string{"nothing since": `fivespot_rapid_re_reclaims_total{namespace="bank",name="desk-7"} 2x120`},
	},
	"FiveSpotDrainsTimeOut": {
		fires: map[string]string{"one did": `fivespot_node_drains_total{result="timed_out"} 0x90 1x29`},
		quiet: map[string]string{"all came to their end": "fivespot_node_drains_total{result=\"completed\"} 0+1x120\nfivespot_node_drains_total{result=\"timed_out\"} 0x120"},
	},
	"FiveSpotEvictionsUnanswered": {
		fires: map[string]string{"one in five seconds": `fivespot_pod_evictions_total{result="failed"} 0+12x120`},
		quiet: map[string]string{"one in a minute": `fivespot_pod_evictions_total{result="failed"} 0+1x120`, "many are refused": `fivespot_pod_evictions_total{result="refused"} 0+99x120`},
	},
	"FiveSpotDeletionHung": {
		fires: map[string]string{"one did": "fivespot_finalizer_cleanup_timeouts_total 0x115 1x4"},
		quiet: map[string]string{"one did, an hour ago": "fivespot_finalizer_cleanup_timeouts_total 0x60 1x60"},
	},
	"FiveSpotWorkloadClusterUnreachable": {
		fires: map[string]string{
			"one of two":                 "fivespot_workload_cluster_reachable{namespace=\"bank\",cluster=\"a\"} 0x120\nfivespot_workload_cluster_reachable{namespace=\"bank\",cluster=\"b\"} 1x120",
			"two of one name, elsewhere": "fivespot_workload_cluster_reachable{namespace=\"x\",exported_namespace=\"a\",cluster=\"c\"} 0x120\nfivespot_workload_cluster_reachable{namespace=\"x\",exported_namespace=\"b\",cluster=\"c\"} 1x120",
		},
		quiet: map[string]string{"all are": `fivespot_workload_cluster_reachable{namespace="bank",cluster="a"} 1x120`},
	},
	"FiveSpotActsLate": {
		fires: map[string]string{"all a minute late": "fivespot_transition_lag_seconds_bucket{le=\"30\"} 0x120\nfivespot_transition_lag_seconds_bucket{le=\"60\"} 0+1x120\nfivespot_transition_lag_seconds_bucket{le=\"+Inf\"} 0+1x120"},
		quiet: map[string]string{
			"all in time": "fivespot_transition_lag_seconds_bucket{le=\"1\"} 0+1x120\nfivespot_transition_lag_seconds_bucket{le=\"60\"} 0+1x120\nfivespot_transition_lag_seconds_bucket{le=\"+Inf\"} 0+1x120",
			"none at all": "fivespot_transition_lag_seconds_bucket{le=\"1\"} 0x120\nfivespot_transition_lag_seconds_bucket{le=\"+Inf\"} 0x120",
		},
	},
	"FiveSpotRequestsFail": {
		fires: map[string]string{"one in five seconds": `fivespot_errors_total{error_type="forbidden"} 0+12x120`},
		quiet: map[string]string{"conflicts": `fivespot_errors_total{error_type="conflict"} 0+99x120`},
	},
}

func TestEachAlertFiresWhenItShouldAndOnlyThen(t *testing.T) {
	t.Parallel()
	found := alerts(t)
	if len(found) != len(cases) {
		t.Errorf("%d alerts, %d with series", len(found), len(cases))
	}
	for name, expr := range found {
		for sentence, series := range cases[name].fires {
			if !fires(t, expr, series) {
				t.Errorf("%s is quiet: %s", name, sentence)
			}
		}
		for sentence, series := range cases[name].quiet {
			if fires(t, expr, series) {
				t.Errorf("%s fires: %s", name, sentence)
			}
		}
		if len(cases[name].fires) == 0 || len(cases[name].quiet) == 0 {
			t.Errorf("%s has no series", name)
		}
	}
}

// fires is whether the expression has a result for the series.
func fires(t *testing.T, expr, series string) bool {
	t.Helper()
	storage := promqltest.LoadedStorage(t, step+"  "+strings.ReplaceAll(series, "\n", "\n  "))
	engine := promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery)
	query, err := engine.NewInstantQuery(t.Context(), storage, nil, expr, time.Unix(0, 0).Add(lookAt))
	if err != nil {
		t.Fatal(err)
	}
	defer query.Close()
	vector, err := query.Exec(t.Context()).Vector()
	if err != nil {
		t.Fatal(err)
	}
	return len(vector) > 0
}
