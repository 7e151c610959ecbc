package node_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// tunables are what a kubelet and the network plugins set.
var tunables = []string{
	"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys",
	"kernel/keys/root_maxbytes", "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding",
}

// cleaner takes away what the node has made of this machine.
type cleaner struct {
	folder   string
	alone    bool // no other node is here, so that what looks like a node's is ours
	tunables map[string]string
	mounts   map[string]bool // by their numbers
}

// remember is called before anything of the node is mounted.
func (c *cleaner) remember() error {
	mounts, err := mountsHere()
	c.mounts = map[string]bool{}
	for _, mount := range mounts {
		c.mounts[mount.number] = true
	}
	return err
}

// readTunables leaves out what this kernel does not have.
func readTunables() map[string]string {
	values := map[string]string{}
	for _, name := range tunables {
		if value, err := os.ReadFile(filepath.Join("/proc/sys", name)); err == nil {
			values[name] = string(value)
		}
	}
	return values
}

// clean goes on where something fails, and says what did.
func (c *cleaner) clean() error {
	var errs []error
	if c.alone {
		errs = append(errs, c.end())
	}
	errs = append(errs, eventually("there are still mounts of the node", c.unmountAll))
	if c.alone {
		errs = append(errs, eventually("there are still control groups of the node", removeCgroups), c.restore())
	}
	if err := errors.Join(errs...); err != nil {
		// What is mounted in it must not be removed.
		return err
	}
	return os.RemoveAll(c.folder)
}

// restore makes the settings of the kernel and the network what they were. The network
// comes last: without it, another node may begin.
func (c *cleaner) restore() error {
	var errs []error
	for name, value := range c.tunables {
		path := filepath.Join("/proc/sys", name)
		if now, err := os.ReadFile(path); err == nil && string(now) != value {
			errs = append(errs, os.WriteFile(path, []byte(value), 0))
		}
	}
	link, err := netlink.LinkByName(bridgeName)
	if err == nil {
		err = netlink.LinkDel(link)
	}
	return errors.Join(append(errs, err)...)
}

// end ends all processes of the node.
func (c *cleaner) end() error {
	return eventually("there are still processes of the node", c.killAll)
}

// eventually repeats what says how much is left, until that is nothing.
func eventually(message string, attempt func() (left []string, err error)) error {
	deadline := time.Now().Add(patience)
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		left, err := attempt()
		if err == nil && len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: %v: %w", message, left, err)
		}
		<-ticker.C
	}
}

// killAll kills what has our view of the file system, and what is in a Pod. When it finds
// nothing, nobody is left who could start something.
func (c *cleaner) killAll() ([]string, error) {
	own, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		return nil, fmt.Errorf("failed to find out our namespace for mounts: %w", err)
	}
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, fmt.Errorf("failed to list processes: %w", err)
	}
	var left []string
	for _, folder := range folders {
		pid, err := strconv.Atoi(filepath.Base(folder))
		if err != nil || pid == os.Getpid() || !isAlive(folder) {
			continue
		}
		namespace, _ := os.Readlink(filepath.Join(folder, "ns/mnt"))
		cgroups, _ := os.ReadFile(filepath.Join(folder, "cgroup"))
		if namespace == own || bytes.Contains(cgroups, []byte(":/kubepods")) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			left = append(left, folder)
		}
	}
	return left, nil
}

// isAlive is false for a process that only waits for its parent to look at it.
func isAlive(folder string) bool {
	stat, err := os.ReadFile(filepath.Join(folder, "stat"))
	if err != nil {
		return false
	}
	// The name in brackets may hold anything, so that the state counts from its end.
	state := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	return len(state) > 0 && !bytes.ContainsAny(state[0], "ZX")
}

func (c *cleaner) unmountAll() ([]string, error) {
	mounts, err := mountsHere()
	if err != nil {
		return nil, err
	}
	var left []string
	for _, mount := range slices.Backward(mounts) {
		if c.mounts[mount.number] {
			continue
		}
		left = append(left, mount.path)
		_ = unix.Unmount(mount.path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	}
	return left, nil
}

type mount struct{ number, path string }

// mountsHere are the mounts that this process sees, in the order in which they were made.
func mountsHere() ([]mount, error) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("failed to list mounts: %w", err)
	}
	defer file.Close()
	var mounts []mount
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) > 4 {
			mounts = append(mounts, mount{fields[0], strings.ReplaceAll(fields[4], `\040`, " ")})
		}
	}
	return mounts, lines.Err()
}

// podCgroups are the kubelet's control groups, one in each hierarchy.
func podCgroups() []string {
	var found []string
	for _, pattern := range []string{"/sys/fs/cgroup/kubepods", "/sys/fs/cgroup/*/kubepods"} {
		matches, err := filepath.Glob(pattern)
		if err == nil {
			found = append(found, matches...)
		}
	}
	return found
}

// removeCgroups removes the innermost first.
func removeCgroups() ([]string, error) {
	var folders []string
	for _, root := range podCgroups() {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				folders = append(folders, path)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("failed to list control groups: %w", err)
		}
	}
	for _, folder := range slices.Backward(folders) {
		_ = unix.Rmdir(folder)
	}
	return podCgroups(), nil
}
