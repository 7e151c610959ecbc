package provision_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/pkg/reclaim/provision"
)

func isReady(pod *corev1.Pod) {
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
}

func TestTheAgentIsReadyWhenItsPresentPodOnTheNodeIs(t *testing.T) {
	for name, test := range map[string]struct {
		node string
		pod  func(*corev1.Pod)
		why  string
	}{
		"a Pod that is Ready":   {"desk", isReady, ""},
		"a Pod of another Node": {"other", isReady, "no Pod on Node desk yet"},
		"a Pod that is not Ready": {"desk", func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse}}
		}, "Pod agent-x is not Ready"},
		"a Pod whose image cannot be pulled": {"desk", func(p *corev1.Pod) {
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "agent", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}}}
		}, "Pod agent-x is not Ready: ImagePullBackOff"},
		"a Pod of the DaemonSet as it was":               {"desk", func(p *corev1.Pod) { isReady(p); p.Labels["pod-template-generation"] = "0" }, "former DaemonSet"},
		"a Pod of nobody":                                {"desk", func(p *corev1.Pod) { isReady(p); p.OwnerReferences = nil }, "no Pod on Node desk yet"},
		"a Pod of a DaemonSet of that name that is gone": {"desk", func(p *corev1.Pod) { isReady(p); p.OwnerReferences[0].UID = "gone" }, "no Pod on Node desk yet"},
		"a Pod that is ending":                           {"desk", func(p *corev1.Pod) { isReady(p); p.Finalizers = []string{"test/held"} }, "is ending"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newCluster(t)
			s.install()
			pod := s.pod("agent-x", test.node, test.pod)
			if len(pod.Finalizers) > 0 {
				s.Expect(admin.Delete(t.Context(), pod)).To(Succeed())
			}
			s.requests.Reset()
			ready, why, err := s.ready("desk")
			s.Expect(err).NotTo(HaveOccurred())
			s.Expect(why).To(ContainSubstring(test.why))
			s.Expect(ready).To(Equal(test.why == ""))
			s.Expect(ready).To(Equal(why == ""))
			s.Expect(s.requests.List(nil)).To(HaveLen(2))
		})
	}
}

func TestAnAgentThatWasReplacedIsReadyAgainWithItsNewPod(t *testing.T) {
	s := newCluster(t)
	s.install()
	s.pod("former", "desk", isReady)
	s.provision = provision.New(options("v0.3.0"))
	s.install()
	ready, why, err := s.ready("desk")
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(ready).To(BeFalse())
	s.Expect(why).To(ContainSubstring("Pod former"))
	s.pod("present", "desk", isReady)
	s.Expect(first(s.ready("desk"))).To(BeTrue())
}

func first(ready bool, _ string, _ error) bool { return ready }

func TestWhatAFormerNodeLeftIsNotTheAgentOfANewOne(t *testing.T) {
	s := newCluster(t)
	s.install()
	created := s.pod("agent-x", "desk", isReady).CreationTimestamp.Time
	for name, test := range map[string]struct {
		registered, now time.Duration // after the Pod was created
		ready           bool
	}{
		"a Pod of the second in which the Node was registered":     {0, 0, true},
		"a Pod that is younger than the Node":                      {-time.Second, 0, true},
		"a Pod that is older than a Node that was just registered": {time.Second, time.Second, false},
		"a Pod that could still be garbage":                        {time.Hour, time.Hour + 59*time.Second, false},
		"a Pod that would be gone if it were garbage":              {time.Hour, time.Hour + time.Minute, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "desk", CreationTimestamp: metav1.NewTime(created.Add(test.registered))}}
			ready, why, err := s.provision.Ready(t.Context(), s.client, node, s.namespace, created.Add(test.now))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(ready).To(Equal(test.ready), why)
			want := "Pod agent-x is older than the Node, which has just been registered"
			if test.ready {
				want = ""
			}
			g.Expect(why).To(Equal(want))
		})
	}
}

func TestWithoutADaemonSetNothingIsReady(t *testing.T) {
	s := newCluster(t)
	ready, why, err := s.ready("desk")
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(ready).To(BeFalse())
	s.Expect(why).To(ContainSubstring("there is no DaemonSet " + s.namespace + "/" + agent))
}

// The label that is compared is one that Kubernetes calls deprecated.
func TestWithoutItsBindingAPolicyGuardsNothing(t *testing.T) {
	s := newCluster(t)
	guarded := func() bool {
		is, err := s.provision.Guarded(t.Context(), s.client, s.namespace)
		s.Expect(err).NotTo(HaveOccurred())
		return is
	}
	s.Expect(guarded()).To(BeFalse())
	s.install()
	s.Expect(guarded()).To(BeTrue())
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: agent}}
	s.Expect(admin.Delete(t.Context(), binding)).To(Succeed())
	s.Expect(guarded()).To(BeFalse())
}

func TestARealDaemonSetsPodsHaveTheLabelThatIsCompared(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane")
	}
	s := newClusterWithControllers(t)
	s.install()
	node := s.node("desk")
	change(s, node, func(n *corev1.Node) {
		n.Labels["5spot.finos.org/reclaim-agent"], n.Labels["kubernetes.io/os"] = "enabled", "linux"
	})
	s.Expect(retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		s.get(node)
		node.Status.Allocatable = corev1.ResourceList{"cpu": resource.MustParse("1"), "memory": resource.MustParse("1Gi"), "pods": resource.MustParse("10")}
		return s.admin.Status().Update(t.Context(), node)
	})).To(Succeed())
	var why string
	s.Eventually(func(g Gomega) {
		pods := &corev1.PodList{}
		g.Expect(s.admin.List(t.Context(), pods, client.InNamespace(s.namespace))).To(Succeed())
		g.Expect(pods.Items).To(HaveLen(1))
		g.Expect(pods.Items[0].Spec.NodeName).To(Equal(node.Name))
		pod := &pods.Items[0]
		isReady(pod)
		g.Expect(s.admin.Status().Update(t.Context(), pod)).To(Succeed())
		var ready bool
		var err error
		ready, why, err = s.ready(node.Name)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(ready).To(BeTrue(), why)
	}).WithTimeout(patience).WithPolling(50 * time.Millisecond).Should(Succeed())
	daemonSet := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: agent}}
	change(s, daemonSet, func(d *appsv1.DaemonSet) { d.Spec.Template.Spec.Containers[0].Env[0].Name = "OTHER" })
	ready, why, err := s.ready(node.Name)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(ready).To(BeFalse())
	s.Expect(why).To(ContainSubstring("former DaemonSet"))
	s.removedByTheControllers()
}
