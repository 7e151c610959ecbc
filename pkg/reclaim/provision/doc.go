// Package provision installs the reclaim agent in a workload cluster, keeps it as it
// should be, tells it what to look for on a Node, and removes it.
//
// What is installed is in manifests, which can be applied by hand as well. Objects that
// are not labelled as ours are never written or deleted. Nothing here waits: each call
// is one pass over the objects, and whoever calls repeats it.
package provision
