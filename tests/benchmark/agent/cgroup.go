//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

const (
	cgroups = "/sys/fs/cgroup"
	period  = 100_000 // microseconds, the kubelet's
	usual   = 1000    // the share of what asks for nothing, in thousandths of a processor
)

// limits are what a container asks for and may use.
type limits struct {
	request  int // thousandths of a processor
	millicpu int // the same
	memory   int // MiB
}

// node makes cgroups like those of a Node: one for the programs of the owner with the
// usual share, and beside it, together with the share of all processors, the containers. A
// nil one makes none.
type node struct {
	version     int
	cpu, memory string // folders
}

// newNode finds out where cgroups can be made.
func newNode() (*node, error) {
	if _, err := os.Stat(filepath.Join(cgroups, "cgroup.controllers")); err == nil {
		// A cgroup with processes cannot limit its children, but for the root.
		return &node{2, cgroups, cgroups}, nil
	}
	content, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	own := map[string]string{}
	for row := range strings.Lines(string(content)) {
		fields := strings.SplitN(strings.TrimSpace(row), ":", 3)
		if len(fields) != 3 {
			continue
		}
		for controller := range strings.SplitSeq(fields[1], ",") {
			own[controller] = fields[2]
		}
	}
	return &node{1, filepath.Join(cgroups, "cpu", own["cpu"]), filepath.Join(cgroups, "memory", own["memory"])}, nil
}

// cgroup holds processes. A nil one holds nothing back.
type cgroup struct {
	// dirs are where processes are put, made all that was made, the outer ones first.
	dirs, made []string
}

// setting is what is written into a file of a cgroup.
type setting struct{ dir, file, value string }

// container makes a cgroup as of a container with the limits, which is alone.
func (n *node) container(name string, l limits) (*cgroup, error) {
	if n == nil {
		return nil, nil
	}
	name = fmt.Sprintf("bench-agent-%d-%s", os.Getpid(), name)
	quota, bytes := l.millicpu*period/1000, strconv.Itoa(l.memory<<20)
	pods := filepath.Join(n.cpu, name)
	pod := filepath.Join(pods, "pod")
	if n.version == 2 {
		return newCgroup([]string{pod}, []string{pods, pod},
			setting{pods, "cgroup.subtree_control", "+cpu +memory"},
			n.share(pods, usual*runtime.NumCPU()), n.share(pod, l.request),
			setting{pod, "cpu.max", fmt.Sprintf("%d %d", quota, period)}, setting{pod, "memory.max", bytes})
	}
	memory := filepath.Join(n.memory, name)
	return newCgroup([]string{pod, memory}, []string{pods, pod, memory},
		n.share(pods, usual*runtime.NumCPU()), n.share(pod, l.request),
		setting{pod, "cpu.cfs_period_us", strconv.Itoa(period)}, setting{pod, "cpu.cfs_quota_us", strconv.Itoa(quota)},
		setting{memory, "memory.limit_in_bytes", bytes})
}

// owner puts this process, and with it whatever it starts elsewhere than in a container,
// to where the programs of the owner are.
func (n *node) owner() (leave func(), err error) {
	if n == nil {
		return func() {}, nil
	}
	dir := filepath.Join(n.cpu, fmt.Sprintf("bench-agent-%d-owner", os.Getpid()))
	c, err := newCgroup([]string{dir}, []string{dir}, n.share(dir, usual))
	if err != nil {
		return nil, err
	}
	leave = func() {
		_ = (&cgroup{dirs: []string{n.cpu}}).add(os.Getpid())
		c.remove()
	}
	if err := c.add(os.Getpid()); err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// share is that of a request, as the kubelet and a container runtime set it.
func (n *node) share(dir string, millicpu int) setting {
	shares := max(2, millicpu*1024/1000)
	if n.version == 2 {
		return setting{dir, "cpu.weight", strconv.Itoa(1 + (shares-2)*9999/262142)}
	}
	return setting{dir, "cpu.shares", strconv.Itoa(shares)}
}

func newCgroup(dirs, made []string, settings ...setting) (*cgroup, error) {
	c := &cgroup{dirs: dirs, made: made}
	for _, dir := range made {
		if err := os.Mkdir(dir, 0o750); err != nil {
			c.remove()
			return nil, err
		}
	}
	for _, s := range settings {
		if err := os.WriteFile(filepath.Join(s.dir, s.file), []byte(s.value), 0o600); err != nil {
			c.remove()
			return nil, err
		}
	}
	return c, nil
}

func (c *cgroup) add(pid int) error {
	if c == nil {
		return nil
	}
	var errs []error
	for _, dir := range c.dirs {
		errs = append(errs, os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o600))
	}
	return errors.Join(errs...)
}

// throttled tells how often the limit of processor time was met.
func (c *cgroup) throttled() string {
	if c == nil {
		return "never: no limits"
	}
	stat, err := os.ReadFile(filepath.Join(c.dirs[0], "cpu.stat"))
	if err != nil {
		return err.Error()
	}
	counts := map[string]string{}
	for row := range strings.Lines(string(stat)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(row), " "); ok {
			counts[key] = value
		}
	}
	return fmt.Sprintf("in %s of %s periods of 100ms", counts["nr_throttled"], counts["nr_periods"])
}

func (c *cgroup) remove() {
	if c == nil {
		return
	}
	for _, dir := range slices.Backward(c.made) {
		_ = os.Remove(dir)
	}
}
