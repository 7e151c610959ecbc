// Package sharding tells which of several instances of the manager looks after
// an object. It is pure: every instance comes to the same answer from the
// object's UID and the number of instances alone, whatever the object's name,
// labels or priority, so that an edit never moves an object to another instance
// while the old one is in the middle of its work.
package sharding
