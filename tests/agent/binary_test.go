package agent_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func clusterRole(name string) *rbacv1.ClusterRole {
	return &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func TestACommandLineIsNeverTold(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	const secret = "hunter2-is-nobodys-business"
	pattern := h.program("idea") + " --open"
	h.lookFor(pattern, h.program("other"))
	a := h.startAgent("--log-level=5")
	h.Eventually(a.log.String).Should(ContainSubstring("Detecting processes"))
	h.run(h.program("idea"), "--open", "--password="+secret)
	h.run(h.program("other"), secret)
	h.Eventually(h.requested(pattern)).Should(BeTrue())
	h.release()
	h.Eventually(func() int { return strings.Count(a.log.String(), `"pid":`) }).Should(BeNumerically(">=", 2))
	h.Expect(a.log.String()).To(ContainSubstring(`"level":"debug"`), "the log tells all that it can")
	h.Expect(a.log.String()).NotTo(ContainSubstring(secret))
	h.Expect(h.annotations()).NotTo(ContainElement(ContainSubstring(secret)))
}

func TestWithoutTheKernelsEventsItPollsAndSaysSo(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	name := "idea-" + h.node
	h.lookFor(name)
	metrics := freePort(t)
	root := h.fakeProc("bash")
	a := h.startAgent("--proc-root", root, "--metrics-bind-address", metrics)
	h.Eventually(h.events).Should(ContainElement("Warning DetectorFallback"))
	_, body := h.fetch("http://" + metrics + "/metrics")
	h.Expect(body).To(And(
		ContainSubstring("\nfivespot_agent_detector{mode=\"poll\"} 1\n"), ContainSubstring("\nfivespot_agent_detector_fallbacks_total 1\n")))
	h.fakeProc(name)
	h.Eventually(h.requested(name)).Should(BeTrue())
	h.Expect(a.answers("/healthz")()).To(Equal(http.StatusOK))
	h.Expect(a.answers("/readyz")()).To(Equal(http.StatusOK), "it finds all the same")
}

func TestWhereProcessesAreHiddenItIsNotReadyAndSaysSo(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	root := filepath.Join(h.folder, "hidden")
	h.Expect(os.Mkdir(root, 0o755)).To(Succeed())
	if err := unix.Mount("proc", root, "proc", 0, "hidepid=2,gid=54321"); err != nil {
		t.Skip("needs to mount a file system: " + err.Error())
	}
	t.Cleanup(func() { h.Expect(unix.Unmount(root, unix.MNT_DETACH)).To(Succeed()) })
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		t.Skip("needs setpriv, to start the agent without a capability: " + err.Error())
	}
	h.lookFor(h.program("idea"))
	a := h.startBy(setpriv, "--bounding-set=-sys_ptrace", binary, "--proc-root", root)
	h.Eventually(h.events).Should(ContainElement("Warning ProcessesHidden"), a.log.String)
	h.Expect(a.answers("/healthz")()).To(Equal(http.StatusOK))
	h.Expect(a.answers("/readyz")()).To(Equal(http.StatusServiceUnavailable))

	h.Expect(unix.Mount("proc", root, "proc", unix.MS_REMOUNT, "hidepid=2,gid=0")).To(Succeed())
	h.Eventually(a.answers("/readyz")).Should(Equal(http.StatusOK), "nobody has to start it anew")
}

func TestOneShot(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	name := h.program("idea")
	once := func(args ...string) int {
		cmd := exec.CommandContext(t.Context(), binary, append(append(h.args(), "--oneshot"), args...)...)
		out, err := cmd.CombinedOutput()
		t.Logf("%v: %s", err, out)
		return cmd.ProcessState.ExitCode()
	}
	h.Expect(once()).To(Equal(2), "there is nothing to look for")
	h.lookFor(name)
	h.Expect(once()).To(Equal(2), "nothing matches")
	h.Expect(h.untouched()).To(BeTrue())
	h.run(name)
	h.Expect(once("--machine-id-path=/nowhere")).To(Equal(1), "the host is not known")
	h.Expect(h.untouched()).To(BeTrue())
	h.Expect(once()).To(Equal(0), "it matches")
	h.Expect(h.requested(name)()).To(BeTrue())
	h.Expect(once()).To(Equal(0), "the Node asks already")
	h.Expect(admin.Update(t.Context(), h.configMap("="))).To(Succeed())
	h.Expect(once()).To(Equal(1), "the configuration cannot be read")
	h.Expect(once("--detector=none")).To(Equal(1), "a setting is wrong")
}

func TestAKubeconfigThatRunsAProgramIsRefused(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	content, err := os.ReadFile(h.kubeconfig)
	h.Expect(err).NotTo(HaveOccurred())
	withProgram := regexp.MustCompile(`token: .*`).ReplaceAllString(string(content),
		"exec: {apiVersion: client.authentication.k8s.io/v1, command: touch, args: ["+h.folder+"/ran], interactiveMode: Never}")
	h.Expect(os.WriteFile(h.kubeconfig, []byte(withProgram), 0o600)).To(Succeed())
	out, err := exec.CommandContext(t.Context(), binary, h.args()...).CombinedOutput()
	h.Expect(err).To(HaveOccurred())
	h.Expect(string(out)).To(ContainSubstring("the agent runs no other program"))
	h.Expect(h.folder + "/ran").NotTo(BeAnExistingFile())
}

// TestItIsSmall is about an agent that has matched once and waits for another process.
func TestItIsSmall(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	name := h.program("idea")
	h.lookFor(name)
	metrics := freePort(t)
	a := h.startAgent("--metrics-bind-address", metrics)
	stop := h.run(name)
	h.Eventually(h.requested(name)).Should(BeTrue())
	stop()
	h.release()
	h.Eventually(a.log.String).Should(ContainSubstring("gone from the Node"))
	_, body := h.fetch("http://" + metrics + "/metrics")
	match := regexp.MustCompile(`(?m)^process_resident_memory_bytes (\S+)$`).FindStringSubmatch(body)
	h.Expect(match).NotTo(BeNil())
	resident, err := strconv.ParseFloat(match[1], 64)
	h.Expect(err).NotTo(HaveOccurred())
	t.Logf("%.1f MiB resident", resident/(1<<20))
	h.Expect(resident).To(BeNumerically("<=", 32<<20))
}
