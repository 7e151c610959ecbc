package rbac_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/reclaim"
	"github.com/finos/five-spot/tests/testenv"
)

// comesAndGoes is a machine with all that it can refer to. Its window ends while a budget
// holds its Pod, opens again and is closed.
func (b *bench) comesAndGoes() {
	b.create(
		&v1alpha1.MachineCalendar{ObjectMeta: metav1.ObjectMeta{Name: "holidays"}, Spec: v1alpha1.MachineCalendarSpec{Timezone: "UTC"}},
		&clusterv1.MachineDrainRule{
			ObjectMeta: metav1.ObjectMeta{Namespace: b.namespace, Name: "first"},
			Spec: clusterv1.MachineDrainRuleSpec{
				Drain: clusterv1.MachineDrainRuleDrainConfig{Behavior: clusterv1.MachineDrainRuleDrainBehaviorDrain, Order: new(int32(1))},
				Pods:  []clusterv1.MachineDrainRulePodSelector{{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "held"}}}},
			},
		},
	)
	sm := b.machineWithSecret("desk-1")
	sm.Spec.Schedule = v1alpha1.Schedule{Cron: new("0 3 1 1 *"), Duration: new(v1alpha1.Duration("1m")), CalendarRef: &v1alpha1.CalendarReference{Name: "holidays"}}
	sm.Spec.NodeTaints = []v1alpha1.NodeTaint{{Key: "example.com/dedicated", Value: "batch", Effect: corev1.TaintEffectPreferNoSchedule}}
	sm.Spec.Schedule.Override = &v1alpha1.ScheduleOverride{State: v1alpha1.ScheduleActive, Until: metav1.NewTime(b.operator.clock.Now().Add(time.Hour).Truncate(time.Second))}
	b.running(sm)
	b.awaitCondition(sm, v1alpha1.NodeTaintedCondition, "True/Applied")

	budget := b.held(sm)
	b.step(time.Hour)
	b.awaitHeld(sm)
	b.override(sm, v1alpha1.ScheduleActive)
	b.await(sm, v1alpha1.PhaseActive)
	b.Expect(world.WorkloadClient.Delete(b.t.Context(), budget)).To(Succeed())
	b.override(sm, v1alpha1.ScheduleInactive)
	b.await(sm, v1alpha1.PhaseInactive)
}

// isHeldByABudget has the machine drained, which a budget holds up until it is gone.
func (b *bench) isHeldByABudget(sm *v1alpha1.ScheduledMachine) {
	budget := b.held(sm)
	b.override(sm, v1alpha1.ScheduleInactive)
	b.awaitHeld(sm)
	b.Expect(world.WorkloadClient.Delete(b.t.Context(), budget)).To(Succeed())
	b.await(sm, v1alpha1.PhaseInactive)
}

// awaitHeld waits until the drain is blocked by the Pod of held.
func (b *bench) awaitHeld(sm *v1alpha1.ScheduledMachine) {
	b.t.Helper()
	b.Eventually(func() (string, error) {
		now, err := b.read(sm)
		if err != nil || now.Status.Drain == nil {
			return "", err
		}
		return strings.Join(now.Status.Drain.BlockedBy, ", "), nil
	}).Should(ContainSubstring("held"))
}

// held puts a Pod on the machine's Node that no budget lets go, and returns the budget.
func (b *bench) held(sm *v1alpha1.ScheduledMachine) client.Object {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	namespace, err := world.WorkloadNamespace(ctx, "rbac")
	b.Expect(err).NotTo(HaveOccurred())
	pods := &testenv.Pods{Namespace: namespace, Name: "held", Replicas: 1, Nodes: []string{node(sm).Name}, Grace: time.Second}
	_, err = world.CreateDeployment(ctx, pods)
	b.Expect(err).NotTo(HaveOccurred())
	_, err = world.WaitForReadyPods(ctx, pods, 1)
	b.Expect(err).NotTo(HaveOccurred())
	budget, err := world.CreateBudget(ctx, pods, testenv.NoneEver)
	b.Expect(err).NotTo(HaveOccurred())
	return budget
}

// isKilledTwice shortly after each other, so that the second event joins the first.
func (b *bench) isKilledTwice() {
	sm := b.machine("desk-2")
	b.running(sm)
	for _, killed := range []bool{true, false, true} {
		b.patch(sm, fmt.Sprintf(`{"spec":{"killSwitch":%t}}`, killed))
		b.await(sm, map[bool]v1alpha1.Phase{true: v1alpha1.PhaseTerminated, false: v1alpha1.PhaseActive}[killed])
	}
}

func (b *bench) isReclaimed() {
	sm := b.machine("desk-3")
	b.running(sm)
	request := reclaim.Matched("java", b.operator.clock.Now()).Annotations()
	target := node(sm)
	b.Eventually(func() error {
		if err := world.WorkloadClient.Get(b.t.Context(), client.ObjectKeyFromObject(target), target); err != nil {
			return err
		}
		before := target.DeepCopy()
		for key, value := range request {
			metav1.SetMetaDataAnnotation(&target.ObjectMeta, key, value)
		}
		return world.WorkloadClient.Patch(b.t.Context(), target, client.MergeFrom(before))
	}).Should(Succeed())
	b.await(sm, v1alpha1.PhaseDisabled)
	now, err := b.read(sm)
	b.Expect(err).NotTo(HaveOccurred())
	b.Expect(*now.Spec.Schedule.Enabled).To(BeFalse())
}

func (b *bench) isDisabled() {
	sm := b.machine("desk-4")
	b.running(sm)
	b.patch(sm, `{"spec":{"schedule":{"enabled":false}}}`)
	b.await(sm, v1alpha1.PhaseDisabled)
}

// isPaused, with its Cluster, whose end Cluster API has to be reminded of.
func (b *bench) isPaused() {
	sm := b.machine("desk-5")
	b.running(sm)
	b.patch(b.cluster(), `{"spec":{"paused":true}}`)
	b.awaitCondition(sm, v1alpha1.PausedCondition, "True/ClusterPaused")
	b.patch(sm, `{"spec":{"killSwitch":true}}`)
	b.awaitCondition(sm, v1alpha1.PausedCondition, "True/KillSwitchBlocked")
	b.patch(b.cluster(), `{"spec":{"paused":false}}`)
	b.await(sm, v1alpha1.PhaseTerminated)
}

func (b *bench) isDeleted() {
	sm := b.machine("desk-6")
	b.running(sm)
	b.delete(sm)
}

func (b *bench) losesItsCluster() {
	sm := b.machine("desk-7")
	b.running(sm)
	b.delete(b.cluster()) // Which waits for its Machines.
	b.awaitCondition(sm, v1alpha1.ReferencesValidCondition, "False/ClusterNotFound")
}

// takesAnAgent has the reclaim agent installed and armed.
func (b *bench) takesAnAgent() {
	sm := b.machine("desk-8")
	sm.Spec.KillIfCommands = []string{"idea"}
	b.running(sm)
	b.awaitCondition(sm, v1alpha1.ReclaimAgentReadyCondition, "True/Armed")
	b.patch(sm, `{"spec":{"killIfCommands":null}}`)
	b.awaitCondition(sm, v1alpha1.ReclaimAgentReadyCondition, "False/NoCommands")
}

// leavesNothing creates the objects of every provider, for Machines that never come to
// be, and has the manager delete them again.
func (b *bench) leavesNothing() {
	b.refuseMachines()
	var all []*v1alpha1.ScheduledMachine
	for i, kind := range infrastructureKinds {
		sm := b.machine(strings.ToLower(kind.kind))
		sm.Spec.BootstrapSpec = bootstrapKinds[i%len(bootstrapKinds)].providerObject()
		if i > 0 {
			sm.Spec.InfrastructureSpec = kind.providerObject()
		}
		all = append(all, sm)
		b.create(sm)
	}
	for _, sm := range all {
		b.awaitCondition(sm, v1alpha1.ReferencesValidCondition, "False/ProviderRefused")
		b.Expect(b.parts(sm)).To(HaveLen(2))
		b.override(sm, v1alpha1.ScheduleInactive)
		b.await(sm, v1alpha1.PhaseInactive)
		b.Expect(b.parts(sm)).To(BeEmpty())
	}
}

// parts are the objects of a provider that are there.
func (b *bench) parts(sm *v1alpha1.ScheduledMachine) []string {
	b.t.Helper()
	var found []string
	for _, part := range []v1alpha1.ProviderObject{sm.Spec.BootstrapSpec, sm.Spec.InfrastructureSpec} {
		obj := &unstructured.Unstructured{}
		obj.SetAPIVersion(part.APIVersion)
		obj.SetKind(part.Kind)
		err := world.Client.Get(b.t.Context(), client.ObjectKeyFromObject(sm), obj)
		if err == nil {
			found = append(found, part.Kind)
		} else {
			b.Expect(err).To(MatchError(apierrors.IsNotFound, "NotFound"))
		}
	}
	return found
}
