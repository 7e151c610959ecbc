package uninstall

import (
	"bytes"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/operand"
	"github.com/finos/five-spot/pkg/reclaim/provision"
)

// host is the management cluster that is a workload cluster, too, with an agent.
type host struct {
	*WithT
	t      *testing.T
	client client.Client
	out    bytes.Buffer
	run    *run
}

func newHost(t *testing.T, namespace string) *host {
	t.Helper()
	h := &host{WithT: NewWithT(t), t: t}
	armed := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "desk", Labels: map[string]string{v1alpha1.ReclaimAgentLabel: v1alpha1.ReclaimAgentEnabled}}}
	mapper := meta.NewDefaultRESTMapper(nil)
	for kind := range scheme.Scheme.AllKnownTypes() {
		if strings.HasPrefix(kind.Kind, "Cluster") || strings.HasPrefix(kind.Kind, "Validating") || kind.Kind == "Node" || kind.Kind == "Namespace" {
			mapper.Add(kind, meta.RESTScopeRoot)
		} else {
			mapper.Add(kind, meta.RESTScopeNamespace)
		}
	}
	h.client = fake.NewClientBuilder().WithRESTMapper(mapper).WithObjects(armed).Build()
	h.run = &run{Options: Options{Client: h.client, Out: &h.out, Timeout: 50 * time.Millisecond}}
	_, err := provision.New(provision.Options{Image: "agent", Version: "v1.0.0"}).Install(t.Context(), h.client, namespace)
	h.Expect(err).NotTo(HaveOccurred())
	return h
}

func (h *host) uninstall(dryRun bool) error {
	h.run.DryRun = dryRun
	return h.run.agentIn(h.t.Context(), h.client, "the agent", provision.DefaultNamespace, provision.NamespaceBesideManager)
}

func (h *host) daemonSet(namespace string) *appsv1.DaemonSet {
	daemonSet := &appsv1.DaemonSet{}
	h.Expect(h.client.Get(h.t.Context(), provision.DaemonSetKey(namespace), daemonSet)).To(Succeed())
	return daemonSet
}

func (h *host) policies() []admissionregistrationv1.ValidatingAdmissionPolicy {
	policies := &admissionregistrationv1.ValidatingAdmissionPolicyList{}
	h.Expect(h.client.List(h.t.Context(), policies)).To(Succeed())
	return policies.Items
}

func TestTheAgentsPolicyHoldsUntilItsPodsHaveEndedInWhicheverNamespaceTheyAre(t *testing.T) {
	t.Parallel()
	for _, namespace := range []string{provision.DefaultNamespace, provision.NamespaceBesideManager} {
		h := newHost(t, namespace)
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "ending", Labels: h.daemonSet(namespace).Spec.Selector.MatchLabels}}
		h.Expect(h.client.Create(t.Context(), pod)).To(Succeed())
		h.Expect(h.uninstall(false)).To(MatchError(errNotGone))
		h.Expect(h.policies()).NotTo(BeEmpty(), namespace)
		h.Expect(h.client.Delete(t.Context(), pod)).To(Succeed())
		h.Expect(h.uninstall(false)).To(Succeed())
		h.Expect(h.policies()).To(BeEmpty())
	}
}

func TestWhatIsLeftOfAnAgentIsToldOf(t *testing.T) {
	t.Parallel()
	h := newHost(t, provision.DefaultNamespace)
	h.Expect(h.client.Delete(t.Context(), h.daemonSet(provision.DefaultNamespace))).To(Succeed())
	h.Expect(h.uninstall(true)).To(Succeed())
	h.Expect(h.out.String()).To(Equal("Would remove the agent, Namespace 5spot-system\n"))
	h.out.Reset()
	h.Expect(h.uninstall(false)).To(Succeed())
	h.Expect(h.out.String()).To(Equal("Removed the agent, Namespace 5spot-system\n"))
	h.Expect(h.policies()).To(BeEmpty())
	h.out.Reset()
	h.Expect(h.uninstall(false)).To(Succeed())
	h.Expect(h.out.String()).To(BeEmpty())
}

func TestAnAgentThatIsGoneWhenTheTimeIsUpIsRemoved(t *testing.T) {
	t.Parallel()
	h := newHost(t, provision.DefaultNamespace)
	h.run.Timeout = time.Nanosecond
	h.Expect(h.uninstall(false)).To(Succeed())
	h.Expect(h.out.String()).To(Equal("Removed the agent, Namespace 5spot-system\n"))
}

// What is the cluster's is removed once, whichever namespace the agent is in.
func TestADryRunTellsOfAnAgentAsOftenAsItWouldBeRemoved(t *testing.T) {
	t.Parallel()
	for _, namespace := range []string{provision.DefaultNamespace, provision.NamespaceBesideManager} {
		h := newHost(t, namespace)
		h.Expect(h.uninstall(true)).To(Succeed())
		h.Expect(h.out.String()).To(Equal("Would remove the agent, Namespace " + namespace + "\n"))
		h.out.Reset()
		h.Expect(h.uninstall(false)).To(Succeed())
		h.Expect(h.out.String()).To(Equal("Removed the agent, Namespace " + namespace + "\n"))
	}
}

func TestAnAgentThatSomebodyInstalledKeepsItsNodes(t *testing.T) {
	t.Parallel()
	h := newHost(t, provision.DefaultNamespace)
	daemonSet := h.daemonSet(provision.DefaultNamespace)
	daemonSet.Labels[v1alpha1.ManagedByLabel] = "kustomize"
	h.Expect(h.client.Update(t.Context(), daemonSet)).To(Succeed())
	h.Expect(h.uninstall(false)).To(Succeed())
	h.Expect(h.run.left).To(ConsistOf("the agent, Namespace 5spot-system, which is not labelled " + operand.ManagedByUs))
	node := &corev1.Node{}
	h.Expect(h.client.Get(t.Context(), client.ObjectKey{Name: "desk"}, node)).To(Succeed())
	h.Expect(node.Labels).To(HaveKey(v1alpha1.ReclaimAgentLabel))
}
