package node_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/pkg/reclaim"
)

// settled is how long nothing has to happen for it not to happen any more. The agent takes
// milliseconds.
const settled = 2 * time.Second

func TestTheSameProgramInAPodCountsOnlyWherePodsDo(t *testing.T) {
	o := newTest(t)
	o.install()
	pod := o.runInPod()
	o.Expect(o.processes(pod, theProgram)).To(HaveLen(1))
	o.Consistently(o.request, settled).Should(BeEmpty())

	config := reclaim.ConfigFor([]string{theProgram})
	config.MatchPods = true
	o.lookFor(config)
	o.Eventually(o.request).Should(Equal(requested))

	o.Expect(o.admin.Delete(t.Context(), pod, client.GracePeriodSeconds(1))).To(Succeed())
	o.Eventually(func() []string { return o.processes(pod, theProgram) }).Should(BeEmpty())
	o.lookFor(reclaim.ConfigFor([]string{theProgram}))
	o.release()
}

// runInPod starts the program in a Pod with a network of its own, and waits until it runs.
func (o *onNode) runInPod() *corev1.Pod {
	o.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "workload"},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: new(false),
			Containers:                   []corev1.Container{{Name: "program", Image: programImage, ImagePullPolicy: corev1.PullNever}},
		},
	}
	// The controllers make the ServiceAccount of every Pod, and take their time.
	o.Eventually(func() error { return o.admin.Create(o.Context(), pod.DeepCopy()) }).Should(Succeed())
	o.Eventually(func() corev1.PodPhase {
		o.Expect(o.admin.Get(o.Context(), client.ObjectKeyFromObject(pod), pod)).To(Succeed())
		return pod.Status.Phase
	}).Should(Equal(corev1.PodRunning))
	o.Expect(pod.Status.PodIP).NotTo(Equal(apiAddress))
	return pod
}

func TestWithoutTheHostsNetworkTheAgentSaysSoAndPolls(t *testing.T) {
	o := newTest(t)
	o.install()
	changed := time.Now()
	o.change(func(pod *corev1.PodSpec) {
		pod.HostNetwork = false
		// They ask the loopback device of the host.
		pod.Containers[0].LivenessProbe, pod.Containers[0].ReadinessProbe = nil, nil
	})
	o.readyAgent()
	o.Eventually(func() []string { return o.events(changed) }).Should(ContainElement(And(
		HavePrefix("Warning Node DetectorFallback: "), ContainSubstring("it reads all of them again and again"))))
	o.Expect(o.agentLog()).To(ContainSubstring(`"mode":"poll"`))
	o.Expect(o.request()).To(BeEmpty())
	took, stop := o.timeToRequest()
	t.Logf("%.1f ms from the start of the program to the request on the Node", took.Seconds()*1000)
	stop()
	o.release()
}

func TestWithoutAMachineIDNoAgentStarts(t *testing.T) {
	o := newTest(t)
	o.install()
	changed := time.Now()
	o.change(func(pod *corev1.PodSpec) {
		for i := range pod.Volumes {
			if pod.Volumes[i].Name == "machine-id" {
				pod.Volumes[i].HostPath.Path = o.folder + "/missing"
			}
		}
	})
	o.Eventually(func() []string { return o.events(changed) }).Should(ContainElement(And(
		HavePrefix("Warning Pod FailedMount: "), ContainSubstring("is not a file"))))
	pod := o.agentPod()
	o.Expect(pod.Status.Phase).To(Equal(corev1.PodPending))
	o.Expect(pod.Status.ContainerStatuses).To(ConsistOf(HaveField("State.Waiting.Reason", "ContainerCreating")))
	o.Eventually(func() (string, error) {
		_, why, err := o.agent.Ready(t.Context(), o.admin, o.object(), namespace, time.Now())
		return why, err
	}).Should(HaveSuffix("ContainerCreating"), "the Pod of the former DaemonSet has ended before")

	o.install()
	o.Eventually(o.agentLog).Should(ContainSubstring(`"mode":"netlink"`), "it is repaired")
}

func TestNothingOfTheAgentStays(t *testing.T) {
	o := newTest(t)
	pod := o.install()
	process := o.agentProcess(pod)
	_, err := o.agent.Disarm(t.Context(), o.admin, o.object(), namespace)
	o.Expect(err).NotTo(HaveOccurred())
	o.Eventually(func() (bool, error) { return o.agent.Uninstall(t.Context(), o.admin, namespace) }).Should(BeTrue())
	o.Eventually(func() bool { return exists(process) }).Should(BeFalse())
}
