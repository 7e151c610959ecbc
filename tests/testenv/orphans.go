package testenv

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// guard kills processes and removes folders when this process dies. envtest
// starts etcd and kube-apiserver without telling the kernel to end them with us,
// so that a test that panics, times out or is killed would leave them running.
type guard struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

// guardScript waits until its standard input ends, which the kernel sees to when
// the holder of the other end dies.
const guardScript = `cat >/dev/null; [ -z "$PIDS" ] || kill -9 $PIDS 2>/dev/null; [ -z "$FOLDERS" ] || rm -rf $FOLDERS`

func startGuard(pids []int, folders []string) (*guard, error) {
	var numbers []string
	for _, pid := range pids {
		numbers = append(numbers, strconv.Itoa(pid))
	}
	cmd := exec.Command("sh", "-c", guardScript)
	cmd.Env = append(os.Environ(), "PIDS="+strings.Join(numbers, " "), "FOLDERS="+strings.Join(folders, " "))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("failed to guard the control plane: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("failed to guard the control plane: %w", err)
	}
	return &guard{cmd: cmd, pipe: pipe}, nil
}

// dismiss ends the guard without letting it act. It is for after a clean stop.
func (g *guard) dismiss() {
	if g == nil {
		return
	}
	_ = g.cmd.Process.Kill()
	_ = g.cmd.Wait()
	_ = g.pipe.Close()
}

// childrenOf are our own children that run one of the given programs with one of
// the given words among their arguments.
func childrenOf(programs []string, word string) []int {
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	var pids []int
	for _, folder := range folders {
		pid, err := strconv.Atoi(filepath.Base(folder))
		if err != nil || parentOf(folder) != os.Getpid() {
			continue
		}
		cmdline, err := os.ReadFile(filepath.Join(folder, "cmdline"))
		if err != nil {
			continue
		}
		program, _, _ := bytes.Cut(cmdline, []byte{0})
		if slices.Contains(programs, filepath.Base(string(program))) && bytes.Contains(cmdline, []byte(word)) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// parentOf is the parent's process id, or 0.
func parentOf(folder string) int {
	stat, err := os.ReadFile(filepath.Join(folder, "stat"))
	if err != nil {
		return 0
	}
	// The name in brackets may hold anything, so that the fields count from its end.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	parent, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return 0
	}
	return parent
}
