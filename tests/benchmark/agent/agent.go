//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/finos/five-spot/agent/detect"
	"github.com/finos/five-spot/tests/testenv"
)

// patience is how long an answer of the agent is waited for.
const patience = time.Minute

var errPatience = errors.New("the agent took too long")

// agent is the process of the agent.
type agent struct {
	cmd *exec.Cmd
	// armed receives when the agent looks for programs, again or for the first time.
	armed chan struct{}
	ended chan struct{}

	mu      sync.Mutex
	matched []time.Duration
}

func startAgent(ctx context.Context, s *server, mode detect.Mode, c *cgroup) (*agent, error) {
	binary, err := testenv.BuildAgent(ctx, s.dir)
	if err != nil {
		return nil, err
	}
	env, err := s.environment(ctx)
	if err != nil {
		return nil, err
	}
	if mode != detect.ModeNetlink {
		env = append(env, "RECLAIM_DETECTOR="+string(mode))
	}
	cmd, begin := within(ctx, c, env, binary)
	cmd.Stderr = nil
	output, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := begin(); err != nil {
		return nil, err
	}
	a := &agent{cmd: cmd, armed: make(chan struct{}, 1), ended: make(chan struct{})}
	go a.read(output)
	if err := a.await(ctx); err != nil {
		a.stop()
		return nil, err
	}
	return a, nil
}

// read follows the agent's log, and shows what is wrong.
func (a *agent) read(output io.Reader) {
	defer close(a.ended)
	for rows := bufio.NewScanner(output); rows.Scan(); {
		var row struct{ Level, Msg, Mode, Latency string }
		if err := json.Unmarshal(rows.Bytes(), &row); err != nil || row.Level == "error" {
			fmt.Fprintln(os.Stderr, rows.Text())
			continue
		}
		switch {
		case row.Msg == "Detecting processes" && row.Mode != string(detect.ModeIdle):
			select {
			case a.armed <- struct{}{}:
			default:
			}
		case row.Msg == "Found a process":
			if latency, err := time.ParseDuration(row.Latency); err == nil && latency > 0 {
				a.mu.Lock()
				a.matched = append(a.matched, latency)
				a.mu.Unlock()
			}
		}
	}
}

// await waits until the agent looks for programs.
func (a *agent) await(ctx context.Context) error {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-a.armed:
		return nil
	case <-a.ended:
		return fmt.Errorf("the agent has ended: %w", a.cmd.Wait())
	case <-ctx.Done():
		return ctx.Err()
	case <-limit.C:
		return fmt.Errorf("%w to look for programs", errPatience)
	}
}

// take returns how long the matches took since the last call, by the agent's account.
func (a *agent) take() []time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	matched := a.matched
	a.matched = nil
	return matched
}

func (a *agent) used() (usage, error) { return usageOf(a.cmd.Process.Pid) }

func (a *agent) stop() {
	_ = a.cmd.Process.Signal(syscall.SIGTERM)
	<-a.ended
	_ = a.cmd.Wait()
}
