package integration_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
)

var _ = Describe("A schedule that is disabled", func() {
	It("loses no grace, even if the rest of the spec is invalid", func(ctx context.Context) {
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, newNamespace(ctx), businessHours)
		joined(ctx, sm)
		pods, _ := blocked(ctx, sm)
		change(ctx, sm, reservedLabel)
		expectPhase(ctx, sm, v1alpha1.PhaseError)

		change(ctx, sm, `{"spec":{"schedule":{"enabled":false}}}`)
		now := expectBlocked(ctx, sm, pods)
		Expect(now.Phase).To(Equal(v1alpha1.PhaseShuttingDown))
		Expect(now.Shutdown.Reason).To(Equal(v1alpha1.ShutdownDisabled))
		Expect(condition(ctx, sm, v1alpha1.ScheduleValidCondition)()).To(Equal("False/InvalidSpec"))
		Expect(isCordoned(ctx, nodeName(sm))()).To(BeTrue())
		operator.jumpTo(now.Shutdown.DrainStartedAt.Add(5*time.Minute - 20*time.Second))
		operator.settle()
		expectStaying(ctx, pods)
		Expect(machineIsDeleting(ctx, sm)()).To(BeFalse())
		operator.jumpTo(now.Shutdown.DrainStartedAt.Add(5 * time.Minute))
		expectPhase(ctx, sm, v1alpha1.PhaseDisabled)
		expectNothingLeft(ctx, sm)

		By("mending and enabling it again")
		change(ctx, sm, mended)
		change(ctx, sm, enable)
		joined(ctx, sm)
	})
})

var _ = Describe("A bad edit in mid-drain", func() {
	It("does not freeze a cordoned Node: the shutdown goes on with its deadlines", func(ctx context.Context) {
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, newNamespace(ctx), businessHours, func(sm *v1alpha1.ScheduledMachine) {
			sm.Spec.GracefulShutdownTimeout, sm.Spec.NodeDrainTimeout = "40m", "30m"
		})
		joined(ctx, sm)
		pods, _ := blocked(ctx, sm)
		operator.jumpTo(windowCloses)
		before := expectBlocked(ctx, sm, pods).Shutdown

		change(ctx, sm, reservedLabel)
		expectCondition(ctx, sm, v1alpha1.ScheduleValidCondition, "False/InvalidSpec")
		Expect(phase(ctx, sm)()).To(Equal(v1alpha1.PhaseShuttingDown))
		Expect(statusOf(ctx, sm).Shutdown).To(Equal(before))

		By("refusing durations that nobody can follow")
		for _, field := range []string{"nodeDrainTimeout", "gracefulShutdownTimeout"} {
			for _, bad := range []string{"25h", "soon", "99999999999999h", "-1m", "1.5h"} {
				patch := fmt.Sprintf(`{"spec":{%q:%q}}`, field, bad)
				err := world.Client.Patch(ctx, sm.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(patch)))
				Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%s: %v", patch, err)
			}
		}

		operator.jumpTo(before.DrainStartedAt.Add(30*time.Minute - 20*time.Second))
		operator.settle()
		expectStaying(ctx, pods)
		Expect(machineIsDeleting(ctx, sm)()).To(BeFalse())
		operator.jumpTo(before.DrainStartedAt.Add(30 * time.Minute))
		expectPhase(ctx, sm, v1alpha1.PhaseError)
		expectNothingLeft(ctx, sm)
		change(ctx, sm, mended)
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
	})

	It("that is mended while the window is open calls the shutdown off", func(ctx context.Context) {
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, newNamespace(ctx), businessHours)
		machine := joined(ctx, sm)
		pods, _ := blocked(ctx, sm)
		operator.jumpTo(windowCloses)
		expectBlocked(ctx, sm, pods)
		Expect(isCordoned(ctx, nodeName(sm))()).To(BeTrue())

		// The window is open again, but nobody believes a spec that is not valid.
		change(ctx, sm, reservedLabel)
		expectCondition(ctx, sm, v1alpha1.ScheduleValidCondition, "False/InvalidSpec")
		change(ctx, sm, `{"spec":{"schedule":{"hoursOfDay":["9-20"]}}}`)
		operator.settle()
		Expect(phase(ctx, sm)()).To(Equal(v1alpha1.PhaseShuttingDown))
		Expect(isCordoned(ctx, nodeName(sm))()).To(BeTrue())

		change(ctx, sm, mended)
		Eventually(condition(ctx, sm, v1alpha1.ReadyCondition)).Should(Equal("True/AsScheduled"))
		Expect(joined(ctx, sm).UID).To(Equal(machine.UID))
		Eventually(isCordoned(ctx, nodeName(sm))).Should(BeFalse())
		Expect(annotationsOf(ctx, nodeName(sm))()).NotTo(HaveKey(v1alpha1.CordonedByAnnotation))
		Expect(statusOf(ctx, sm).Shutdown).To(BeNil())
		expectStaying(ctx, pods)
		Eventually(eventReasons(ctx, sm)).Should(ContainElement("ShutdownCancelled"))
	})
})
