// Package schedule tells whether an instant is inside a ScheduledMachine's
// schedule, what changes next, and why. It is pure and safe for concurrent use.
package schedule
