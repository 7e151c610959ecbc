// Package fairqueue is the work queue of a controller whose objects belong to
// many namespaces: namespaces take turns, and within a namespace the higher
// priority goes first. So a namespace with thousands of machines that are due at
// the same boundary cannot hold up the one machine of another namespace.
//
// It decides the order of what is ready and nothing else. Deduplication, delays,
// rate limiting and the workqueue metrics are client-go's. The queue lives in
// memory: after a restart the controller's initial list fills it again.
package fairqueue
