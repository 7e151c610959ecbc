// Package nodetaint keeps the taints of spec.nodeTaints on Nodes of workload
// clusters. It touches only taints that 5-Spot owns.
package nodetaint
