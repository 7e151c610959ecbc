package match_test

import (
	"strings"
	"testing"

	"github.com/finos/five-spot/agent/match"
)

const (
	desktop  = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-idea.scope\n"
	systemd2 = "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-2.scope\n"
	cgroupfs = "0::/kubepods/besteffort/pod1/2\n"
	version1 = "12:pids:/user.slice\n4:memory:/kubepods/burstable/pod1/2\n1:name=systemd:/user.slice/x:y\n"
	host1    = "12:pids:/user.slice\n4:memory:/user.slice\n1:name=systemd:/user.slice/x:y\n0::/\n"

	// As seen from a container at /kubepods/burstable/pod0/0.
	rootFromPod    = "0::/../../../..\n"
	initFromPod    = "0::/../../../../init.scope\n"
	desktopFromPod = "0::/../../../../user.slice/user-1000.slice/app-idea.scope\n"
)

func TestInPod(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		nearRoot []string
		cgroup   string
		want     bool
	}{
		"version 2, by systemd":                              {nil, systemd2, true},
		"version 2, by cgroupfs":                             {nil, cgroupfs, true},
		"version 1, in one of the hierarchies":               {nil, version1, true},
		"a Pod below another root":                           {nil, "0::/kubelet.slice/kubelet-kubepods.slice/x\n", true},
		"a cgroup that was removed":                          {nil, "0::/kubepods/pod1/2 (deleted)\n", true},
		"a desktop":                                          {nil, desktop, false},
		"a desktop with version 1":                           {nil, host1, false},
		"the root":                                           {nil, "0::/\n", false},
		"a container of something else":                      {nil, "0::/system.slice/docker-1.scope\n", false},
		"nothing":                                            {nil, "", false},
		"no line at all":                                     {nil, "kubepods", false},
		"no line feed":                                       {nil, "0::/kubepods/pod1/2", true},
		"a controller of that name":                          {nil, "1:kubepods:/x\n", false},
		"from a Pod, another of its class":                   {[]string{rootFromPod}, "0::/../../pod1/2\n", true},
		"from a Pod, one of another class":                   {[]string{rootFromPod}, "0::/../../../besteffort/pod1/2\n", true},
		"from a Pod, another container of it":                {[]string{rootFromPod}, "0::/../2\n", true},
		"from a Pod, itself":                                 {[]string{rootFromPod}, "0::/\n", true},
		"from a Pod, a part of itself":                       {[]string{rootFromPod}, "0::/x\n", true},
		"from a Pod, a desktop":                              {[]string{rootFromPod}, desktopFromPod, false},
		"from a Pod, the root":                               {[]string{rootFromPod}, rootFromPod, false},
		"from a Pod, with a Pod's name":                      {[]string{rootFromPod}, "0::/../../../../kubepods/x\n", true},
		"from a Pod that knows PID 1 only":                   {[]string{initFromPod}, desktopFromPod, false},
		"from a Pod that knows PID 1 only, another":          {[]string{initFromPod}, "0::/../../pod1/2\n", true},
		"from a Pod, the deepest look counts":                {[]string{rootFromPod, "0::/../x\n", ""}, "0::/../../pod1/2\n", true},
		"dots that are a name":                               {[]string{"0::/..x/..\n"}, "0::/\n", false},
		"each hierarchy has a depth of its own":              {[]string{"4:memory:/../..\n1:cpu:/\n"}, "1:cpu:/\n4:memory:/../../user.slice\n", false},
		"each hierarchy has a depth of its own, one is Pods": {[]string{"4:memory:/../..\n1:cpu:/\n"}, "1:cpu:/\n4:memory:/../pod\n", true},
		"from the root, which sees everything as it is":      {[]string{"0::/\n", "0::/init.scope\n"}, desktop, false},
		"from the root, a Pod":                               {[]string{"0::/\n", "0::/init.scope\n"}, cgroupfs, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nearRoot := make([][]byte, 0, len(test.nearRoot))
			for _, content := range test.nearRoot {
				nearRoot = append(nearRoot, []byte(content))
			}
			if got := match.CgroupsSeenBy(nearRoot...).InPod([]byte(test.cgroup)); got != test.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

func FuzzInPod(f *testing.F) {
	for _, seed := range []string{desktop, systemd2, version1, rootFromPod, "::\n:::", "0::/.."} {
		f.Add([]byte(rootFromPod), []byte(seed))
	}
	f.Fuzz(func(t *testing.T, nearRoot, cgroup []byte) {
		plain := match.CgroupsSeenBy().InPod(cgroup)
		if plain && !strings.Contains(string(cgroup), "kubepods") {
			t.Fatalf("%q is no Pod's", cgroup)
		}
		seen := match.CgroupsSeenBy(nearRoot)
		if plain && !seen.InPod(cgroup) {
			t.Fatalf("%q is a Pod's from everywhere", cgroup)
		}
		if !strings.Contains(string(nearRoot), "kubepods") && seen.InPod(nearRoot) && !repeats(nearRoot) {
			t.Fatalf("%q is near the root", nearRoot)
		}
	})
}

// repeats is whether the same hierarchy has several lines, which contradict each other.
func repeats(content []byte) bool {
	seen := map[string]bool{}
	for line := range strings.Lines(string(content)) {
		hierarchy, _, _ := strings.Cut(line, ":")
		if seen[hierarchy] {
			return true
		}
		seen[hierarchy] = true
	}
	return false
}
