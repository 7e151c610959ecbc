//go:build linux

package detect

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"
)

func TestHowAProcFileSystemIsMountedIsRead(t *testing.T) {
	t.Parallel()
	const host = "25 30 0:23 / /host/proc ro,nosuid shared:12 master:1 - proc proc rw,gid=1234,hidepid=invisible\n"
	for name, test := range map[string]struct {
		mounts string
		want   map[string]string
	}{
		"the options are those of the file system":  {host, map[string]string{"rw": "", "gid": "1234", "hidepid": "invisible"}},
		"another path says nothing":                 {"25 30 0:23 / /proc rw - proc proc rw,hidepid=2\n", nil},
		"a folder in it says nothing":               {"25 30 0:23 /sys /host/proc/sys rw - proc proc rw,hidepid=2\n", nil},
		"another file system says nothing":          {"25 30 0:23 / /host/proc rw - tmpfs proc rw,hidepid=2\n", nil},
		"what is mounted over it counts":            {host + "26 25 0:24 / /host/proc rw - proc proc rw\n", map[string]string{"rw": ""}},
		"a line that is cut off says nothing":       {"25 30 0:23 / /host/proc", nil},
		"a line without options says nothing":       {"25 30 0:23 / /host/proc rw - proc\n", nil},
		"a folder whose name has a blank is itself": {`25 30 0:23 / /host\040/proc rw - proc proc rw` + "\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			NewWithT(t).Expect(procOptions([]byte(test.mounts), "/host/proc")).To(Equal(test.want))
		})
	}
	NewWithT(t).Expect(procOptions([]byte(`1 2 0:3 / /a\040b\134 rw - proc proc hidepid=1`), `/a b\`)).To(HaveKeyWithValue("hidepid", "1"))
}

// TestHiddenProcesses mounts /proc with the options, and looks with the rights of the
// agent's Pod: root without the capability to trace others.
func TestHiddenProcesses(t *testing.T) {
	t.Parallel()
	// A process of somebody else.
	owner := exec.CommandContext(t.Context(), "sleep", "3600")
	owner.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 12345, Gid: 12345}}
	if err := owner.Start(); err != nil {
		t.Skip("needs root to start a process of another user: " + err.Error())
	}
	t.Cleanup(func() { _ = owner.Process.Kill(); _ = owner.Wait() })
	for options, want := range map[string]string{
		"":                        "",
		"hidepid=0":               "",
		"hidepid=2":               "", // Root's group sees all.
		"hidepid=1,gid=54321":     "is mounted with hidepid=(1|noaccess) and gid=54321",
		"hidepid=2,gid=54321":     "is mounted with hidepid=(2|invisible) and gid=54321",
		"hidepid=4":               "is mounted with hidepid=(4|ptraceable)",
		"hidepid=invisible,gid=0": "",
	} {
		t.Run(options, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			why, all := asTheAgent(t, dir, options, owner.Process.Pid)
			g := NewWithT(t)
			if want == "" {
				g.Expect(why).To(BeEmpty())
			} else {
				g.Expect(why).To(MatchRegexp("^" + dir + " " + want + "$"))
			}
			g.Expect(all).To(Equal(want == ""), "what is told is what the kernel does")
		})
	}
}

// asTheAgent tells what is hidden in a /proc that only this thread sees, which ends with
// its goroutine.
func asTheAgent(t *testing.T, dir, options string, other int) (why string, seesOther bool) {
	t.Helper()
	type result struct {
		why       string
		seesOther bool
		err       error
		skip      string
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread()
		var r result
		defer func() { done <- r }()
		if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
			r.skip = "needs a mount namespace of its own: " + err.Error()
			return
		}
		if r.err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); r.err != nil {
			return
		}
		if r.err = unix.Mount("proc", dir, "proc", 0, options); r.err != nil {
			return
		}
		if r.err = dropTracing(); r.err != nil {
			return
		}
		mounts, err := os.ReadFile("/proc/thread-self/mountinfo")
		if r.err = err; err == nil {
			r.why, r.err = hidden(mounts, dir)
		}
		_, err = os.ReadFile(filepath.Join(dir, strconv.Itoa(other), "cmdline"))
		r.seesOther = err == nil
	}()
	r := <-done
	if r.skip != "" {
		t.Skip(r.skip)
	}
	if r.err != nil {
		t.Fatal(r.err)
	}
	return r.why, r.seesOther
}

func dropTracing() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	data[0].Effective &^= 1 << unix.CAP_SYS_PTRACE
	return unix.Capset(&header, &data[0])
}

// FuzzHidden reads what a kernel would have to be odd to write, and never blames a host
// that hides nothing.
func FuzzHidden(f *testing.F) {
	for _, seed := range []string{
		"25 30 0:23 / /proc rw - proc proc rw,gid=1234,hidepid=invisible\n", "25 30 0:23 / /proc rw - proc proc rw,hidepid=4,gid=x\n",
		"25 30 0:23 / /proc rw - proc proc rw,hidepid=\n", " - proc\n", "1 2 3 4 /a\\040b - proc proc =,=\n", "",
	} {
		f.Add([]byte(seed), "/proc")
	}
	f.Fuzz(func(t *testing.T, mounts []byte, root string) {
		why, err := hidden(mounts, root)
		if (why != "" || err != nil) && !bytes.Contains(mounts, []byte("hidepid=")) {
			t.Errorf("%q, %v of %q", why, err, mounts)
		}
	})
}
