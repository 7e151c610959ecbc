package testenv

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// RunNothing has go test say that the package has no tests to run, which skipped tests
// would not do, and tells why on standard error. It returns the exit code.
func RunNothing(m *testing.M, why string) int {
	fmt.Fprintln(os.Stderr, why)
	flag.Parse()
	if err := flag.Set("test.run", "^$"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
