package integration_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

// stillConnected is less than it takes a connection to count as lost.
const stillConnected = 20 * time.Second

var _ = Describe("The end of a window that no manager saw", func() {
	It("is followed by the full grace, from when it is first observed", func(ctx context.Context) {
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, newNamespace(ctx), businessHours)
		machine := joined(ctx, sm)
		pods, _ := blocked(ctx, sm)

		operator.stop()
		operator.jumpTo(windowCloses.Add(3 * time.Hour))
		observed := operator.clock.Now().Truncate(time.Second)
		operator = resumeOperator(ctx, operator.clock)
		now := expectBlocked(ctx, sm, pods)
		Expect(now.Shutdown.StartedAt.Time).To(BeTemporally(">=", observed))
		Expect(now.Shutdown.StartedAt.Time).To(BeTemporally("<", observed.Add(time.Minute)))
		Expect(now.Shutdown.Reason).To(Equal(v1alpha1.ShutdownWindowClosed))

		begun := now.Shutdown.DrainStartedAt.Time
		operator.jumpTo(begun.Add(5*time.Minute - 20*time.Second))
		operator.settle()
		expectStaying(ctx, pods)
		Expect(machineIsDeleting(ctx, sm)()).To(BeFalse())
		kept, err := machineOf(ctx, sm)
		Expect(err).NotTo(HaveOccurred())
		Expect(kept.UID).To(Equal(machine.UID))
		operator.jumpTo(begun.Add(5 * time.Minute))
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
		expectNothingLeft(ctx, sm)
		Eventually(eventNotes(ctx, sm, "ShutdownTimedOut")).Should(ConsistOf(namesPodAndBudget(pods)))
	})
})

var _ = Describe("A workload cluster that fails during a shutdown", func() {
	It("is drained on the same clocks when it is back before the timeout", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		spare := spareNode(ctx, "spare-"+namespace)
		tenants := deployed(ctx, &testenv.Pods{
			Namespace: workloadNamespace(ctx), Name: "tenants", Replicas: 2, Nodes: []string{nodeName(sm), spare},
		})
		guard(ctx, tenants, testenv.OneAtATime)
		setUnschedulable(ctx, spare, true)
		operator.jumpTo(windowCloses)
		Eventually(blockedBy(ctx, sm)).ShouldNot(BeEmpty())
		before := statusOf(ctx, sm).Shutdown

		DeferCleanup(world.Workload.Proxy.Restore)
		world.Workload.Proxy.Cut()
		Eventually(condition(ctx, sm, v1alpha1.DrainedCondition), stillConnected).
			Should(Or(Equal("False/DrainFailing"), Equal("False/WorkloadClusterUnreachable")))
		setUnschedulable(ctx, spare, false)
		Consistently(machineIsDeleting(ctx, sm), moment).Should(BeFalse())
		world.Workload.Proxy.Restore()

		behave(namespace, testenv.Behaviour{HoldRemoval: true})
		Eventually(machineIsDeleting(ctx, sm)).WithTimeout(unreachableSoon).Should(BeTrue())
		now := statusOf(ctx, sm).Shutdown
		Expect(now.StartedAt).To(Equal(before.StartedAt))
		Expect(now.DrainStartedAt).To(Equal(before.DrainStartedAt))
		Expect(now.Drained).To(BeTrue())
		Expect(operator.clock.Since(now.DrainStartedAt.Time)).To(BeNumerically("<", 5*time.Minute), "no timeout was waited for")
		waitReady(ctx, tenants, 2)
		machine, err := machineOf(ctx, sm)
		Expect(err).NotTo(HaveOccurred())
		Expect(machine.Annotations).To(haveSkipped(false))
		behave(namespace, testenv.Behaviour{})
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
	})

	It("loses its machine at the timeout and not before, and gets it back without help", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		behave(namespace, testenv.Behaviour{KeepMarks: true})
		sm := apply(ctx, namespace, businessHours)
		former := joined(ctx, sm)
		tenants := deployed(ctx, &testenv.Pods{
			Namespace: workloadNamespace(ctx), Name: "tenants", Replicas: 1, Nodes: []string{nodeName(sm)},
		})

		// A manager that starts finds no connection, and need not wait until it has lost
		// the one that it had.
		operator.stop()
		DeferCleanup(world.Workload.Proxy.Restore)
		world.Workload.Proxy.Freeze()
		operator = resumeOperator(ctx, operator.clock)
		operator.jumpTo(windowCloses)
		started := shutdownStarted(ctx, sm)
		expectCondition(ctx, sm, v1alpha1.DrainedCondition, "False/WorkloadClusterUnreachable")
		expectCondition(ctx, sm, v1alpha1.WorkloadClusterReachableCondition, "False/NotConnected")
		Eventually(func() string { return statusOf(ctx, sm).Message }).Should(ContainSubstring(started.Add(5 * time.Minute).Format(time.RFC3339)))
		// What a process leaves that stopped in mid-drain.
		changeNode(ctx, nodeName(sm), func(n *corev1.Node) {
			n.Spec.Unschedulable = true
			n.Annotations[v1alpha1.CordonedByAnnotation] = string(sm.UID)
		})

		operator.jumpTo(started.Add(5*time.Minute - 20*time.Second))
		operator.settle()
		Expect(machineIsDeleting(ctx, sm)()).To(BeFalse())
		expectStaying(ctx, tenants)
		operator.jumpTo(started.Add(5 * time.Minute))
		Eventually(machineIsDeletingOrGone(ctx, sm)).Should(BeTrue())
		expectCondition(ctx, sm, v1alpha1.DrainedCondition, "False/TimedOut")
		Eventually(eventReasons(ctx, sm)).Should(ContainElement("ShutdownTimedOut"))
		Eventually(phase(ctx, sm)).WithTimeout(unreachableSoon).Should(Equal(v1alpha1.PhaseInactive))
		expectNothingLeft(ctx, sm)

		world.Workload.Proxy.Restore()
		operator.jumpTo(at(1, 9, 30))
		Eventually(machineExists(ctx, sm)).Should(BeTrue())
		Eventually(phase(ctx, sm)).WithTimeout(unreachableSoon).Should(Equal(v1alpha1.PhaseActive))
		machine, err := machineOf(ctx, sm)
		Expect(err).NotTo(HaveOccurred())
		Expect(machine.UID).NotTo(Equal(former.UID))
		Expect(isCordoned(ctx, nodeName(sm))()).To(BeFalse())
		Expect(annotationsOf(ctx, nodeName(sm))()).NotTo(HaveKey(v1alpha1.CordonedByAnnotation))
		waitReady(ctx, tenants, 1)
	})
})
