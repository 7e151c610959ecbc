// Package nodetaint keeps the taints of spec.nodeTaints on Nodes of workload
// clusters. It touches only taints that 5-Spot owns: Plan compares, without side
// effects, and Apply writes the difference. A taint and the record that it is ours
// are written in one request, so that neither can be there without the other.
package nodetaint
