// Command assets provides the control-plane binaries of the test environment and
// prints the folder that holds them, for KUBEBUILDER_ASSETS. Arguments are the
// names of binaries; without any, those that the suites need. Progress goes to
// standard error.
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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	folder, err := testenv.Binaries(ctx, os.Stderr, os.Args[1:]...)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "assets:", err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stdout, folder)
}
