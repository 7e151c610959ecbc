package integration_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

// addressOf is the address that the RemoteMachine of the object was created with.
func addressOf(ctx context.Context, sm *v1alpha1.ScheduledMachine) string {
	GinkgoHelper()
	remote, err := provided(ctx, sm, testenv.RemoteMachineKind)
	Expect(err).NotTo(HaveOccurred())
	Expect(remote).NotTo(BeNil())
	address, _, err := unstructured.NestedString(remote.Object, "spec", "address")
	Expect(err).NotTo(HaveOccurred())
	return address
}

var _ = Describe("A change of the spec of a running machine", func() {
	It("is shown, leaves the machine alone and applies at the next activation", func(ctx context.Context) {
		operator := startOperator(ctx, at(0, 10, 0))
		sm := apply(ctx, newNamespace(ctx), businessHours)
		machine := joined(ctx, sm)
		operator.settle()
		operator.requests.Reset()

		change(ctx, sm, `{"spec":{"infrastructureSpec":{"spec":{"address":"192.168.1.200"}},"machineTemplate":{"labels":{"team":"rates"}}}}`)
		expectCondition(ctx, sm, v1alpha1.ReadyCondition, "True/SpecChangePending")
		now, err := read(ctx, sm)
		Expect(err).NotTo(HaveOccurred())
		Expect(now.Status.Phase).To(Equal(v1alpha1.PhaseActive))
		Expect(now.Status.ObservedGeneration).To(Equal(now.Generation))
		operator.lookAgain(1)

		Expect(joined(ctx, sm).UID).To(Equal(machine.UID))
		Expect(addressOf(ctx, sm)).To(Equal("192.168.1.100"))
		status := "/apis/5spot.finos.org/v1alpha1/namespaces/" + sm.Namespace + "/scheduledmachines/" + sm.Name + "/status"
		Expect(operator.requests.List(func(r testenv.Request) bool { return r.Write() && r.Path != status })).To(BeEmpty())

		operator.jumpTo(at(0, 18, 0))
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
		operator.jumpTo(at(1, 9, 0))
		next := joined(ctx, sm)
		Expect(next.UID).NotTo(Equal(machine.UID))
		Expect(next.Labels).To(HaveKeyWithValue("team", "rates"))
		Expect(addressOf(ctx, sm)).To(Equal("192.168.1.200"))
		expectCondition(ctx, sm, v1alpha1.ReadyCondition, "True/AsScheduled")
	})

	It("is not shown any more when it is taken back", func(ctx context.Context) {
		startOperator(ctx, at(0, 10, 0))
		sm := apply(ctx, newNamespace(ctx), businessHours)
		machine := joined(ctx, sm)
		change(ctx, sm, `{"spec":{"bootstrapSpec":{"spec":{"version":"v1.31.0+k0s.0"}}}}`)
		expectCondition(ctx, sm, v1alpha1.ReadyCondition, "True/SpecChangePending")
		change(ctx, sm, `{"spec":{"bootstrapSpec":{"spec":{"version":"v1.30.0+k0s.0"}}}}`)
		expectCondition(ctx, sm, v1alpha1.ReadyCondition, "True/AsScheduled")
		Expect(joined(ctx, sm).UID).To(Equal(machine.UID))
	})

	It("is none when it only concerns what is read when it is needed", func(ctx context.Context) {
		startOperator(ctx, at(0, 10, 0))
		sm := apply(ctx, newNamespace(ctx), businessHours)
		joined(ctx, sm)
		change(ctx, sm, `{"spec":{"gracefulShutdownTimeout":"9m","nodeDrainTimeout":"8m","priority":200}}`)
		Eventually(func(g Gomega) {
			now, err := read(ctx, sm)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(now.Status.ObservedGeneration).To(Equal(now.Generation))
		}).Should(Succeed())
		Expect(condition(ctx, sm, v1alpha1.ReadyCondition)()).To(Equal("True/AsScheduled"))
	})
})
