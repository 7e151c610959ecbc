//go:build linux

package detect

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// showsAll are the values of the mount option hidepid that hide nothing.
var showsAll = []string{"", "0", "off"}

// ptraceable is the value of hidepid, in its two spellings, that knows no group to which
// all processes are shown.
var ptraceable = []string{"4", "ptraceable"}

// Hidden is why the /proc at procRoot does not show this process those of other users;
// empty where it does. With the mount option hidepid of proc(5) the agent would look at
// next to nothing, find nothing, and nobody would be told.
func Hidden(procRoot string) (why string, err error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", fmt.Errorf("failed to read how %s is mounted: %w", procRoot, err)
	}
	return hidden(mounts, procRoot)
}

func hidden(mounts []byte, procRoot string) (why string, err error) {
	options := procOptions(mounts, filepath.Clean(procRoot))
	if slices.Contains(showsAll, options["hidepid"]) {
		return "", nil
	}
	may, err := maySeeAll(options)
	if err != nil || may {
		return "", err
	}
	why = fmt.Sprintf("%s is mounted with hidepid=%s", procRoot, options["hidepid"])
	if group := options["gid"]; group != "" {
		why += " and gid=" + group
	}
	return why, nil
}

// procOptions are the options of the proc file system that is mounted at the path, as
// proc_pid_mountinfo(5) has them. What was mounted last hides what was there before.
func procOptions(mounts []byte, path string) map[string]string {
	var options map[string]string
	for line := range bytes.Lines(mounts) {
		mount, filesystem, ok := strings.Cut(strings.TrimSpace(string(line)), " - ")
		at, of := strings.Fields(mount), strings.Fields(filesystem)
		const pathAt, typeAt, optionsAt = 4, 0, 2
		if !ok || len(at) <= pathAt || len(of) <= optionsAt || of[typeAt] != "proc" || unescaped(at[pathAt]) != path {
			continue
		}
		options = map[string]string{}
		for option := range strings.SplitSeq(of[optionsAt], ",") {
			key, value, _ := strings.Cut(option, "=")
			options[key] = value
		}
	}
	return options
}

// unescaped is a path of which the kernel has written blanks and backslashes in octal.
func unescaped(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}

// maySeeAll is whether this process is of the group to which all is shown, which is that
// of root where no other is named, or may trace every process.
func maySeeAll(options map[string]string) (bool, error) {
	var capabilities [2]unix.CapUserData
	if err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &capabilities[0]); err != nil {
		return false, fmt.Errorf("failed to read the capabilities of this process: %w", err)
	}
	if capabilities[0].Effective&(1<<unix.CAP_SYS_PTRACE) != 0 {
		return true, nil
	}
	if slices.Contains(ptraceable, options["hidepid"]) {
		return false, nil
	}
	group, err := strconv.Atoi(options["gid"])
	if err != nil && options["gid"] != "" {
		return false, fmt.Errorf("the group of a mounted proc file system is no number: %w", err)
	}
	groups, err := os.Getgroups()
	if err != nil {
		return false, fmt.Errorf("failed to read the groups of this process: %w", err)
	}
	return os.Getegid() == group || slices.Contains(groups, group), nil
}
