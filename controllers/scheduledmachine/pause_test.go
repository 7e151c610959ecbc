package scheduledmachine

import (
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/finos/five-spot/api/v1alpha1"
)

// leftAlone is a Machine that was deleted while its Cluster was paused.
func leftAlone(sm *v1alpha1.ScheduledMachine) *clusterv1.Machine {
	left := runningMachine(sm)
	left.Finalizers = []string{clusterv1.MachineFinalizer}
	left.DeletionTimestamp = &metav1.Time{Time: inWindow}
	left.Annotations[clusterv1.ExcludeNodeDrainingAnnotation] = "true"
	left.Annotations[clusterv1.ExcludeWaitForNodeVolumeDetachAnnotation] = "true"
	left.Status.Conditions = []metav1.Condition{{Type: clusterv1.PausedCondition, Status: metav1.ConditionTrue, Reason: clusterv1.PausedReason}}
	return left
}

func TestClusterAPIIsRemindedOnceOfAMachineThatItLeftAlone(t *testing.T) {
	t.Parallel()
	sm := deskSM(func(sm *v1alpha1.ScheduledMachine) {
		active(sm)
		sm.Spec.KillSwitch = true
	})
	cluster := tradingCluster()
	cluster.Spec.Paused = new(true)
	h := newHarness(t, knownCAPI, nil, sm, cluster, leftAlone(sm))
	h.onNode(interceptor.Funcs{}, readyNode(nil))
	look := func() (reminders int) {
		h.mu.Lock()
		h.requests = nil
		h.mu.Unlock()
		_, err := h.reconcile()
		h.g.Expect(err).NotTo(HaveOccurred())
		return len(slices.DeleteFunc(h.requests, func(request string) bool { return request != "patch Machine" }))
	}

	h.g.Expect(look()).To(BeZero(), "the Cluster is paused")
	h.g.Expect(h.condition(v1alpha1.PausedCondition)).To(Equal("True/KillSwitchBlocked"))

	resumed := cluster.DeepCopy()
	resumed.Spec.Paused = new(false)
	h.g.Expect(h.api.Patch(t.Context(), resumed, client.MergeFrom(cluster))).To(Succeed())
	h.clock.Step(time.Hour)
	h.g.Expect(look()).To(Equal(1))
	h.g.Expect(h.condition(v1alpha1.PausedCondition)).To(Equal("False/NotPaused"))
	h.g.Expect(look()).To(BeZero())
	h.clock.Step(30 * time.Second)
	h.g.Expect(look()).To(BeZero())

	h.clock.Step(30 * time.Second)
	h.g.Expect(look()).To(Equal(1), "the first had no effect")
	h.clock.Step(10 * time.Minute)
	h.g.Expect(look()).To(BeZero(), "by now it looks by itself")
}
