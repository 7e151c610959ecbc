package controllers

import (
	"context"
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"github.com/finos/five-spot/api/v1alpha1"
)

func TestWhatIsAddedToTheManagerIsAddedOnceHoweverOftenStartingIsTried(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	calls := 0
	connect := kept(func(context.Context) (int, error) {
		calls++
		if calls == 1 {
			return 0, errors.New("not now")
		}
		return calls, nil
	})
	_, err := connect(t.Context())
	g.Expect(err).To(MatchError("not now"))
	for range 3 {
		value, err := connect(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(value).To(Equal(2))
	}
	g.Expect(calls).To(Equal(2))
}

func TestOfForeignMachinesOnlyTheirNodesAreKept(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	whole := func() *clusterv1.Machine {
		machine := &clusterv1.Machine{ObjectMeta: metav1.ObjectMeta{
			Namespace: "bank", Name: "desk-7", UID: "1", ResourceVersion: "2",
			Annotations: map[string]string{"a": "b"}, ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "somebody"}},
		}}
		machine.Spec.ClusterName, machine.Spec.ProviderID = "trading", "remote://desk-7"
		machine.Status.NodeRef.Name, machine.Status.Phase = "desk-7-node", "Running"
		return machine
	}
	ours := whole()
	ours.Labels = map[string]string{v1alpha1.ScheduledMachineLabel: "desk-7"}
	kept, err := slimMachine(ours.DeepCopy())
	g.Expect(err).NotTo(HaveOccurred())
	ours.ManagedFields = nil
	g.Expect(kept).To(Equal(ours))

	want := &clusterv1.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: "bank", Name: "desk-7", UID: "1", ResourceVersion: "2"}}
	want.Spec.ClusterName, want.Spec.ProviderID, want.Status.NodeRef.Name = "trading", "remote://desk-7", "desk-7-node"
	kept, err = slimMachine(whole())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(kept).To(Equal(want))
}
