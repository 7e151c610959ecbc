package provision_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/pkg/reclaim"
	"github.com/finos/five-spot/pkg/reclaim/provision"
)

func TestUninstallRemovesTheDaemonSetFirstAndThePolicyLast(t *testing.T) {
	s := newCluster(t)
	s.install()
	pod := s.pod("agent-x", "desk", nil)
	for range 2 {
		s.requests.Reset()
		done, err := s.provision.Uninstall(t.Context(), s.client, s.namespace)
		s.Expect(err).NotTo(HaveOccurred())
		s.Expect(done).To(BeFalse(), "a Pod of the agent is there")
		s.Expect(s.left()).To(HaveLen(9), "all but the DaemonSet")
	}
	s.Expect(admin.Delete(t.Context(), pod, client.GracePeriodSeconds(0))).To(Succeed())
	s.requests.Reset()
	s.uninstalled()
	writes := s.writes()
	s.Expect(writes[len(writes)-2].Path).To(HaveSuffix("/validatingadmissionpolicybindings/" + agent))
	s.Expect(writes[len(writes)-1].Path).To(HaveSuffix("/validatingadmissionpolicies/" + agent))
	s.Expect(s.theNamespace().DeletionTimestamp).NotTo(BeNil())
	s.requests.Reset()
	s.uninstalled()
	s.Expect(s.writes()).To(BeEmpty())
}

func TestUninstallWithoutAnythingInstalledIsDone(t *testing.T) {
	s := newCluster(t)
	s.uninstalled()
	s.Expect(s.writes()).To(BeEmpty())
}

func TestUninstallRemovesConfigMapsThatAreOurs(t *testing.T) {
	s := newCluster(t)
	s.install()
	_, err := s.provision.Arm(t.Context(), s.client, s.node("left-over"), s.namespace, reclaim.ConfigFor([]string{"idea"}))
	s.Expect(err).NotTo(HaveOccurred())
	theirs := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "reclaim-agent-theirs"}}
	s.Expect(admin.Create(t.Context(), theirs)).To(Succeed())
	s.uninstalled()
	left := &corev1.ConfigMapList{}
	s.Expect(admin.List(t.Context(), left, client.InNamespace(s.namespace))).To(Succeed())
	s.Expect(left.Items).To(HaveLen(1))
	s.Expect(left.Items[0].Name).To(Equal(theirs.Name))
	s.Expect(s.theNamespace().DeletionTimestamp).To(BeNil())
}

func TestUninstallLeavesWhatIsNotOurs(t *testing.T) {
	s := newCluster(t)
	s.install()
	kept := 0
	for _, object := range s.named() {
		if _, ok := object.(*appsv1.DaemonSet); ok {
			continue
		}
		s.get(object)
		object.SetLabels(map[string]string{"app.kubernetes.io/managed-by": "Helm"})
		s.Expect(admin.Update(t.Context(), object)).To(Succeed())
		kept++
	}
	done, err := s.provision.Uninstall(t.Context(), s.client, s.namespace)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(done).To(BeTrue())
	s.Expect(s.left()).To(HaveLen(kept))
	s.Expect(s.theNamespace().DeletionTimestamp).To(BeNil(), "it is not empty")
}

func TestADaemonSetThatIsNotOursKeepsWhatItNeeds(t *testing.T) {
	s := newCluster(t)
	s.install()
	change(s, &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: agent}}, func(d *appsv1.DaemonSet) { d.Labels = nil })
	s.requests.Reset()
	done, err := s.provision.Uninstall(t.Context(), s.client, s.namespace)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(done).To(BeTrue())
	s.Expect(s.writes()).To(BeEmpty())
}

func TestOnlyANamespaceThatWeCreatedAndThatIsEmptyGoes(t *testing.T) {
	secret := func(account string) func(*cluster) {
		return func(s *cluster) {
			object := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "x"}}
			if account != "" {
				object.Annotations = map[string]string{corev1.ServiceAccountNameKey: account}
			}
			s.Expect(admin.Create(s.t.Context(), object)).To(Succeed())
		}
	}
	with := func(object client.Object) func(*cluster) {
		return func(s *cluster) {
			object.SetNamespace(s.namespace)
			s.Expect(admin.Create(s.t.Context(), object)).To(Succeed())
		}
	}
	named := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }
	for name, test := range map[string]struct {
		change func(*cluster)
		goes   bool
	}{
		"an empty one":        {func(*cluster) {}, true},
		"one with a Secret":   {secret(""), false},
		"one with a Service":  {with(&corev1.Service{ObjectMeta: named("x"), Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 1}}}}), false},
		"one with a Role":     {with(&rbacv1.Role{ObjectMeta: named("x")}), false},
		"one with an account": {with(&corev1.ServiceAccount{ObjectMeta: named("x")}), false},
		"one with a foreign Pod": {with(&corev1.Pod{ObjectMeta: named("x"), Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "x", Image: "x"}}, TerminationGracePeriodSeconds: new(int64),
		}}), false},
		"one with what is in every namespace": {func(s *cluster) {
			with(&corev1.ConfigMap{ObjectMeta: named("kube-root-ca.crt")})(s)
			with(&corev1.ServiceAccount{ObjectMeta: named("default")})(s)
			secret("default")(s)
		}, true},
		"one whose record is another's": {func(s *cluster) {
			change(s, s.theNamespace(), func(n *corev1.Namespace) { n.Annotations["5spot.finos.org/created-uid"] = "another" })
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newCluster(t)
			s.install()
			test.change(s)
			s.uninstalled()
			s.Expect(s.theNamespace().DeletionTimestamp != nil).To(Equal(test.goes))
		})
	}
}

func TestACopyOfOurNamespaceIsNotTakenForOurs(t *testing.T) {
	s := newCluster(t)
	s.createNamespace(map[string]string{"app.kubernetes.io/managed-by": "five-spot"})
	s.install()
	namespace := s.theNamespace()
	s.Expect(namespace.Labels).To(HaveKeyWithValue("pod-security.kubernetes.io/enforce", "privileged"))
	s.Expect(namespace.Annotations).NotTo(HaveKey("5spot.finos.org/created-uid"))
	s.settled()
	s.uninstalled()
	s.Expect(s.theNamespace().DeletionTimestamp).To(BeNil())
}

// The manager may stop between the two writes.
func TestANamespaceThatWasCreatedAndNotRecordedIsRecordedLater(t *testing.T) {
	s := newCluster(t)
	s.install()
	change(s, s.theNamespace(), func(n *corev1.Namespace) { delete(n.Annotations, "5spot.finos.org/created-uid") })
	s.mend()
	namespace := s.theNamespace()
	s.Expect(namespace.Annotations).To(HaveKeyWithValue("5spot.finos.org/created-uid", string(namespace.UID)))
}

func TestWhatIsBeingDeletedIsNotInstalled(t *testing.T) {
	s := newCluster(t)
	s.install()
	s.Expect(admin.Delete(t.Context(), s.theNamespace())).To(Succeed())
	s.requests.Reset()
	_, err := s.provision.Install(t.Context(), s.client, s.namespace)
	s.Expect(err).To(MatchError(provision.ErrBeingDeleted))
	s.Expect(s.writes()).To(BeEmpty())
}

// removedByTheControllers uninstalls where the garbage collector and the controller of
// Namespaces run.
func (s *cluster) removedByTheControllers() {
	s.t.Helper()
	calls := 0
	s.Eventually(func(g Gomega) {
		calls++
		done, err := s.provision.Uninstall(s.t.Context(), s.client, s.namespace)
		g.Expect(err).NotTo(HaveOccurred())
		pods := &corev1.PodList{}
		g.Expect(s.admin.List(s.t.Context(), pods, client.InNamespace(s.namespace))).To(Succeed())
		for i := range pods.Items { // There is no kubelet.
			err := s.admin.Delete(context.WithoutCancel(s.t.Context()), &pods.Items[i], client.GracePeriodSeconds(0))
			g.Expect(client.IgnoreNotFound(err)).To(Succeed())
		}
		g.Expect(done).To(BeTrue())
	}).WithTimeout(patience).WithPolling(50 * time.Millisecond).Should(Succeed())
	s.Expect(calls).To(BeNumerically(">", 1))
	s.Eventually(func() error {
		return s.admin.Get(s.t.Context(), client.ObjectKey{Name: s.namespace}, &corev1.Namespace{})
	}).WithTimeout(patience).WithPolling(50 * time.Millisecond).Should(MatchError(ContainSubstring("not found")))
}
