//go:build linux

package detect

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/finos/five-spot/agent/match"
	"github.com/finos/five-spot/pkg/reclaim"
)

func TestWhateverAProcessHasInItsFilesIsRead(t *testing.T) {
	t.Parallel()
	stat := func(comm string) string {
		return "77 (" + comm + ") S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 5 23 24\n"
	}
	long := strings.Repeat("x", 1<<20)
	for name, test := range map[string]struct {
		comm, cmdline, stat string
		without             string
		want                bool
	}{
		"an ordinary process":                   {"idea\n", "idea\x00", stat("idea"), "", true},
		"no terminators":                        {"idea", "idea", stat("idea"), "", true},
		"a name that looks like the end of it":  {"idea\n", "x\x00", stat("a) R 9\n(b"), "", true},
		"a pattern far behind":                  {"java\n", long + "\x00java -jar ide\x00", stat("java"), "", true},
		"a pattern at the last byte":            {"java\n", strings.Repeat("x", maxCmdline-13) + "java -jar ide", stat("java"), "", true},
		"a pattern behind the last byte":        {"java\n", strings.Repeat("x", maxCmdline-12) + "java -jar ide", stat("java"), "", false},
		"a pattern where a buffer ends":         {"java\n", strings.Repeat("x", usualCmdline-5) + "java -jar ide", stat("java"), "", true},
		"a command line without end":            {"idea\n", long + long + long, stat("idea"), "", true},
		"a name without end":                    {long, "idea\x00", stat(""), "", true},
		"no text":                               {"\xff\xfe\n", "\xff\x00idea", stat("\xff"), "", false},
		"a kernel thread":                       {"idea\n", "", stat("idea"), "", false},
		"gone before its command line was read": {"idea\n", "idea\x00", stat("idea"), "cmdline", false},
		"gone before its name was read":         {"idea\n", "idea\x00", stat("idea"), "comm", false},
		"gone before its start was read":        {"idea\n", "idea\x00", stat("idea"), "stat", false},
		"gone before its cgroup was read":       {"idea\n", "idea\x00", stat("idea"), "cgroup", false},
		"a start that is cut":                   {"idea\n", "idea\x00", "77 (idea) S 1", "", false},
		"a start that is no number":             {"idea\n", "idea\x00", "77 (idea) " + strings.Repeat("x ", 30), "", false},
		"a start without a name":                {"idea\n", "idea\x00", "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			proc := newProc(t)
			proc.process(77, 5, test.comm, test.cmdline, desktop)
			proc.write("77/stat", test.stat)
			if test.without != "" {
				proc.remove("77/" + test.without)
			}
			config := reclaim.Config{Commands: []string{"idea"}, ArgvSubstrings: []string{"java -jar ide"}}
			// One after it shows that the buffers are as before.
			proc.process(78, 5, "idea\n", "idea\x00", desktop)
			all, err := openProcesses(proc.root)
			g.Expect(err).NotTo(HaveOccurred())
			defer all.close()
			look := newLook(all, match.New(config))
			_, found := look.at(77)
			g.Expect(found).To(Equal(test.want))
			_, found = look.at(78)
			g.Expect(found).To(BeTrue())
			g.Expect(len(all.cmdline)).To(BeNumerically("<=", usualCmdline))
		})
	}
}

func TestAllProcessesButTheAgentAreListed(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	proc := newProc(t)
	want := []int{1, 2}
	proc.process(os.Getpid(), 5, "idea\n", "idea\x00", desktop)
	for pid := 1_000_000; pid < 1_003_000; pid++ {
		proc.write(strconv.Itoa(pid)+"/comm", "x\n")
		want = append(want, pid)
	}
	all, err := openProcesses(proc.root)
	g.Expect(err).NotTo(HaveOccurred())
	defer all.close()
	for range 2 {
		var got []int
		g.Expect(all.each(func(pid int) { got = append(got, pid) })).To(Succeed())
		slices.Sort(got)
		g.Expect(got).To(Equal(want))
	}
}

func TestNothingIsRememberedOfProcessesThatAreGone(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	proc := newProc(t)
	proc.process(77, 5, "idea\n", "idea\x00", desktop)
	proc.process(78, 5, "idea\n", "idea\x00", "0::/kubepods/pod1/2\n")
	all, err := openProcesses(proc.root)
	g.Expect(err).NotTo(HaveOccurred())
	defer all.close()
	look := newLook(all, commands("idea"))
	var told []int
	scan := func() {
		_, err := look.all(func(pid int, _ string) { told = append(told, pid) }, func() {})
		g.Expect(err).NotTo(HaveOccurred())
	}
	scan()
	scan()
	g.Expect(told).To(Equal([]int{77}))
	g.Expect(look.settled).To(HaveLen(2))
	// What is known of it is not asked for again, and it does not leave its Pod.
	proc.remove("78/cgroup")
	scan()
	g.Expect(look.settled).To(HaveLen(2))
	proc.remove("77")
	proc.remove("78")
	scan()
	g.Expect(look.settled).To(BeEmpty())
	g.Expect(told).To(Equal([]int{77}))
}

func FuzzStarted(f *testing.F) {
	f.Add([]byte("77 (idea) S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 5 23 24\n"))
	f.Add([]byte("))("))
	f.Fuzz(func(_ *testing.T, stat []byte) { _, _ = startedIn(stat) })
}

func FuzzNumbers(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x18\x00\x0477\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, entries []byte) {
		numbers(entries, func(pid int) {
			if pid <= 0 {
				t.Fatal(pid)
			}
		})
	})
}
