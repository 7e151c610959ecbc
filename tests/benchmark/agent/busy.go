//go:build linux

package main

import (
	"context"
	"os"
	"os/exec"
	"sync/atomic"
)

// keepBusy starts programs that take all the processor time they get, until stop is
// called.
func keepBusy(ctx context.Context, n int) (stop func(), err error) {
	return several(n, func() *exec.Cmd {
		cmd := exec.CommandContext(ctx, "/proc/self/exe")
		cmd.Env = append(os.Environ(), role+"=busy")
		return cmd
	})
}

// sleepers starts processes that do nothing until stop is called.
func sleepers(ctx context.Context, n int) (stop func(), err error) {
	return several(n, func() *exec.Cmd { return exec.CommandContext(ctx, "sleep", "3600") })
}

// several starts processes, and kills them when stop is called.
func several(n int, prepare func() *exec.Cmd) (stop func(), err error) {
	var all []*exec.Cmd
	stop = func() {
		for _, cmd := range all {
			_ = cmd.Process.Kill()
		}
		for _, cmd := range all {
			_ = cmd.Wait()
		}
	}
	for range n {
		cmd := prepare()
		cmd.SysProcAttr = withParent()
		if err := cmd.Start(); err != nil {
			stop()
			return nil, err
		}
		all = append(all, cmd)
	}
	return stop, nil
}

// beBusy is what one of those does.
func beBusy() {
	for {
		spins.Add(1)
	}
}

// spins counts what nobody reads: a loop without a body is taken for a mistake.
var spins atomic.Uint64
