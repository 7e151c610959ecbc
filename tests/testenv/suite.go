package testenv

import (
	"context"
	"fmt"
	"os"
)

// RunSuite starts what the tests of a package share, runs them, and stops it again, also
// when it came up only in part. It returns the exit code for TestMain, which has no
// context of its own.
func RunSuite(tests interface{ Run() int }, start func(ctx context.Context) error, stop func() error) int {
	code := 1
	if err := start(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = tests.Run()
	}
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}
