package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"github.com/finos/five-spot/agent/detect"
	"github.com/finos/five-spot/agent/match"
	"github.com/finos/five-spot/pkg/reclaim"
)

// firstPIDNamespace is the kernel's number of the PID namespace that it starts with.
const firstPIDNamespace = "pid:[4026531836]"

// proofTimeout is generous: the kernel answers within a millisecond.
const proofTimeout = 10 * time.Second

// checks are what this machine must be like. What comes later may rely on what comes
// before.
var checks = []func(context.Context) error{isRoot, isHost, hasNoKubelet, mayMount, kernelTells}

func isRoot(context.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("only root can run containers")
	}
	return nil
}

func isHost(context.Context) error {
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return fmt.Errorf("failed to find out whether this is a container: %w", err)
	}
	if namespace != firstPIDNamespace {
		return errors.New("this is a container, in which the agent would not be told of the processes of its host")
	}
	cgroups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return fmt.Errorf("failed to find out whether this is a Pod: %w", err)
	}
	if strings.Contains(string(cgroups), "kubepods") {
		return errors.New("this is a Pod, so that no process that is started here is one of the host")
	}
	return nil
}

func hasNoKubelet(context.Context) error {
	for _, pattern := range []string{"/sys/fs/cgroup/kubepods*", "/sys/fs/cgroup/*/kubepods*"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return fmt.Errorf("failed to look for another kubelet: %w", err)
		}
		if len(found) > 0 {
			return fmt.Errorf("%s is of another kubelet, which is at work here or was and left it", found[0])
		}
	}
	return nil
}

func mayMount(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("a namespace for mounts is refused: %w", err)
	}
	return nil
}

// kernelTells is whether the agent's detector works here outside of a Pod.
func kernelTells(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, proofTimeout)
	defer cancel()
	outcome := observer{make(chan string, 1)}
	detector := detect.New(detect.Options{Clock: clock.RealClock{}, Log: logr.Discard(), Observer: outcome})
	detector.Arm(match.New(reclaim.ConfigFor([]string{"five-spot-nobodys-program"})), 0)
	go func() { _ = detector.Run(ctx) }() // It ends with ctx.
	select {
	case reason := <-outcome.reason:
		if reason != "" {
			return fmt.Errorf("the kernel does not tell of new processes: %s", reason)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the detector does not say whether the kernel tells of new processes: %w", ctx.Err())
	}
}

// observer keeps why the first mode in use is not the best one.
type observer struct{ reason chan string }

// Using implements detect.Observer.
func (o observer) Using(mode detect.Mode, reason string) {
	if mode == detect.ModeIdle {
		return
	}
	select {
	case o.reason <- reason:
	default:
	}
}

// Received implements detect.Observer.
func (observer) Received(int) {}

// Lost implements detect.Observer.
func (observer) Lost(int) {}

// Scanned implements detect.Observer.
func (observer) Scanned(detect.Cause, int, time.Duration) {}

// Matched implements detect.Observer.
func (observer) Matched(detect.Found, time.Duration) {}
