// Command host makes sure that a real node can run on this machine, and prints the folder
// that holds the programs for it: containerd, runc and network plugins. It takes them from
// this machine, or else out of Debian packages that it downloads and does not install. If
// no node can run here, it prints why to standard error, and ends with 1.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	folder, err := provide(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "No node can run on this machine:", err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stdout, folder)
}

func provide(ctx context.Context) (string, error) {
	for _, check := range checks {
		if err := check(ctx); err != nil {
			return "", err
		}
	}
	return programs(ctx)
}
