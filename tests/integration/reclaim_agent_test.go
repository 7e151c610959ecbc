package integration_test

import (
	"context"
	"regexp"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/reclaim"
	"github.com/finos/five-spot/tests/testenv"
)

var _ = Describe("A program of the machine's owner", func() {
	It("has the machine ejected, also when the schedule is enabled again, and held the third time", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		program := programFor(namespace, "idea")
		removeAgentAfterwards()
		operator := startOperator(ctx, insideWindow, withAgent)
		states := record(ctx, namespace)
		sm := apply(ctx, namespace, businessHours, killIf(program))
		nodes := watch[*corev1.Node](ctx, world.WorkloadClient, operator, &corev1.NodeList{}, client.MatchingFields{"metadata.name": nodeName(sm)})
		joined(ctx, sm)
		expectArmed(ctx, sm, program)
		Expect(agentObjectsLeft(ctx)()).To(HaveLen(len(agentObjects())))
		agent := startAgent(ctx, sm)
		detecting(agent)
		Expect(requestOf(ctx, sm)()).To(BeEmpty())

		By("starting the program")
		started := time.Now()
		run(program)
		Eventually(annotatedBy(nodes)).WithPolling(5 * time.Millisecond).Should(ContainElement(v1alpha1.FieldManagerAgent))
		AddReportEntry("start of the program to annotation", time.Since(started).Round(time.Millisecond).String())
		expectEjected(ctx, sm, agent, program, 1)
		Expect(states.sequence(phaseOf)).To(ContainElements("Active", "EmergencyRemove", "Disabled"))

		By("enabling the schedule while it runs, on a machine whose Node still has its marks")
		behave(namespace, testenv.Behaviour{KeepMarks: true})
		operator.clock.Step(time.Minute)
		change(ctx, sm, enable)
		expectEjected(ctx, sm, rejoined(ctx, sm, program), program, 2)
		Expect(requestingNodes(nodes)).To(HaveLen(2))
		Expect(annotatedAtFirst(nodes)).To(HaveLen(1), "the Node has come back as it was")

		By("doing so once more with another manager")
		operator.stop()
		operator = resumeOperator(ctx, operator.clock, withAgent)
		operator.clock.Step(time.Minute)
		change(ctx, sm, enable)
		expectEjected(ctx, sm, rejoined(ctx, sm, program), program, 3)
		Expect(eventNotes(ctx, sm, "RapidReReclaim")()).To(HaveLen(1))
		change(ctx, sm, enable)
		expectCondition(ctx, sm, v1alpha1.ScheduledCondition, "False/LoopProtection")
		Consistently(machineExists(ctx, sm), moment).Should(BeFalse())
	})

	It("is found on a Node that outlives its Machine, of which the manager clears the request", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		program := programFor(namespace, "steam")
		removeAgentAfterwards()
		startOperator(ctx, insideWindow, withAgent)
		sm := apply(ctx, namespace, businessHours, killIf(program))
		joined(ctx, sm)
		expectArmed(ctx, sm, program)
		keepNode(ctx, nodeName(sm))
		agent := startAgent(ctx, sm)
		detecting(agent)
		stop := run(program)
		Eventually(requestOf(ctx, sm)).Should(Equal("process-match: " + program))
		stop()
		expectPhase(ctx, sm, v1alpha1.PhaseDisabled)
		Eventually(requestOf(ctx, sm)).Should(BeEmpty())
		Eventually(agent.log).Should(ContainSubstring("gone from the Node"), "it is armed again")
	})
})

// detecting waits until the agent looks for processes, and tells how.
func detecting(agent *agentProcess) {
	GinkgoHelper()
	var mode []string
	Eventually(func() []string {
		mode = regexp.MustCompile(`"Detecting processes","mode":"(netlink|poll)"`).FindStringSubmatch(agent.log())
		return mode
	}).Should(HaveLen(2), "by the kernel's events, or where it does not tell by polling")
	AddReportEntry("detector", mode[1])
}

// annotatedBy are the field managers of the annotations of a request, in all states of a
// Node so far, for Eventually.
func annotatedBy(seen *sightings[*corev1.Node]) func() []string {
	return func() []string {
		var managers []string
		for _, state := range seen.list() {
			if _, ok := reclaim.RequestOf(state.object.Annotations); !ok {
				continue
			}
			managers = append(managers, managersOf(state.object, v1alpha1.ReclaimRequestedAnnotation)...)
		}
		return slices.Compact(managers)
	}
}

// requestingNodes are the UIDs of the Nodes that have asked to be reclaimed.
func requestingNodes(seen *sightings[*corev1.Node]) map[types.UID]struct{} {
	uids := map[types.UID]struct{}{}
	for _, state := range seen.list() {
		if _, ok := reclaim.RequestOf(state.object.Annotations); ok {
			uids[state.object.UID] = struct{}{}
		}
	}
	return uids
}

// annotatedAtFirst are the UIDs of those that did so when they were created.
func annotatedAtFirst(seen *sightings[*corev1.Node]) map[types.UID]struct{} {
	known, uids := map[types.UID]struct{}{}, map[types.UID]struct{}{}
	for _, state := range seen.list() {
		_, ok := reclaim.RequestOf(state.object.Annotations)
		if _, old := known[state.object.UID]; ok && !old {
			uids[state.object.UID] = struct{}{}
		}
		known[state.object.UID] = struct{}{}
	}
	return uids
}

// managersOf are the field managers of an annotation.
func managersOf(node *corev1.Node, annotation string) []string {
	var managers []string
	for _, entry := range node.ManagedFields {
		if holds, err := ContainSubstring(annotation).Match(fieldsOf(entry)); err == nil && holds {
			managers = append(managers, entry.Manager)
		}
	}
	return managers
}

func fieldsOf(entry metav1.ManagedFieldsEntry) string {
	if entry.FieldsV1 == nil {
		return ""
	}
	return entry.FieldsV1.GetRawString()
}

// requestOf is the reason for which the Node asks to be reclaimed, for Eventually; empty
// when it does not.
func requestOf(ctx context.Context, sm *v1alpha1.ScheduledMachine) func() (string, error) {
	return func() (string, error) {
		annotations, err := annotationsOf(ctx, nodeName(sm))()
		request, _ := reclaim.RequestOf(annotations)
		return request.Reason, err
	}
}

func phaseOf(sm *v1alpha1.ScheduledMachine) string { return string(sm.Status.Phase) }

// rejoined starts the agent on the machine that has come back. It may already have been
// ejected again when this returns.
func rejoined(ctx context.Context, sm *v1alpha1.ScheduledMachine, program string) *agentProcess {
	GinkgoHelper()
	joined(ctx, sm)
	expectArmed(ctx, sm, program)
	Expect(requestOf(ctx, sm)()).To(BeEmpty(), "the request of its former life is gone")
	return startAgent(ctx, sm)
}

// expectEjected waits until the object's machine was removed because of the program, for
// the given time, and ends its agent, as the reset of a machine does.
func expectEjected(ctx context.Context, sm *v1alpha1.ScheduledMachine, agent *agentProcess, program string, times int) {
	GinkgoHelper()
	Eventually(func() int { return len(statusOf(ctx, sm).RecentReclaims) }).Should(Equal(times))
	agent.stop()
	expectPhase(ctx, sm, v1alpha1.PhaseDisabled)
	expectNothingLeft(ctx, sm)
	now, err := read(ctx, sm)
	Expect(err).NotTo(HaveOccurred())
	Expect(*now.Spec.Schedule.Enabled).To(BeFalse())
	Eventually(nodeExists(ctx, nodeName(sm))).Should(BeFalse())
	Eventually(eventNotes(ctx, sm, "EmergencyReclaim")).Should(ContainElement(ContainSubstring("process-match: " + program)))
}
