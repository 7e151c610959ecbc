// Package reclaim is the contract between the controller and the reclaim agent: how a
// Node asks to be reclaimed, and how the agent on a Node is told what to look for. Both
// formats are those of the original 5-Spot, so that either side can be exchanged. It is
// pure.
package reclaim
