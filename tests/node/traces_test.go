package node_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
)

// traces are what a node could leave on this machine, without what others do meanwhile.
type traces struct {
	Tunables map[string]string
	Mounts   []string
	Links    []string
	Cgroups  []string
	Paths    []string
}

// wherever are the paths that programs of a node use without being asked to.
var wherever = []string{
	"/run/containerd", "/run/netns", "/run/kubelet", "/var/lib/containerd", "/var/lib/cni", "/var/lib/kubelet", "/var/log/pods",
	"/var/log/containers", "/opt/containerd", "/opt/cni", "/etc/cni", "/etc/containerd", "/etc/kubernetes", "/usr/libexec/kubernetes", "/tmp/five-spot-node-*",
}

func lookAround() (*traces, error) {
	t := &traces{Tunables: readTunables(), Cgroups: podCgroups()}
	mounts, err := mountsHere()
	if err != nil {
		return nil, err
	}
	for _, mount := range mounts {
		if strings.HasPrefix(mount.path, "/run") || strings.HasPrefix(mount.path, "/var") || strings.Contains(mount.path, "/five-spot-node-") {
			t.Mounts = append(t.Mounts, mount.path)
		}
	}
	links, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("failed to list network devices: %w", err)
	}
	for i := range links {
		if name := links[i].Name; name == bridgeName || strings.HasPrefix(name, "veth") {
			t.Links = append(t.Links, name)
		}
	}
	for _, pattern := range wherever {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("failed to look for %s: %w", pattern, err)
		}
		t.Paths = append(t.Paths, found...)
	}
	slices.Sort(t.Links)
	return t, nil
}

// difference waits until nothing differs: devices of networks without processes go soon.
func (t *traces) difference() string {
	var difference string
	_ = eventually("", func() ([]string, error) {
		now, err := lookAround()
		if err != nil {
			difference = err.Error()
			return nil, err
		}
		if difference = cmp.Diff(t, now); difference != "" {
			return []string{difference}, nil
		}
		return nil, nil
	})
	return difference
}

// exists is whether there is such a process, or file.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
