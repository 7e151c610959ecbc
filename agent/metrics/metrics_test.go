package metrics_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/finos/five-spot/agent/metrics"
	"github.com/finos/five-spot/pkg/reclaim"
)

// scrape is what /metrics says.
func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	response := httptest.NewRecorder()
	m.Handler().ServeHTTP(response, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	return response.Body.String()
}

func TestEveryMetricHasAWriter(t *testing.T) {
	t.Parallel()
	for line, write := range map[string]func(*metrics.Metrics){
		`fivespot_agent_info{version="v1.2.3"} 1`:                        func(*metrics.Metrics) {},
		`fivespot_agent_detector{mode="poll"} 1`:                         func(m *metrics.Metrics) { m.Detector("poll") },
		`fivespot_agent_detector_fallbacks_total 1`:                      func(m *metrics.Metrics) { m.Fallback() },
		`fivespot_agent_events_total 3`:                                  func(m *metrics.Metrics) { m.Events(3) },
		`fivespot_agent_events_lost_total 1`:                             func(m *metrics.Metrics) { m.Lost(1) },
		`fivespot_agent_rescans_total{cause="lost"} 1`:                   func(m *metrics.Metrics) { m.Scan("lost") },
		`fivespot_agent_matches_total 1`:                                 func(m *metrics.Metrics) { m.Match(0) },
		`fivespot_agent_detection_latency_seconds_bucket{le="0.0025"} 1`: func(m *metrics.Metrics) { m.Match(2 * time.Millisecond) },
		`fivespot_agent_detection_latency_seconds_count 0`:               func(m *metrics.Metrics) { m.Match(0) },
		`fivespot_agent_processes_hidden 1`:                              func(m *metrics.Metrics) { m.Hidden(true) },
		`fivespot_agent_patterns 3`:                                      func(m *metrics.Metrics) { m.Patterns(reclaim.ConfigFor([]string{"a", "b", "c d"})) },
		`fivespot_agent_config_loads_total{result="loaded"} 1`:           func(m *metrics.Metrics) { m.Config(metrics.ConfigLoaded) },
		`fivespot_agent_config_loads_total{result="rejected"} 1`:         func(m *metrics.Metrics) { m.Config(metrics.ConfigRejected) },
		`fivespot_agent_requests_total{result="written"} 1`:              func(m *metrics.Metrics) { m.Request(metrics.RequestWritten) },
		`fivespot_agent_requests_total{result="already_requested"} 1`:    func(m *metrics.Metrics) { m.Request(metrics.RequestStands) },
		`fivespot_agent_requests_total{result="wrong_host"} 1`:           func(m *metrics.Metrics) { m.Request(metrics.RequestWrongHost) },
		`fivespot_agent_requests_total{result="failed"} 1`:               func(m *metrics.Metrics) { m.Request(metrics.RequestFailed) },
		`fivespot_agent_requests_total{result="written"} 0`:              func(*metrics.Metrics) {},
		`fivespot_agent_requested 1`:                                     func(m *metrics.Metrics) { m.Request(metrics.RequestStands) },
		`fivespot_agent_requested 0`:                                     func(m *metrics.Metrics) { m.Request(metrics.RequestWritten); m.Released() },
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			m := metrics.New("v1.2.3")
			write(m)
			NewWithT(t).Expect(scrape(t, m)).To(ContainSubstring("\n" + line + "\n"))
		})
	}
}

func TestAFailedRequestIsNotOnTheNode(t *testing.T) {
	t.Parallel()
	m := metrics.New("dev")
	m.Request(metrics.RequestFailed)
	m.Request(metrics.RequestWrongHost)
	NewWithT(t).Expect(scrape(t, m)).To(ContainSubstring("\nfivespot_agent_requested 0\n"))
}

func TestOnlyTheLastModeIsTold(t *testing.T) {
	t.Parallel()
	g, m := NewWithT(t), metrics.New("dev")
	m.Detector("netlink")
	m.Detector("poll")
	g.Expect(scrape(t, m)).NotTo(ContainSubstring(`mode="netlink"`))
}

func TestTheAgentsMemoryIsThere(t *testing.T) {
	t.Parallel()
	NewWithT(t).Expect(scrape(t, metrics.New("dev"))).To(ContainSubstring("\nprocess_resident_memory_bytes "))
}

// TestEveryMetricIsDocumented compares with docs/reference/reclaim-agent.md.
func TestEveryMetricIsDocumented(t *testing.T) {
	t.Parallel()
	g, m := NewWithT(t), metrics.New("dev")
	m.Detector("poll")
	m.Scan("armed")
	page, err := os.ReadFile("../../docs/reference/reclaim-agent.md")
	g.Expect(err).NotTo(HaveOccurred())
	families, err := m.Gatherer().Gather()
	g.Expect(err).NotTo(HaveOccurred())
	exist := map[string]bool{}
	for _, family := range families {
		name := family.GetName()
		exist[name] = true
		if regexp.MustCompile(`^fivespot_`).MatchString(name) {
			g.Expect(string(page)).To(ContainSubstring("| `"+name+"` |"), "the page has no row for it")
		}
	}
	for _, told := range regexp.MustCompile("`(fivespot_agent_\\w+)`").FindAllStringSubmatch(string(page), -1) {
		g.Expect(exist).To(HaveKey(told[1]), "the page tells of it")
	}
}

func TestNamesFollowTheConventions(t *testing.T) {
	t.Parallel()
	g, m := NewWithT(t), metrics.New("dev")
	families, err := m.Gatherer().Gather()
	g.Expect(err).NotTo(HaveOccurred())
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(problems).To(BeEmpty())
}
