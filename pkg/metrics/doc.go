// Package metrics holds the Prometheus metrics of the manager. Labels take their
// values from enums, never from names of objects, except for clusters. What is
// counted from the present state is counted when it is asked for, so that no gauge
// can be left behind by an object that is gone.
package metrics
