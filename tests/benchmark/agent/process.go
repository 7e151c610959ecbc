//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// withParent has the kernel kill a process when this one ends, however it does. To be
// exact, when the thread ends that has started it, which none does before.
func withParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// program is what a process of this program becomes when it is within its limits.
type program struct{ Args, Env []string }

// within prepares a command that runs within the limits from its first instruction on:
// Go programs look at theirs when they are started. begin starts it; between, its input
// and output can be set.
func within(ctx context.Context, c *cgroup, env []string, args ...string) (cmd *exec.Cmd, begin func() error) {
	cmd = exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Env = append(os.Environ(), role+"=within")
	cmd.Stderr, cmd.SysProcAttr = os.Stderr, withParent()
	return cmd, func() error {
		reader, writer, err := os.Pipe()
		if err != nil {
			return err
		}
		defer writer.Close()
		cmd.ExtraFiles = []*os.File{reader}
		err = cmd.Start()
		reader.Close()
		if err != nil {
			return err
		}
		if err = c.add(cmd.Process.Pid); err == nil {
			err = json.NewEncoder(writer).Encode(program{args, env})
		}
		if err != nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		return err
	}
}

// becomeProgram is what the process does that within has prepared.
func becomeProgram() error {
	const inherited = 3
	told := os.NewFile(inherited, "program")
	var p program
	if err := json.NewDecoder(told).Decode(&p); err != nil {
		return fmt.Errorf("failed to read which program to become: %w", err)
	}
	_ = told.Close()
	return unix.Exec(p.Args[0], p.Args, p.Env)
}

// usage is what a process has used since it was started.
type usage struct {
	CPU            time.Duration
	Resident, Peak int // KiB
}

func usageOf(pid int) (usage, error) {
	// The clock of another process's time, as clock_getcpuclockid(3) has it.
	const scheduled = 2
	var cpu unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduled), &cpu); err != nil {
		return usage{}, fmt.Errorf("failed to read the processor time of process %d: %w", pid, err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return usage{}, err
	}
	u := usage{CPU: time.Duration(cpu.Nano())}
	for row := range bytes.Lines(status) {
		fields := bytes.Fields(row)
		if len(fields) < 2 {
			continue
		}
		switch string(fields[0]) {
		case "VmRSS:":
			u.Resident, _ = strconv.Atoi(string(fields[1]))
		case "VmHWM:":
			u.Peak, _ = strconv.Atoi(string(fields[1]))
		}
	}
	return u, nil
}

// since tells what was used since before, in the given time.
func (u usage) since(before usage, took time.Duration) string {
	return fmt.Sprintf("%.3f %% of a core, resident %.1f MiB, at most %.1f MiB",
		100*(u.CPU-before.CPU).Seconds()/took.Seconds(), float64(u.Resident)/1024, float64(u.Peak)/1024)
}
