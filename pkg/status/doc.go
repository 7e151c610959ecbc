// Package status turns what was observed, decided and done into the status of a
// ScheduledMachine. It is pure. Describing an unchanged world again gives an equal
// status, so that nothing is written while nothing changes: lists are sorted,
// times have whole seconds, and no message holds a running clock.
package status
