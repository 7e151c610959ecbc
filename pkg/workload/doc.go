// Package workload reaches into the workload clusters over Cluster API's
// clustercache: the Node behind a Machine, and a watch that tells when it changes.
//
// It connects only to clusters that its caller asks for, and never caches Pods or
// Secrets: only Nodes, Namespaces and DaemonSets are held in memory. Nothing here waits
// for a connection. A cluster that is down is reported as ErrNotConnected, at once, and
// the source that Clusters.Source returns tells when that changes.
package workload
