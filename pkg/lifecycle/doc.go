// Package lifecycle decides what becomes of a ScheduledMachine: one ordered list
// of rules, of which the first that holds wins. It is pure: it reads no clock,
// calls no client and takes no context, so that every decision can be replayed
// from the Observation that led to it.
package lifecycle
