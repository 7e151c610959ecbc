// Package machine knows the three Cluster API objects behind a ScheduledMachine:
// bootstrap config, infrastructure machine and Machine. It builds them, creates
// what is missing, observes them and removes them.
//
// Building, validating and observing are pure. Everything that talks to an API
// server hangs off Objects; each of its methods is idempotent, so that a process
// that dies after any single write is continued by the next call. Nothing here
// waits: what is not there yet is reported, and the caller comes back.
//
// An object is ours by UID only, never by name or label. What is not ours is
// neither adopted nor overwritten nor deleted.
package machine
