//go:build linux

package detect

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/finos/five-spot/agent/match"
)

const (
	// maxCmdline is how many bytes of a command line are looked at. It is what Linux
	// allows unless the limit of a stack is raised above the usual 8 MiB.
	maxCmdline = 2 << 20

	// usualCmdline is how much is kept for command lines between processes.
	usualCmdline = 64 << 10

	// maxSmall is more than the kernel writes into comm, stat and, but for absurd
	// hierarchies, cgroup.
	maxSmall = 16 << 10

	entriesBuffer = 64 << 10
)

// processes reads a /proc. It may be used by one goroutine at a time, and what it returns
// holds until the next call.
type processes struct {
	root    int
	self    int
	cgroups match.Cgroups

	comm, cmdline, entries []byte
}

// openProcesses opens the /proc at the path.
func openProcesses(path string) (*processes, error) {
	root, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("failed to open %s: %w", path, err)
	}
	p := &processes{
		root: root, comm: make([]byte, maxSmall), cmdline: make([]byte, usualCmdline), entries: make([]byte, entriesBuffer),
	}
	// Without it no process is taken for the agent's.
	if self, err := os.Readlink(filepath.Join(path, "self")); err == nil {
		p.self, _ = strconv.Atoi(self)
	}
	var nearRoot [][]byte
	for _, pid := range []string{"1", "2"} {
		if content, err := read(root, pid+"/cgroup", p.comm); err == nil {
			nearRoot = append(nearRoot, bytes.Clone(content))
		}
	}
	p.cgroups = match.CgroupsSeenBy(nearRoot...)
	return p, nil
}

func (p *processes) close() { _ = unix.Close(p.root) }

// isOfTheKernel is whether the kernel tells of the agent by the number that it has in
// this /proc.
func (p *processes) isOfTheKernel() bool { return p.self == os.Getpid() }

// each yields the PIDs of all processes but the agent's.
func (p *processes) each(yield func(pid int)) error {
	if _, err := unix.Seek(p.root, 0, unix.SEEK_SET); err != nil {
		return fmt.Errorf("failed to list processes: %w", err)
	}
	for {
		n, err := unix.ReadDirent(p.root, p.entries)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("failed to list processes: %w", err)
		}
		if n == 0 {
			return nil
		}
		numbers(p.entries[:n], func(pid int) {
			if pid != p.self {
				yield(pid)
			}
		})
	}
}

// numbers yields the entries of a folder, as the kernel writes them, that are numbers.
func numbers(entries []byte, yield func(int)) {
	const lengthAt, nameAt = 16, 19
	for len(entries) > nameAt {
		length := int(binary.NativeEndian.Uint16(entries[lengthAt:]))
		if length <= nameAt || length > len(entries) {
			return
		}
		name, _, _ := bytes.Cut(entries[nameAt:length], []byte{0})
		if pid, err := strconv.Atoi(string(name)); err == nil && pid > 0 {
			yield(pid)
		}
		entries = entries[length:]
	}
}

// process reads what a process is matched by. It is empty when it has ended.
func (p *processes) process(pid int) match.Process { return p.processIn(p.root, strconv.Itoa(pid)+"/") }

func (p *processes) processIn(dir int, prefix string) match.Process {
	if len(p.cmdline) > usualCmdline {
		p.cmdline = make([]byte, usualCmdline)
	}
	cmdline, err := read(dir, prefix+"cmdline", p.cmdline)
	for err == nil && len(cmdline) == len(p.cmdline) && len(p.cmdline) < maxCmdline {
		p.cmdline = make([]byte, min(8*len(p.cmdline), maxCmdline))
		cmdline, err = read(dir, prefix+"cmdline", p.cmdline)
	}
	// Kernel threads and what has ended need no second look.
	if err != nil || len(cmdline) == 0 {
		return match.Process{}
	}
	comm, err := read(dir, prefix+"comm", p.comm)
	if err != nil {
		return match.Process{}
	}
	return match.Process{Comm: comm, Cmdline: cmdline}
}

// handle is a process that cannot become another one, as its PID can.
type handle struct {
	*processes
	dir int
}

func (p *processes) hold(pid int) (handle, error) {
	dir, err := unix.Openat(p.root, strconv.Itoa(pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return handle{}, fmt.Errorf("failed to open process %d: %w", pid, err)
	}
	return handle{p, dir}, nil
}

func (h handle) release() { _ = unix.Close(h.dir) }

func (h handle) process() match.Process { return h.processIn(h.dir, "") }

// inPod is whether the process is in a Pod.
func (h handle) inPod() (bool, error) {
	cgroup, err := read(h.dir, "cgroup", h.comm)
	if err != nil {
		return false, err
	}
	return h.cgroups.InPod(cgroup), nil
}

// started is when the process was started, in ticks since the machine was.
func (h handle) started() (uint64, error) {
	stat, err := read(h.dir, "stat", h.comm)
	if err != nil {
		return 0, err
	}
	return startedIn(stat)
}

// errStat is that a process has an unknown form of stat.
var errStat = errors.New("the file stat of a process has no start time")

// startedIn reads the 22nd field of stat. The second one is the name, which may hold
// everything, also what looks like its own end.
func startedIn(stat []byte) (uint64, error) {
	const afterName = 22 - 3
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) <= afterName {
		return 0, errStat
	}
	started, err := strconv.ParseUint(string(fields[afterName]), 10, 64)
	if err != nil {
		return 0, errStat
	}
	return started, nil
}

// read fills the buffer from a file, as far as there is something. Files of /proc give
// all they have at once.
func read(dir int, name string, buffer []byte) ([]byte, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("failed to open %s: %w", name, err)
	}
	defer func() { _ = unix.Close(fd) }()
	for {
		n, err := unix.Read(fd, buffer)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("failed to read %s: %w", name, err)
		}
		return buffer[:n], nil
	}
}
