// Package metrics holds the agent's metrics. None of them has a label that grows with
// what runs on the host.
package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/finos/five-spot/pkg/reclaim"
)

const (
	namespace = "fivespot"
	subsystem = "agent"
)

// RequestResult is what became of one attempt to annotate the Node.
type RequestResult string

// The results of an attempt.
const (
	RequestWritten   RequestResult = "written"
	RequestStands    RequestResult = "already_requested"
	RequestWrongHost RequestResult = "wrong_host"
	RequestFailed    RequestResult = "failed"
)

// ConfigResult is what became of one version of the configuration.
type ConfigResult string

// The results of reading a configuration.
const (
	ConfigLoaded   ConfigResult = "loaded"
	ConfigRejected ConfigResult = "rejected"
)

// Metrics are the agent's metrics. They are safe for concurrent use.
type Metrics struct {
	gatherer prometheus.Gatherer

	info      *prometheus.GaugeVec
	detector  *prometheus.GaugeVec
	fallbacks prometheus.Counter
	events    prometheus.Counter
	lost      prometheus.Counter
	scans     *prometheus.CounterVec
	matches   prometheus.Counter
	latency   prometheus.Histogram
	hidden    prometheus.Gauge
	patterns  prometheus.Gauge
	configs   *prometheus.CounterVec
	requests  *prometheus.CounterVec
	requested prometheus.Gauge
}

// New returns metrics in a registry of their own.
func New(version string) *Metrics {
	m := &Metrics{
		info:      gaugeVec("info", "Always 1; the label tells what runs.", "version"),
		detector:  gaugeVec("detector", "Always 1; the label tells how processes are detected.", "mode"),
		fallbacks: counter("detector_fallbacks_total", "Number of times that the agent polls because the kernel does not tell it of processes."),
		events:    counter("events_total", "Number of events about processes that the kernel sent."),
		lost:      counter("events_lost_total", "Number of times that the kernel had to drop events."),
		scans:     counterVec("rescans_total", "Number of scans of all processes by their cause.", "cause"),
		matches:   counter("matches_total", "Number of processes found that match."),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "detection_latency_seconds",
			Help:    "Time from the start of a process that matches until it was found, where the start is known.",
			Buckets: latencyBuckets(),
		}),
		hidden:    gauge("processes_hidden", "Whether the processes of other users cannot be seen: 1 or 0."),
		patterns:  gauge("patterns", "Number of patterns that are looked for; 0 when the agent is idle."),
		configs:   counterVec("config_loads_total", "Number of versions of the configuration by what became of them.", "result"),
		requests:  counterVec("requests_total", "Number of attempts to annotate the Node by their result.", "result"),
		requested: gauge("requested", "Whether the Node asks for its reclaim because of this agent: 1 or 0."),
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(m.info, m.detector, m.fallbacks, m.events, m.lost, m.scans, m.matches, m.latency,
		m.hidden, m.patterns, m.configs, m.requests, m.requested,
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.gatherer = registry
	m.info.WithLabelValues(version).Set(1)
	for _, result := range []RequestResult{RequestWritten, RequestStands, RequestWrongHost, RequestFailed} {
		m.requests.WithLabelValues(string(result))
	}
	for _, result := range []ConfigResult{ConfigLoaded, ConfigRejected} {
		m.configs.WithLabelValues(string(result))
	}
	return m
}

// latencyBuckets are finest around what is promised: 10 ms told by the kernel, and
// 250 ms by polling, in seconds.
func latencyBuckets() []float64 {
	return []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help})
}

func counterVec(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, labels)
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help})
}

func gaugeVec(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, labels)
}

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.gatherer, promhttp.HandlerOpts{MaxRequestsInFlight: 2})
}

// Gatherer reads the metrics.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.gatherer }

// Detector is how processes are detected from now on.
func (m *Metrics) Detector(mode string) {
	m.detector.Reset()
	m.detector.WithLabelValues(mode).Set(1)
}

// Fallback counts that the kernel does not tell of processes.
func (m *Metrics) Fallback() { m.fallbacks.Inc() }

// Events counts events of the kernel.
func (m *Metrics) Events(n int) { m.events.Add(float64(n)) }

// Lost counts how many times the kernel dropped events.
func (m *Metrics) Lost(times int) { m.lost.Add(float64(times)) }

// Scan counts a scan of all processes by what caused it.
func (m *Metrics) Scan(cause string) { m.scans.WithLabelValues(cause).Inc() }

// Match counts a process that matches, and how long ago it became what matches; 0
// where that is not known.
func (m *Metrics) Match(latency time.Duration) {
	m.matches.Inc()
	if latency > 0 {
		m.latency.Observe(latency.Seconds())
	}
}

// Hidden is whether the processes of other users cannot be seen.
func (m *Metrics) Hidden(hidden bool) {
	value := 0.0
	if hidden {
		value = 1
	}
	m.hidden.Set(value)
}

// Config counts a version of the configuration.
func (m *Metrics) Config(result ConfigResult) { m.configs.WithLabelValues(string(result)).Inc() }

// Patterns is what is looked for from now on.
func (m *Metrics) Patterns(config reclaim.Config) {
	m.patterns.Set(float64(len(config.Commands) + len(config.ArgvSubstrings)))
}

// Request counts an attempt to annotate the Node.
func (m *Metrics) Request(result RequestResult) {
	m.requests.WithLabelValues(string(result)).Inc()
	if result == RequestWritten || result == RequestStands {
		m.requested.Set(1)
	}
}

// Released is that the Node does not ask any more.
func (m *Metrics) Released() { m.requested.Set(0) }
