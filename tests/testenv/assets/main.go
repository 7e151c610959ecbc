// Command assets provides the control-plane binaries that the test environment
// runs, downloading or building what is missing, and prints their folder. Progress
// goes to standard error at once; go test would hold it back until a package is done.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/finos/five-spot/tests/testenv"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	folder, err := testenv.Binaries(ctx, os.Stderr)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(os.Stdout, folder)
	return err
}
