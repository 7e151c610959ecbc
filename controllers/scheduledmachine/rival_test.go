package scheduledmachine

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/finos/five-spot/api/v1alpha1"
)

// Cluster API lets two Machines name one Node where a provider reports one host for both.
func TestANodeThatAnotherMachineNamesIsNotTouched(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change  func(*clusterv1.Machine)
		touched bool
	}{
		"another Machine of the Cluster":    {func(*clusterv1.Machine) {}, false},
		"another Machine of the same host":  {func(m *clusterv1.Machine) { m.Spec.ProviderID = "remote://desk-7" }, false},
		"a Machine whose host is gone":      {func(m *clusterv1.Machine) { m.Spec.ProviderID = "remote://desk-6" }, true},
		"a Machine of another Cluster":      {func(m *clusterv1.Machine) { m.Spec.ClusterName = "other" }, true},
		"a Machine in another namespace":    {func(m *clusterv1.Machine) { m.Namespace = "other" }, true},
		"a Machine that names another Node": {func(m *clusterv1.Machine) { m.Status.NodeRef.Name = "other" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sm := deskSM(tainted)
			rival := &clusterv1.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: sm.Namespace, Name: "rival", UID: "rival-uid"}}
			rival.Spec.ClusterName, rival.Status.NodeRef.Name = "trading", "desk-7-node"
			c.change(rival)
			h := newHarness(t, knownCAPI, nil, sm, tradingCluster(), runningMachine(sm), rival)
			h.onNode(interceptor.Funcs{}, readyNode(nil))
			_, err := h.reconcile()
			h.g.Expect(err).NotTo(HaveOccurred())
			if c.touched {
				h.g.Expect(h.node().Spec.Taints).To(HaveLen(1))
				return
			}
			h.g.Expect(h.node()).To(HaveField("Spec.Taints", BeEmpty()))
			h.g.Expect(h.condition(v1alpha1.MachineReadyCondition)).To(Equal("False/NodeContested"))

			h.g.Expect(h.api.Delete(t.Context(), rival)).To(Succeed())
			_, err = h.reconcile()
			h.g.Expect(err).NotTo(HaveOccurred())
			h.g.Expect(h.node().Spec.Taints).To(HaveLen(1), "when the other is gone, it is taken care of again")
		})
	}
}
