package node_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/reclaim"
)

func TestThePodHasWhatItNeedsAndNoMore(t *testing.T) {
	o := newTest(t)
	pod := o.install()
	process := o.agentProcess(pod)
	read := func(name string) string {
		content, err := os.ReadFile(filepath.Join(process, name))
		o.Expect(err).NotTo(HaveOccurred())
		return string(content)
	}
	status := read("status")
	const netAdmin = "0000000000001000"
	for _, line := range []string{
		"CapInh:\t0000000000000000", "CapPrm:\t" + netAdmin, "CapEff:\t" + netAdmin, "CapBnd:\t" + netAdmin, "CapAmb:\t0000000000000000",
		"NoNewPrivs:\t1", "Seccomp:\t2", "Uid:\t0\t0\t0\t0", "Gid:\t0\t0\t0\t0",
	} {
		o.Expect(status).To(ContainSubstring("\n" + line + "\n"))
	}
	o.Expect(read("mountinfo")).To(And(
		MatchRegexp(`(?m)^\S+ \S+ \S+ \S+ / ro[, ]`), MatchRegexp(`(?m) /host/proc ro[, ]`), MatchRegexp(`(?m) /etc/machine-id ro[, ]`)))
	for _, kind := range []string{"pid", "net"} {
		theirs, err := os.Readlink(filepath.Join(process, "ns", kind))
		o.Expect(err).NotTo(HaveOccurred())
		o.Expect(os.Readlink("/proc/self/ns/"+kind)).To(Equal(theirs), "it is in the namespaces of the host")
	}
	id, err := os.ReadFile("/etc/machine-id")
	o.Expect(err).NotTo(HaveOccurred())
	o.Expect(o.object().Status.NodeInfo.MachineID).To(Equal(strings.TrimSpace(string(id))))
	o.Eventually(o.agentLog).Should(ContainSubstring(`"mode":"netlink"`))
	o.Expect(o.agentLog()).NotTo(ContainSubstring(`"mode":"poll"`))
}

func TestAnOwnersProgramAsksForTheReclaim(t *testing.T) {
	o := newTest(t)
	pod := o.install()
	before := o.agentProcess(pod)
	o.Eventually(o.agentLog).Should(ContainSubstring(`"mode":"netlink"`))
	o.Expect(o.request()).To(BeEmpty())
	for range 5 {
		took, stop := o.timeToRequest()
		t.Logf("%.1f ms from the start of the program to the request on the Node", took.Seconds()*1000)
		stop()
		o.release()
	}
	o.Expect(o.request()).To(BeEmpty())
	o.wroteRequest(pod)
	process := o.agentProcess(pod)
	o.Expect(process).To(Equal(before), "no match ends the agent")
	resident := o.resident(process)
	t.Logf("%.1f MiB resident", float64(resident)/1024)
	o.Expect(resident).To(BeNumerically("<=", 32*1024))

	object := o.object()
	object.Annotations[v1alpha1.ReclaimRequestedAnnotation] = v1alpha1.ReclaimRequestedValue
	err := o.kubelet.Update(t.Context(), object, client.DryRunAll)
	o.Expect(err).To(MatchError(ContainSubstring("may change its reclaim annotations")), "the policy is in force")
}

// timeToRequest starts the program, and returns how long it took until a watch of the Node
// tells of the request.
func (o *onNode) timeToRequest() (took time.Duration, stop func()) {
	o.Helper()
	nodes, err := o.admin.Watch(o.Context(), &corev1.NodeList{})
	o.Expect(err).NotTo(HaveOccurred())
	defer nodes.Stop()
	started := time.Now()
	stop = o.run()
	deadline := time.After(soon)
	for {
		select {
		case event := <-nodes.ResultChan():
			object, ok := event.Object.(*corev1.Node)
			o.Expect(ok).To(BeTrue(), "%v", event)
			if request, _ := reclaim.RequestOf(object.Annotations); request.Reason == requested {
				return time.Since(started), stop
			}
		case <-deadline:
			o.Fatal("the Node does not ask for its reclaim")
		}
	}
}

// resident is the memory of a process in KiB.
func (o *onNode) resident(process string) int {
	o.Helper()
	status, err := os.ReadFile(filepath.Join(process, "status"))
	o.Expect(err).NotTo(HaveOccurred())
	found := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(status)
	o.Expect(found).NotTo(BeNil())
	kib, err := strconv.Atoi(string(found[1]))
	o.Expect(err).NotTo(HaveOccurred())
	return kib
}

// wroteRequest expects that the agent wrote to the Node as itself, with the token of its
// own Pod.
func (o *onNode) wroteRequest(pod *corev1.Pod) {
	o.Helper()
	const account = "system:serviceaccount:" + namespace + ":five-spot-reclaim-agent"
	events, err := o.server.AuditEvents(func(event *auditv1.Event) bool {
		return event.Verb == "patch" && event.User.Username == account && event.ResponseStatus.Code == http.StatusOK
	})
	o.Expect(err).NotTo(HaveOccurred())
	o.Expect(events).NotTo(BeEmpty())
	for i := range events {
		o.Expect(events[i].ObjectRef.Name).To(Equal(nodeName))
		o.Expect(events[i].User.Extra).To(HaveKeyWithValue("authentication.kubernetes.io/pod-name", authenticationv1.ExtraValue{pod.Name}))
		o.Expect(events[i].User.Extra).To(HaveKeyWithValue("authentication.kubernetes.io/node-name", authenticationv1.ExtraValue{nodeName}))
	}
}
