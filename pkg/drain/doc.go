// Package drain empties a Node in steps, over Cluster API's drain library: cordon it,
// evict its Pods, tell how far that is. A step never waits for anything: it takes at
// most a second and a half, and what is left is for the next one.
//
// Everything that must survive a restart is on the Node (the cordon and whose it is)
// or with the caller (Progress). Only the back-off of single Pods is held in memory,
// and to lose it costs no more than one request for each of them.
package drain
