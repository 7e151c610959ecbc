package metrics

import "github.com/prometheus/client_golang/prometheus"

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
}

func counterVec(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
}

func gaugeVec(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets})
}

func histogramVec(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
}

// reconcileBuckets go from a look at the cache to an API server that hardly answers.
func reconcileBuckets() []float64 {
	return []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}
}

// lagBuckets are dense around the second within which a boundary is acted upon.
func lagBuckets() []float64 {
	return []float64{0.1, 0.25, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 30, 60, 300, 900}
}

// drainBuckets go from an empty Node to the longest timeout of most people.
func drainBuckets() []float64 {
	return []float64{1, 2.5, 5, 10, 30, 60, 120, 180, 300, 450, 600, 900, 1800, 3600, 7200}
}

// joinBuckets go from a warm virtual machine to a host that is installed anew.
func joinBuckets() []float64 {
	return []float64{5, 15, 30, 60, 120, 180, 300, 450, 600, 900, 1200, 1800, 2700, 3600}
}
