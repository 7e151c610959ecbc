package monitoring

import (
	"os"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/finos/five-spot/pkg/metrics"
)

const docs = "../../docs/"

func defaults() Settings { return Settings{Namespace: "5spot-system", Instances: 1} }

func endpointOf(g *WithT, settings Settings) map[string]any {
	object, err := ServiceMonitor(settings)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(object.GetNamespace() + "/" + object.GetName()).To(Equal(settings.Namespace + "/" + Name))
	endpoints, _, err := unstructured.NestedSlice(object.Object, "spec", "endpoints")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(endpoints).To(HaveLen(1))
	return endpoints[0].(map[string]any)
}

func TestTheServiceMonitorSpeaksAsTheMetricsAreServed(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	plain := endpointOf(g, Settings{Namespace: "a", Plain: true})
	g.Expect(plain).To(HaveKeyWithValue("scheme", "http"))
	g.Expect(plain).NotTo(Or(HaveKey("bearerTokenFile"), HaveKey("tlsConfig")), "no token is sent in the clear")

	signed := endpointOf(g, defaults())
	g.Expect(signed).To(And(HaveKeyWithValue("scheme", "https"), HaveKey("bearerTokenFile")))
	g.Expect(signed["tlsConfig"]).To(Equal(map[string]any{"insecureSkipVerify": true}))

	checked := endpointOf(g, Settings{Namespace: "operators", ServiceCA: true})["tlsConfig"]
	g.Expect(checked).To(And(Not(HaveKey("insecureSkipVerify")), HaveKey("ca"),
		HaveKeyWithValue("serverName", "five-spot-controller-manager-metrics.operators.svc")))
}

// With it the alert that nobody leads would go off for as long as the manager is installed.
func TestThePrometheusThatRefusesTheServiceMonitorPassesTheRuleOver(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	g.Expect(endpointOf(g, Settings{ServiceCA: true})).To(HaveKey("bearerTokenFile"))
	for _, render := range []func(Settings) (*unstructured.Unstructured, error){ServiceMonitor, PrometheusRule} {
		object, err := render(Settings{ServiceCA: true})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(object.GetLabels()).To(HaveKeyWithValue("openshift.io/user-monitoring", "false"), object.GetKind())
	}
}

// alert is a rule as it is in the manifest.
type alert struct{ name, expr, after, severity, summary, description string }

func alerts(g *WithT, settings Settings) []alert {
	object, err := PrometheusRule(settings)
	g.Expect(err).NotTo(HaveOccurred())
	groups, _, err := unstructured.NestedSlice(object.Object, "spec", "groups")
	g.Expect(err).NotTo(HaveOccurred())
	var all []alert
	for _, group := range groups {
		for _, item := range group.(map[string]any)["rules"].([]any) {
			text := func(path ...string) string {
				value, _, err := unstructured.NestedString(item.(map[string]any), path...)
				g.Expect(err).NotTo(HaveOccurred())
				return value
			}
			all = append(all, alert{
				text("alert"), text("expr"), text("for"), text("labels", "severity"),
				text("annotations", "summary"), text("annotations", "description"),
			})
		}
	}
	return all
}

func TestTheAlertsOfTheRuleAreThoseOfThePage(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	page, err := os.ReadFile(docs + "operations/observe.md")
	g.Expect(err).NotTo(HaveOccurred())
	rows := regexp.MustCompile("(?m)^\\| `(FiveSpot\\w+)`: [^|]+ \\| `((?:[^`|]|\\\\\\|)+)` \\| (\\w*) ?\\|").FindAllStringSubmatch(string(page), -1)
	documented := map[string]string{}
	for _, row := range rows {
		documented[row[1]] = strings.ReplaceAll(row[2], `\|`, "|") + " for " + row[3]
	}
	found := map[string]string{}
	for _, a := range alerts(g, defaults()) {
		found[a.name] = a.expr + " for " + a.after
		g.Expect(a.severity).To(BeElementOf("critical", "warning", "info"), a.name)
		g.Expect([]string{a.summary, a.description}).To(HaveEach(Not(BeEmpty())), a.name)
	}
	g.Expect(found).To(Equal(documented))
	g.Expect(len(found)).To(BeNumerically(">", 10))
}

// The page of the metrics is held against the registry by its own test.
func TestEachAlertIsOfAMetricThatThereIs(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	page, err := os.ReadFile(docs + "reference/metrics.md")
	g.Expect(err).NotTo(HaveOccurred())
	for _, a := range alerts(g, defaults()) {
		metrics := regexp.MustCompile(`fivespot_\w+`).FindAllString(a.expr, -1)
		g.Expect(metrics).NotTo(BeEmpty(), a.name)
		for _, metric := range metrics {
			g.Expect(string(page)).To(ContainSubstring("| `"+strings.TrimSuffix(metric, "_bucket")+"` |"), a.name)
		}
	}
}

// Prometheus sees no rise in a series that begins with its first event.
func TestAnAlertOfACounterThatIsNotThereFromTheStartMindsItsBeginning(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	registry := prometheus.NewRegistry()
	metrics.New(registry)
	gathered, err := registry.Gather()
	g.Expect(err).NotTo(HaveOccurred())
	fromTheStart := map[string]bool{}
	for _, family := range gathered {
		fromTheStart[family.GetName()] = true
	}
	late := 0
	for _, a := range alerts(g, defaults()) {
		for _, found := range regexp.MustCompile(`(?:increase|rate)\((fivespot_\w+)[{\[]`).FindAllStringSubmatch(a.expr, -1) {
			if counter := strings.TrimSuffix(found[1], "_bucket"); !fromTheStart[counter] {
				late++
				g.Expect(a.expr).To(ContainSubstring("("+counter+" unless "+counter+" offset 1h) or"), a.name)
			}
		}
	}
	g.Expect(late).To(Equal(1))
}

func TestTheAlertAsksForALeaderOfEachInstance(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	settings := defaults()
	settings.Instances = 3
	g.Expect(alerts(g, settings)[0].expr).To(Equal("(sum(fivespot_is_leader) or vector(0)) < 3"))
}
