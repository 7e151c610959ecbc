// Package operand keeps objects that the manager installs as it wants them, in any
// cluster: it reads what is there, tells whether that differs, and writes only then. What
// a newer manager wrote is left alone. Nothing here waits: each call is one pass over one
// object, and whoever calls repeats it.
package operand
