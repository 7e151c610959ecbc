package integration_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

// justBefore is how long before a timeout nothing must have happened yet.
const justBefore = time.Second

// timeouts are those of an object, in minutes.
func timeouts(drain, graceful int) string {
	return fmt.Sprintf(`{"spec":{"nodeDrainTimeout":"%dm","gracefulShutdownTimeout":"%dm"}}`, drain, graceful)
}

var _ = Describe("A PodDisruptionBudget that never allows", func() {
	DescribeTable("holds the machine until a timeout and no longer, and is named",
		func(ctx context.Context, spec, passed string, deadline func(*v1alpha1.ShutdownStatus) time.Time) {
			namespace := newNamespace(ctx)
			operator := startOperator(ctx, insideWindow)
			sm := apply(ctx, namespace, businessHours)
			change(ctx, sm, spec)
			joined(ctx, sm)
			pods, _ := blocked(ctx, sm)
			machine := watchMachine(ctx, operator, sm)
			behave(namespace, testenv.Behaviour{HoldRemoval: true})

			operator.jumpTo(windowCloses)
			now := expectBlocked(ctx, sm, pods)
			expectCondition(ctx, sm, v1alpha1.DrainedCondition, "False/Draining")
			due := deadline(now.Shutdown)
			operator.jumpTo(due.Add(-justBefore))
			gone := machine.deletion()
			Expect(gone.at).To(BeTemporally(">=", due), "not before the timeout")
			Expect(gone.object.Annotations).To(haveSkipped(true))
			expectStaying(ctx, pods)

			expectCondition(ctx, sm, v1alpha1.DrainedCondition, "False/TimedOut")
			Expect(messageOf(ctx, sm, v1alpha1.DrainedCondition)).To(And(ContainSubstring(passed), namesPodAndBudget(pods)))
			Expect(blockedBy(ctx, sm)()).To(ConsistOf(namesPodAndBudget(pods)))
			Eventually(eventNotes(ctx, sm, "ShutdownTimedOut")).Should(ConsistOf(And(ContainSubstring(passed), namesPodAndBudget(pods))))
			Expect(eventTypes(ctx, sm, "ShutdownTimedOut")).To(ConsistOf("Warning"))
			Expect(operator.measured("fivespot_node_drains_total", "timed_out")).To(BeEquivalentTo(1))

			behave(namespace, testenv.Behaviour{})
			expectPhase(ctx, sm, v1alpha1.PhaseInactive)
			expectNothingLeft(ctx, sm)
			expectEventOnce(ctx, sm, "ShutdownTimedOut")
			Expect(eventNotes(ctx, sm, "NodeDrained")()).To(BeEmpty())
		},
		Entry("nodeDrainTimeout", timeouts(3, 9), "nodeDrainTimeout",
			func(s *v1alpha1.ShutdownStatus) time.Time { return s.DrainStartedAt.Add(3 * time.Minute) }),
		Entry("gracefulShutdownTimeout, where that is shorter", timeouts(9, 2), "gracefulShutdownTimeout",
			func(s *v1alpha1.ShutdownStatus) time.Time { return s.StartedAt.Add(2 * time.Minute) }),
	)
})

var _ = Describe("A drain that is called off", func() {
	DescribeTable("leaves the machine as it was",
		func(ctx context.Context, begin func(context.Context, *operator, *v1alpha1.ScheduledMachine), patch string) {
			namespace := newNamespace(ctx)
			operator := startOperator(ctx, insideWindow)
			sm := apply(ctx, namespace, businessHours)
			former := joined(ctx, sm)
			pods, _ := blocked(ctx, sm)
			free := deployed(ctx, &testenv.Pods{Namespace: pods.Namespace, Name: "free", Replicas: 2, Nodes: pods.Nodes})
			begin(ctx, operator, sm)
			expectBlocked(ctx, sm, pods)
			expectDrainedBut(ctx, sm, 1)
			Expect(isCordoned(ctx, nodeName(sm))()).To(BeTrue())
			Expect(annotationsOf(ctx, nodeName(sm))()).To(HaveKeyWithValue(v1alpha1.CordonedByAnnotation, string(sm.UID)))

			change(ctx, sm, patch)
			expectPhase(ctx, sm, v1alpha1.PhaseActive)
			expectCondition(ctx, sm, v1alpha1.ReadyCondition, "True/AsScheduled")
			Expect(isCordoned(ctx, nodeName(sm))()).To(BeFalse())
			Expect(annotationsOf(ctx, nodeName(sm))()).NotTo(HaveKey(v1alpha1.CordonedByAnnotation))
			waitReady(ctx, free, 2)
			expectStaying(ctx, pods)
			now := statusOf(ctx, sm)
			Expect(now.Shutdown).To(BeNil())
			Expect(now.Drain).To(BeNil())
			Expect(condition(ctx, sm, v1alpha1.DrainedCondition)()).To(Equal("False/NotShuttingDown"))
			machine := joined(ctx, sm)
			Expect(machine.UID).To(Equal(former.UID))
			Expect(machine.DeletionTimestamp).To(BeNil())
			Expect(machine.Annotations).To(Equal(former.Annotations))
			Expect(sentDeletions(operator, namespace)).To(BeEmpty())
			Eventually(eventReasons(ctx, sm)).Should(ContainElement("ShutdownCancelled"))
			expectEventOnce(ctx, sm, "ShutdownCancelled")
			Expect(operator.measured("fivespot_node_drains_total", "cancelled")).To(BeEquivalentTo(1))
		},
		Entry("by an override", closeWindow, `{"spec":{"schedule":{"override":{"state":"Active","until":"2037-11-23T22:00:00Z","reason":"release"}}}}`),
		Entry("by an edit of the window", closeWindow, `{"spec":{"schedule":{"hoursOfDay":["9-20"]}}}`),
		Entry("by enabling the schedule again", disable, enable),
	)

	It("looks at the schedule again before the machine is deleted, and later drains anew with clocks of its own", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		former := joined(ctx, sm)
		pods, budget := blocked(ctx, sm)
		operator.jumpTo(windowCloses)
		expectBlocked(ctx, sm, pods)
		change(ctx, sm, `{"spec":{"schedule":{"hoursOfDay":["9-18"]}}}`)
		expectPhase(ctx, sm, v1alpha1.PhaseActive)
		operator.jumpTo(windowCloses.Add(6 * time.Minute))
		operator.settle()
		Expect(joined(ctx, sm).UID).To(Equal(former.UID), "the timeouts of the shutdown that was called off are none any more")

		operator.jumpTo(windowCloses.Add(time.Hour))
		now := expectBlocked(ctx, sm, pods)
		Expect(now.Shutdown.StartedAt.Time).To(BeTemporally(">=", windowCloses.Add(time.Hour)))
		Expect(world.WorkloadClient.Delete(ctx, budget)).To(Succeed())
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
		Expect(operator.measured("fivespot_node_drains_total", "completed")).To(BeEquivalentTo(1))
	})
})

var _ = Describe("A cordon of somebody else", func() {
	It("survives a shutdown that is called off, and keeps no Node from being drained", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		pods, budget := blocked(ctx, sm)
		free := deployed(ctx, &testenv.Pods{Namespace: pods.Namespace, Name: "free", Replicas: 2, Nodes: pods.Nodes})
		cordonByHand(ctx, nodeName(sm))
		operator.jumpTo(windowCloses)
		expectBlocked(ctx, sm, pods)
		waitReady(ctx, free, 0)
		Expect(annotationsOf(ctx, nodeName(sm))()).NotTo(HaveKey(v1alpha1.CordonedByAnnotation))

		change(ctx, sm, `{"spec":{"schedule":{"hoursOfDay":["9-18"]}}}`)
		expectPhase(ctx, sm, v1alpha1.PhaseActive)
		operator.settle()
		Expect(isCordoned(ctx, nodeName(sm))()).To(BeTrue())

		Expect(world.WorkloadClient.Delete(ctx, budget)).To(Succeed())
		operator.jumpTo(windowCloses.Add(time.Hour))
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
		Expect(operator.measured("fivespot_node_drains_total", "completed")).To(BeEquivalentTo(1))
	})
})

// closeWindow begins a shutdown by the end of the window.
func closeWindow(_ context.Context, operator *operator, _ *v1alpha1.ScheduledMachine) {
	operator.jumpTo(windowCloses)
}

// disable begins one by hand.
func disable(ctx context.Context, _ *operator, sm *v1alpha1.ScheduledMachine) {
	GinkgoHelper()
	change(ctx, sm, `{"spec":{"schedule":{"enabled":false}}}`)
}

// expectDrainedBut waits until only so many pods are left to leave.
func expectDrainedBut(ctx context.Context, sm *v1alpha1.ScheduledMachine, remaining int32) {
	GinkgoHelper()
	Eventually(func() (int32, error) {
		now, err := read(ctx, sm)
		if err != nil || now.Status.Drain == nil {
			return -1, err
		}
		return now.Status.Drain.PodsRemaining, nil
	}).Should(Equal(remaining))
}

// cordonByHand does what kubectl cordon does.
func cordonByHand(ctx context.Context, node string) {
	GinkgoHelper()
	obj := nodeNamed(node)
	patch := client.RawPatch("application/strategic-merge-patch+json", []byte(`{"spec":{"unschedulable":true}}`))
	Expect(world.WorkloadClient.Patch(ctx, obj, patch, client.FieldOwner("kubectl-cordon"))).To(Succeed())
}

// eventTypes are Normal or Warning, for each event of the object of one reason.
func eventTypes(ctx context.Context, sm *v1alpha1.ScheduledMachine, reason string) []string {
	GinkgoHelper()
	events, err := eventsOf(ctx, sm)
	Expect(err).NotTo(HaveOccurred())
	var types []string
	for i := range events {
		if events[i].Reason == reason {
			types = append(types, events[i].Type)
		}
	}
	return types
}
