// Package monitoring is what has the manager monitored by the Prometheus operator, as it is
// installed by the manager itself or by hand.
package monitoring

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Name is the name of the ServiceMonitor and of the PrometheusRule.
const Name = "five-spot-controller-manager"

// ServiceMonitors and PrometheusRules are the plurals of the kinds.
const (
	ServiceMonitors = "servicemonitors"
	PrometheusRules = "prometheusrules"
)

// metricsService is the Service of the metrics, whose certificate OpenShift signs.
const metricsService = "five-spot-controller-manager-metrics"

//go:embed manifests/service_monitor.yaml
var serviceMonitor []byte

//go:embed manifests/prometheus_rule.yaml
var prometheusRule []byte

// errShape is that a manifest has not what settings are put into.
var errShape = errors.New("the manifest has not the expected shape")

// Settings are what differs from one installation to another.
type Settings struct {
	// Namespace is that of the manager.
	Namespace string

	// Plain is that the metrics are served as plain HTTP, to everybody.
	Plain bool

	// ServiceCA is that every namespace has the authority of the certificates of Services,
	// as on OpenShift. Without it the certificate is not checked.
	ServiceCA bool

	// Instances is how many instances share the ScheduledMachines, each with a leader.
	Instances int
}

// ServiceMonitor has Prometheus scrape every replica.
func ServiceMonitor(settings Settings) (*unstructured.Unstructured, error) {
	object, err := parse(serviceMonitor, settings)
	if err != nil {
		return nil, err
	}
	endpoints, ok, err := unstructured.NestedSlice(object.Object, "spec", "endpoints")
	if err != nil || !ok || len(endpoints) != 1 {
		return nil, errors.Join(errShape, err)
	}
	endpoint, ok := endpoints[0].(map[string]any)
	if !ok {
		return nil, errShape
	}
	switch {
	case settings.Plain:
		endpoint["scheme"] = "http"
		delete(endpoint, "bearerTokenFile")
		delete(endpoint, "tlsConfig")
	case settings.ServiceCA:
		endpoint["tlsConfig"] = map[string]any{
			"serverName": metricsService + "." + settings.Namespace + ".svc",
			"ca":         map[string]any{"configMap": map[string]any{"name": "openshift-service-ca.crt", "key": "service-ca.crt"}},
		}
	}
	return object, unstructured.SetNestedSlice(object.Object, endpoints, "spec", "endpoints")
}

// PrometheusRule has the alerts that fit everywhere.
func PrometheusRule(settings Settings) (*unstructured.Unstructured, error) {
	const one = "(sum(fivespot_is_leader) or vector(0)) < 1\n"
	text := string(prometheusRule)
	if strings.Count(text, one) != 1 {
		return nil, errShape
	}
	text = strings.Replace(text, one, fmt.Sprintf("(sum(fivespot_is_leader) or vector(0)) < %d\n", settings.Instances), 1)
	return parse([]byte(text), settings)
}

func parse(manifest []byte, settings Settings) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	if err := yaml.UnmarshalStrict(manifest, &object.Object); err != nil {
		return nil, fmt.Errorf("failed to parse a manifest of the monitoring: %w", err)
	}
	object.SetNamespace(settings.Namespace)
	return object, nil
}
