package node_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/pkg/reclaim"
	"github.com/finos/five-spot/pkg/reclaim/provision"
	"github.com/finos/five-spot/tests/testenv"
)

const namespace = provision.DefaultNamespace

// install installs the agent as the manager does, has it look for the program, and returns
// its Pod once that is Ready.
func (o *onNode) install() *corev1.Pod {
	o.Helper()
	_, err := o.agent.Install(o.Context(), o.admin, namespace)
	o.Expect(err).NotTo(HaveOccurred())
	o.lookFor(reclaim.ConfigFor([]string{theProgram}))
	return o.readyAgent()
}

func (o *onNode) lookFor(config reclaim.Config) {
	o.Helper()
	_, err := o.agent.Arm(o.Context(), o.admin, o.object(), namespace, config)
	o.Expect(err).NotTo(HaveOccurred())
}

func (o *onNode) object() *corev1.Node {
	o.Helper()
	object := &corev1.Node{}
	o.Expect(o.admin.Get(o.Context(), client.ObjectKey{Name: nodeName}, object)).To(Succeed())
	return object
}

func (o *onNode) readyAgent() *corev1.Pod {
	o.Helper()
	o.Eventually(func(g Gomega) {
		ready, why, err := o.agent.Ready(o.Context(), o.admin, o.object(), namespace, time.Now())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(ready).To(BeTrue(), why)
	}).Should(Succeed())
	return o.agentPod()
}

// agentPod is the Pod of the present DaemonSet, nil if there is none yet.
func (o *onNode) agentPod() *corev1.Pod {
	o.Helper()
	daemonSet, pods := o.daemonSet(), &corev1.PodList{}
	o.Expect(o.admin.List(o.Context(), pods, client.InNamespace(namespace))).To(Succeed())
	for i := range pods.Items {
		pod := &pods.Items[i]
		if pod.DeletionTimestamp == nil && pod.Labels["pod-template-generation"] == daemonSet.Annotations[appsv1.DeprecatedTemplateGeneration] {
			return pod
		}
	}
	return nil
}

func (o *onNode) daemonSet() *appsv1.DaemonSet {
	o.Helper()
	daemonSet := &appsv1.DaemonSet{}
	o.Expect(o.admin.Get(o.Context(), provision.DaemonSetKey(namespace), daemonSet)).To(Succeed())
	return daemonSet
}

// change changes the DaemonSet as nobody should, also while its controller writes to it.
// The next install undoes it.
func (o *onNode) change(change func(*corev1.PodSpec)) {
	o.Helper()
	o.Expect(retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		daemonSet := o.daemonSet()
		change(&daemonSet.Spec.Template.Spec)
		return o.admin.Update(o.Context(), daemonSet)
	})).To(Succeed())
}

// agentLog is the log of the agent's Pods that are there.
func (o *onNode) agentLog() string {
	o.Helper()
	paths, err := filepath.Glob(filepath.Join(o.folder, "logs", namespace+"_*", "agent", "*.log"))
	o.Expect(err).NotTo(HaveOccurred())
	var log strings.Builder
	for _, path := range paths {
		if content, err := os.ReadFile(path); err == nil {
			log.Write(content)
		}
	}
	return log.String()
}

// processes are the folders below /proc of what runs in a Pod under the name, of which the
// kernel keeps 15 characters.
func (o *onNode) processes(pod *corev1.Pod, name string) []string {
	o.Helper()
	comms, err := filepath.Glob("/proc/[0-9]*/comm")
	o.Expect(err).NotTo(HaveOccurred())
	var found []string
	for _, path := range comms {
		comm, _ := os.ReadFile(path)
		cgroup, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cgroup"))
		if strings.TrimSpace(string(comm)) == name[:15] && strings.Contains(string(cgroup), "pod"+string(pod.UID)) {
			found = append(found, filepath.Dir(path))
		}
	}
	return found
}

func (o *onNode) agentProcess(pod *corev1.Pod) string {
	o.Helper()
	found := o.processes(pod, "five-spot-reclaim-agent")
	o.Expect(found).To(HaveLen(1))
	return found[0]
}

// run starts the program as an owner does, until the test or the returned function ends it.
func (o *onNode) run() (stop func()) {
	o.Helper()
	process, err := testenv.StartProcess(nil, o.program, nil, nil)
	o.Expect(err).NotTo(HaveOccurred())
	stop = func() { process.Kill() }
	o.Cleanup(stop)
	return stop
}

// request is the request on the Node.
func (o *onNode) request() string {
	o.Helper()
	request, _ := reclaim.RequestOf(o.object().Annotations)
	return request.Reason
}

const requested = "process-match: " + theProgram

// release takes the request from the Node as the controller does, and waits until the
// agent looks for processes again.
func (o *onNode) release() {
	o.Helper()
	again := strings.Count(o.agentLog(), "gone from the Node") + 1
	annotations := map[string]any{}
	for _, key := range reclaim.AnnotationKeys() {
		annotations[key] = nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations}})
	o.Expect(err).NotTo(HaveOccurred())
	object := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName}}
	o.Expect(o.admin.Patch(o.Context(), object, client.RawPatch(types.MergePatchType, patch))).To(Succeed())
	o.Eventually(func() int { return strings.Count(o.agentLog(), "gone from the Node") }).Should(Equal(again))
}

// events are those on the Node or on Pods since the time, as type, reason and note.
func (o *onNode) events(since time.Time) []string {
	o.Helper()
	list := &eventsv1.EventList{}
	o.Expect(o.admin.List(o.Context(), list)).To(Succeed())
	var found []string
	for i := range list.Items {
		event := &list.Items[i]
		if !event.CreationTimestamp.Time.Before(since.Truncate(time.Second)) {
			found = append(found, fmt.Sprintf("%s %s %s: %s", event.Type, event.Regarding.Kind, event.Reason, event.Note))
		}
	}
	return found
}
