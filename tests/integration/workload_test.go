package integration_test

import (
	"context"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/finos/five-spot/api/v1alpha1"
)

// unreachableSoon is how long it may take until a workload cluster counts as
// unreachable: three probes, one in ten seconds, and their timeouts.
const unreachableSoon = 3 * time.Minute

// cutOff makes the workload cluster unreachable until the end of the spec at the
// latest, and waits until the object says so.
func cutOff(ctx context.Context, sm *v1alpha1.ScheduledMachine, how func()) {
	GinkgoHelper()
	DeferCleanup(world.Workload.Proxy.Restore)
	how()
	Eventually(condition(ctx, sm, v1alpha1.WorkloadClusterReachableCondition)).
		WithTimeout(unreachableSoon).Should(Equal("False/NotConnected"))
}

var _ = Describe("A workload cluster that is down", func() {
	It("is told, blocks no other object, and is forgotten when it is back", func(ctx context.Context) {
		operator := startOperator(ctx, at(0, 10, 0))
		namespace := newNamespace(ctx)
		sm := apply(ctx, namespace, businessHours)
		machine := joined(ctx, sm)
		expectCondition(ctx, sm, v1alpha1.WorkloadClusterReachableCondition, "True/Connected")
		other := apply(ctx, namespace, businessHours, func(sm *v1alpha1.ScheduledMachine) {
			sm.Name = "desk-8"
			sm.Spec.Schedule.HoursOfDay = []v1alpha1.HourRange{"11-12"}
		})
		expectPhase(ctx, other, v1alpha1.PhaseInactive)
		bystander := apply(ctx, newNamespace(ctx), businessHours, func(sm *v1alpha1.ScheduledMachine) { sm.Name = "desk-9" })
		joined(ctx, bystander)

		cutOff(ctx, sm, world.Workload.Proxy.Cut)
		expectCondition(ctx, sm, v1alpha1.MachineReadyCondition, "Unknown/NodeUnknown")
		expectCondition(ctx, sm, v1alpha1.ReadyCondition, "False/NodeNotReady")
		Expect(phase(ctx, sm)()).To(Equal(v1alpha1.PhaseActive))
		Expect(operator.measured("fivespot_workload_cluster_reachable", namespace)).To(BeZero())

		By("creating and deleting for others meanwhile")
		machines := "/apis/cluster.x-k8s.io/v1beta2/namespaces/" + namespace + "/machines"
		operator.requests.Reset()
		Expect(operator.actsWithin(at(0, 11, 0), http.MethodPost, machines)).To(BeNumerically("<", promptly))
		change(ctx, bystander, `{"spec":{"schedule":{"enabled":false}}}`)
		expectPhase(ctx, bystander, v1alpha1.PhaseShuttingDown)

		By("coming back")
		world.Workload.Proxy.Restore()
		for _, object := range []*v1alpha1.ScheduledMachine{sm, other} {
			Eventually(condition(ctx, object, v1alpha1.WorkloadClusterReachableCondition)).
				WithTimeout(unreachableSoon).Should(Equal("True/Connected"))
			Eventually(phase(ctx, object)).WithTimeout(unreachableSoon).Should(Equal(v1alpha1.PhaseActive))
		}
		Expect(joined(ctx, sm).UID).To(Equal(machine.UID))
		expectCondition(ctx, sm, v1alpha1.ReadyCondition, "True/AsScheduled")
		Expect(operator.measured("fivespot_workload_cluster_reachable", namespace)).To(BeEquivalentTo(1))
		Eventually(phase(ctx, bystander)).WithTimeout(unreachableSoon).Should(Equal(v1alpha1.PhaseDisabled))
	})

	It("does not keep a machine beyond its timeouts", func(ctx context.Context) {
		operator := startOperator(ctx, at(0, 10, 0))
		sm := apply(ctx, newNamespace(ctx), businessHours)
		joined(ctx, sm)
		cutOff(ctx, sm, world.Workload.Proxy.Freeze)

		operator.jumpTo(at(0, 18, 0))
		expectPhase(ctx, sm, v1alpha1.PhaseShuttingDown)
		expectCondition(ctx, sm, v1alpha1.DrainedCondition, "False/WorkloadClusterUnreachable")
		operator.jumpTo(at(0, 18, 4))
		operator.settle()
		machine, err := machineOf(ctx, sm)
		Expect(err).NotTo(HaveOccurred())
		Expect(machine.DeletionTimestamp).To(BeNil(), "the timeout has not passed")
		operator.jumpTo(at(0, 18, 6))
		expectCondition(ctx, sm, v1alpha1.DrainedCondition, "False/TimedOut")
		Eventually(phase(ctx, sm)).WithTimeout(unreachableSoon).Should(Equal(v1alpha1.PhaseInactive))
		expectNoMachine(ctx, sm)
		Eventually(eventReasons(ctx, sm)).Should(ContainElement("ShutdownTimedOut"))
	})
})
