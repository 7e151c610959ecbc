package integration_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

// pauseClusterOf pauses the Cluster of an object, or lets it go on.
func pauseClusterOf(ctx context.Context, sm *v1alpha1.ScheduledMachine, paused bool) {
	GinkgoHelper()
	cluster := &clusterv1.Cluster{}
	cluster.Namespace, cluster.Name = sm.Namespace, sm.Spec.ClusterName
	patch := `{"spec":{"paused":true}}`
	if !paused {
		patch = `{"spec":{"paused":false}}`
	}
	Expect(world.Client.Patch(ctx, cluster, client.RawPatch("application/merge-patch+json", []byte(patch)))).To(Succeed())
}

// pauseObject pauses one object, or lets it go on.
func pauseObject(ctx context.Context, sm *v1alpha1.ScheduledMachine, paused bool) {
	GinkgoHelper()
	value := `""`
	if !paused {
		value = "null"
	}
	change(ctx, sm, `{"metadata":{"annotations":{"cluster.x-k8s.io/paused":`+value+`}}}`)
}

// skipsDrain is whether Cluster API was told to leave out the drain, as it is when
// gracefulShutdownTimeout has passed.
func skipsVolumes(ctx context.Context, sm *v1alpha1.ScheduledMachine) func() (bool, error) {
	return func() (bool, error) {
		machine, err := machineOf(ctx, sm)
		if err != nil || machine == nil {
			return false, err
		}
		_, skips := machine.Annotations[clusterv1.ExcludeWaitForNodeVolumeDetachAnnotation]
		return skips, nil
	}
}

var _ = Describe("A pause", func() {
	for _, p := range []struct {
		name   string
		pause  func(ctx context.Context, sm *v1alpha1.ScheduledMachine, paused bool)
		reason string
	}{
		{"of the object", pauseObject, "True/Paused"},
		{"of its Cluster", pauseClusterOf, "True/ClusterPaused"},
	} {
		It(p.name+" keeps a machine away and keeps it there, whatever the schedule says", func(ctx context.Context) {
			operator := startOperator(ctx, monday)
			sm := apply(ctx, newNamespace(ctx), businessHours)
			expectPhase(ctx, sm, v1alpha1.PhaseInactive)

			By("being paused while there is no machine")
			p.pause(ctx, sm, true)
			expectCondition(ctx, sm, v1alpha1.PausedCondition, p.reason)
			operator.jumpTo(at(0, 9, 0))
			expectCondition(ctx, sm, v1alpha1.ScheduledCondition, "True/WindowOpen")
			operator.lookAgain(1)
			expectNoMachine(ctx, sm)
			Expect(statusOf(ctx, sm).Phase).To(Equal(v1alpha1.PhaseInactive))
			p.pause(ctx, sm, false)
			machine := joined(ctx, sm)
			expectCondition(ctx, sm, v1alpha1.PausedCondition, "False/NotPaused")

			By("being paused while the machine runs")
			p.pause(ctx, sm, true)
			expectCondition(ctx, sm, v1alpha1.PausedCondition, p.reason)
			operator.jumpTo(at(0, 18, 0))
			expectCondition(ctx, sm, v1alpha1.ScheduledCondition, "False/WindowClosed")
			change(ctx, sm, `{"spec":{"schedule":{"enabled":false}}}`)
			expectCondition(ctx, sm, v1alpha1.ScheduledCondition, "False/Disabled")
			operator.lookAgain(1)
			Expect(statusOf(ctx, sm).Phase).To(Equal(v1alpha1.PhaseActive))
			kept, err := machineOf(ctx, sm)
			Expect(err).NotTo(HaveOccurred())
			Expect(kept.UID).To(Equal(machine.UID))
			Expect(kept.DeletionTimestamp).To(BeNil())
			p.pause(ctx, sm, false)
			expectPhase(ctx, sm, v1alpha1.PhaseDisabled)
			expectNoMachine(ctx, sm)
			Eventually(eventReasons(ctx, sm)).Should(ContainElements("Paused", "Resumed"))
		})
	}

	It("writes nothing while it lasts", func(ctx context.Context) {
		operator := startOperator(ctx, at(0, 10, 0))
		sm := apply(ctx, newNamespace(ctx), businessHours)
		joined(ctx, sm)
		pauseObject(ctx, sm, true)
		expectCondition(ctx, sm, v1alpha1.PausedCondition, "True/Paused")
		operator.settle()
		operator.requests.Reset()
		for range 3 {
			operator.lookAgain(1)
		}
		Expect(operator.requests.List(testenv.WithoutUpkeep)).To(BeEmpty())
	})

	It("makes the clocks of a shutdown stand still", func(ctx context.Context) {
		operator := startOperator(ctx, at(0, 10, 0))
		sm := apply(ctx, newNamespace(ctx), businessHours)
		joined(ctx, sm)
		world.Provider.Behave(sm.Namespace, sm.Name, testenv.Behaviour{HoldRemoval: true})
		operator.jumpTo(at(0, 18, 0))
		expectPhase(ctx, sm, v1alpha1.PhaseShuttingDown)
		Eventually(func() bool { return statusOf(ctx, sm).Shutdown != nil }).Should(BeTrue())
		started := statusOf(ctx, sm).Shutdown.StartedAt

		By("pausing from 18:02 to 18:32, with 5 minutes to the timeout")
		operator.jumpTo(at(0, 18, 2))
		pauseObject(ctx, sm, true)
		expectCondition(ctx, sm, v1alpha1.PausedCondition, "True/Paused")
		operator.passTo(at(0, 18, 32))
		Expect(skipsVolumes(ctx, sm)()).To(BeFalse(), "the timeout has not passed")
		Expect(statusOf(ctx, sm).Shutdown.PausedSeconds).To(BeZero(), "it is added up at the end")
		pauseObject(ctx, sm, false)
		Eventually(func() int64 { return statusOf(ctx, sm).Shutdown.PausedSeconds }).Should(And(
			BeNumerically(">=", 29*60), BeNumerically("<=", 31*60)))
		Expect(statusOf(ctx, sm).Shutdown.StartedAt).To(Equal(started))

		By("pausing once more, for ten minutes")
		operator.jumpTo(at(0, 18, 33))
		before := statusOf(ctx, sm).Shutdown.PausedSeconds
		pauseObject(ctx, sm, true)
		expectCondition(ctx, sm, v1alpha1.PausedCondition, "True/Paused")
		operator.passTo(at(0, 18, 43))
		pauseObject(ctx, sm, false)
		Eventually(func() int64 { return statusOf(ctx, sm).Shutdown.PausedSeconds }).Should(And(
			BeNumerically(">=", before+9*60), BeNumerically("<=", before+11*60)))

		By("reaching the timeout later by both pauses")
		paused := time.Duration(statusOf(ctx, sm).Shutdown.PausedSeconds) * time.Second
		deadline := started.Add(5*time.Minute + paused)
		operator.jumpTo(deadline.Add(-30 * time.Second))
		operator.settle()
		Expect(skipsVolumes(ctx, sm)()).To(BeFalse())
		operator.jumpTo(deadline)
		Eventually(skipsVolumes(ctx, sm)).Should(BeTrue())

		world.Provider.Behave(sm.Namespace, sm.Name, testenv.Behaviour{})
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
	})
})
