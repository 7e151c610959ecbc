// Package alerts holds the alerts of pkg/monitoring against Prometheus itself: that it can
// read them, and that each fires when it should and not when it should not.
package alerts
