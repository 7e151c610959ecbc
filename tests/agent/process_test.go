package agent_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/gomega"

	"github.com/finos/five-spot/tests/testenv"
)

// agent is the agent's process.
type agent struct {
	*testenv.Process
	*host
	log *output
}

// startAgent starts the agent, and stops it at the end of the test, where it has to be
// alive still: no match ends it.
func (h *host) startAgent(args ...string) *agent {
	h.Helper()
	a := h.startBy(binary, args...)
	h.Eventually(a.answers("/healthz")).Should(Equal(http.StatusOK), a.log.String)
	return a
}

// startBy is startAgent by a program that may begin with other arguments, for an agent
// of which nothing is expected yet.
func (h *host) startBy(program string, args ...string) *agent {
	h.Helper()
	a := &agent{host: h, log: &output{}}
	process, err := testenv.StartProcess(a.log, program, append(args, h.args()...), nil)
	h.Expect(err).NotTo(HaveOccurred())
	a.Process = process
	h.Cleanup(func() {
		select {
		case <-a.Done():
			h.Errorf("the agent has ended: %v", a.Err())
		default:
		}
		if err := a.Stop(10 * time.Second); err != nil {
			h.Error(err)
		}
		if err := a.Err(); err != nil {
			h.Errorf("stopping is no failure: %v", err)
		}
		if h.Failed() {
			h.Log(a.log.String())
		}
	})
	return a
}

func (h *host) args() []string {
	return []string{
		"--node-name", h.node, "--namespace", namespace, "--kubeconfig", h.kubeconfig,
		"--machine-id-path", h.machineID, "--health-bind-address", h.health,
	}
}

// answers is the status with which it answers requests of the path.
func (a *agent) answers(path string) func() int {
	return func() int {
		status, _ := a.fetch("http://" + a.health + path)
		return status
	}
}

// fetch returns 0 when nobody answers.
func (h *host) fetch(url string) (int, string) {
	h.Helper()
	request, err := http.NewRequestWithContext(h.Context(), http.MethodGet, url, http.NoBody)
	h.Expect(err).NotTo(HaveOccurred())
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	h.Expect(err).NotTo(HaveOccurred())
	return response.StatusCode, string(body)
}

// program is the name of a program that no other test starts. It is longer than the
// kernel keeps the names of processes.
func (h *host) program(name string) string { return name + "-of-the-owner-of-" + h.node }

// run starts a program of that name, until the test or the returned function ends it.
func (h *host) run(name string, args ...string) (stop func()) {
	h.Helper()
	self, err := os.Executable()
	h.Expect(err).NotTo(HaveOccurred())
	path := filepath.Join(h.folder, name)
	if err := os.Symlink(self, path); err != nil && !os.IsExist(err) {
		h.Fatal(err)
	}
	process, err := testenv.StartProcess(io.Discard, path, args, []string{programVariable + "=1"})
	h.Expect(err).NotTo(HaveOccurred())
	stop = func() { process.Kill() }
	h.Cleanup(stop)
	return stop
}

// fakeProc is a /proc with one process.
func (h *host) fakeProc(comm string) string {
	h.Helper()
	root := filepath.Join(h.folder, "proc")
	process := filepath.Join(root, "4711")
	h.Expect(os.MkdirAll(process, 0o755)).To(Succeed())
	for file, content := range map[string]string{
		"comm": comm + "\n", "cmdline": comm + "\x00", "cgroup": "0::/user.slice\n",
		"stat": fmt.Sprintf("4711 (%s) S 1 4711 4711 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 12345 0 0", comm),
	} {
		h.Expect(os.WriteFile(filepath.Join(process, file), []byte(content), 0o600)).To(Succeed())
	}
	return root
}
