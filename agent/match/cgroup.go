package match

import (
	"bytes"
	"strings"
)

// inPods is in the path of every cgroup of a Kubernetes Pod, whatever drives cgroups.
var inPods = []byte("kubepods")

// above is how the path of a cgroup outside of the reader's cgroup namespace begins.
const above = "/.."

// Cgroups tells processes in Kubernetes Pods from others by /proc/<pid>/cgroup, in both
// versions of cgroups.
//
// In a cgroup namespace of its own, which a container has with version 2, a reader sees
// paths from its own cgroup: another Pod's may be "/../../pod<uid>/<id>", without what
// tells that it is a Pod's. Whoever looks from a Pod therefore has to know how deep it
// is: a path that does not go up to the root stays among Pods.
type Cgroups struct {
	depth map[string]int
}

// CgroupsSeenBy returns Cgroups for a reader to whom cgroups that are at the root, or in
// no Pod and near it, look like those given: such are those of PID 1 and of kthreadd.
// Without a cgroup namespace, or without any, paths are taken as they are.
func CgroupsSeenBy(nearRoot ...[]byte) Cgroups {
	c := Cgroups{depth: map[string]int{}}
	for _, content := range nearRoot {
		for hierarchy, path := range paths(content) {
			c.depth[hierarchy] = max(c.depth[hierarchy], climbs(path))
		}
	}
	return c
}

// InPod is whether the process with this content of /proc/<pid>/cgroup is in a Pod.
func (c Cgroups) InPod(cgroup []byte) bool {
	for hierarchy, path := range paths(cgroup) {
		if bytes.Contains(path, inPods) || climbs(path) < c.depth[hierarchy] {
			return true
		}
	}
	return false
}

// paths yields the hierarchy and the path of every line.
func paths(content []byte) func(yield func(string, []byte) bool) {
	return func(yield func(string, []byte) bool) {
		for line := range bytes.Lines(content) {
			fields := bytes.SplitN(bytes.TrimSuffix(line, []byte{'\n'}), []byte{':'}, 3)
			if len(fields) == 3 && !yield(string(fields[0]), fields[2]) {
				return
			}
		}
	}
}

// climbs is by how many levels the path goes up from the reader's cgroup.
func climbs(path []byte) int {
	levels := 0
	for rest := string(path); strings.HasPrefix(rest, above) && (len(rest) == len(above) || rest[len(above)] == '/'); levels++ {
		rest = rest[len(above):]
	}
	return levels
}
