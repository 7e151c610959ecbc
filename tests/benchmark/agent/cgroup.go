//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	cgroups = "/sys/fs/cgroup"
	period  = 100_000 // microseconds, the kubelet's
)

// cgroup is a cgroup with limits, in either version. A nil one has none.
type cgroup struct {
	version int
	dirs    []string
}

// newCgroup makes a cgroup below that of this process.
func newCgroup(millicpu, memory int) (*cgroup, error) {
	own, err := ownCgroups()
	if err != nil {
		return nil, err
	}
	name := "bench-agent-" + strconv.Itoa(os.Getpid())
	quota, bytes := millicpu*period/1000, memory<<20
	c := &cgroup{version: 1, dirs: []string{
		filepath.Join(cgroups, "cpu", own["cpu"], name), filepath.Join(cgroups, "memory", own["memory"], name),
	}}
	files := [][3]string{
		{c.dirs[0], "cpu.cfs_period_us", strconv.Itoa(period)},
		{c.dirs[0], "cpu.cfs_quota_us", strconv.Itoa(quota)},
		{c.dirs[1], "memory.limit_in_bytes", strconv.Itoa(bytes)},
	}
	if _, err := os.Stat(filepath.Join(cgroups, "cgroup.controllers")); err == nil {
		// A cgroup with processes cannot limit its children, but for the root.
		dir := filepath.Join(cgroups, name)
		c = &cgroup{version: 2, dirs: []string{dir}}
		files = [][3]string{{dir, "cpu.max", fmt.Sprintf("%d %d", quota, period)}, {dir, "memory.max", strconv.Itoa(bytes)}}
	}
	for _, dir := range c.dirs {
		if err := os.Mkdir(dir, 0o750); err != nil {
			c.remove()
			return nil, err
		}
	}
	for _, file := range files {
		if err := os.WriteFile(filepath.Join(file[0], file[1]), []byte(file[2]), 0o600); err != nil {
			c.remove()
			return nil, err
		}
	}
	return c, nil
}

// ownCgroups returns the path of this process's cgroup for each controller.
func ownCgroups() (map[string]string, error) {
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
	return own, nil
}

func (c *cgroup) String() string { return fmt.Sprintf("cgroups version %d", c.version) }

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
	for _, dir := range c.dirs {
		_ = os.Remove(dir)
	}
}
