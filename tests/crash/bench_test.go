package crash_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

// Instants of the schedule of every machine here: 09:00-18:00, Monday to Friday.
var (
	insideWindow = time.Date(2037, time.November, 23, 9, 30, 0, 0, time.UTC)
	windowCloses = time.Date(2037, time.November, 23, 18, 0, 0, 0, time.UTC)
	nextDay      = insideWindow.Add(24 * time.Hour)
)

// drainTimeout is longer than any drain here, so that it passes only when a clock is
// stepped.
const drainTimeout = time.Hour

var benches atomic.Int32

// bench is one ScheduledMachine from its creation to its end.
type bench struct {
	*testing.T

	site    *site
	sm      *v1alpha1.ScheduledMachine
	clock   *clocktesting.FakeClock // nil for the real one
	launch  func(b *bench, n *network) *process
	history *history
	process *process

	// folder is for the files of managers that are processes of their own.
	folder string

	// free and guarded are the pods of the Node, once there are any.
	free, guarded *testenv.Pods

	// cutOff is when nodeDrainTimeout passes, where that is of interest.
	cutOff time.Time
}

// newBench creates a ScheduledMachine whose managers run in this process, and starts
// their clock inside its window.
func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t, launch: (*bench).launchInProcess, clock: clocktesting.NewFakeClock(insideWindow)}
	t.Cleanup(testenv.LetFlow(b.clock))
	b.create(v1alpha1.Schedule{DaysOfWeek: []v1alpha1.DayRange{"mon-fri"}, HoursOfDay: []v1alpha1.HourRange{"9-17"}}, drainTimeout)
	return b
}

// create creates the ScheduledMachine at a free site.
func (b *bench) create(schedule v1alpha1.Schedule, drainTimeout time.Duration) {
	b.Helper()
	b.site = takeSite(b.T)
	b.sm = newScheduledMachine(b.site.namespace, fmt.Sprintf("desk-%d", benches.Add(1)))
	b.sm.Spec.Schedule, b.sm.Spec.NodeDrainTimeout = schedule, v1alpha1.Duration(fmt.Sprintf("%.0fs", drainTimeout.Seconds()))
	b.history = watchHistory(b.T, b.now, b.site, b.sm.Name)
	if err := world.Client.Create(b.Context(), b.sm); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(b.discard)
}

func newScheduledMachine(namespace, name string) *v1alpha1.ScheduledMachine {
	sm := testenv.ScheduledMachine(namespace, name, clusterName, "192.0.2.7")
	sm.Spec.GracefulShutdownTimeout = "2h"
	// The scheduler may still use the Node.
	sm.Spec.NodeTaints = []v1alpha1.NodeTaint{{Key: "example.com/desk", Effect: corev1.TaintEffectPreferNoSchedule}}
	return sm
}

// discard takes away what is left, so that the managers of later benches do not see it.
func (b *bench) discard() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.Context()), patience)
	defer cancel()
	b.stop()
	b.discardPods(ctx)
	release := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
	if err := world.Client.Patch(ctx, b.sm.DeepCopy(), release); client.IgnoreNotFound(err) != nil {
		b.Error(err)
	}
	for _, kind := range created() {
		obj := kind.DeepCopyObject().(client.Object)
		obj.SetNamespace(b.sm.Namespace)
		obj.SetName(b.sm.Name)
		if err := world.Client.Delete(ctx, obj); client.IgnoreNotFound(err) != nil {
			b.Error(err)
		}
	}
	if err := world.Client.Delete(ctx, b.sm.DeepCopy()); client.IgnoreNotFound(err) != nil {
		b.Error(err)
	}
}

// read returns the object as it is; nil when it is gone.
func (b *bench) read() *v1alpha1.ScheduledMachine {
	b.Helper()
	now := &v1alpha1.ScheduledMachine{}
	err := world.Client.Get(b.Context(), client.ObjectKeyFromObject(b.sm), now)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		b.Fatal(err)
	}
	return now
}

// patch changes the object as a user would.
func (b *bench) patch(body string) {
	b.Helper()
	if err := world.Client.Patch(b.Context(), b.sm.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(body))); err != nil {
		b.Fatal(err)
	}
}

// now is the time of the managers.
func (b *bench) now() time.Time {
	if b.clock == nil {
		return time.Now()
	}
	return b.clock.Now()
}

func (b *bench) jumpTo(at time.Time) { b.clock.Step(at.Sub(b.clock.Now())) }

// await waits until the state is reached, and is whether it was: not when the process
// died before.
func (b *bench) await(what string, reached func() bool) bool {
	b.Helper()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	deadline := time.After(patience)
	for !reached() {
		select {
		case <-b.process.network.dead:
			return false
		case <-deadline:
			b.Fatalf("waited in vain until %s: %s", what, b.picture())
		case <-ticker.C:
		}
	}
	return true
}

// picture is what there is to see, for people.
func (b *bench) picture() string {
	b.Helper()
	now := b.read()
	if now != nil {
		now.ManagedFields = nil
	}
	pods := &corev1.PodList{}
	if err := world.WorkloadClient.List(b.Context(), pods, client.InNamespace(b.site.pods)); err != nil {
		b.Error(err)
	}
	for i := range pods.Items {
		pods.Items[i].ManagedFields = nil
	}
	budgets := &policyv1.PodDisruptionBudgetList{}
	if err := world.WorkloadClient.List(b.Context(), budgets, client.InNamespace(b.site.pods)); err != nil {
		b.Error(err)
	}
	content, err := json.Marshal(map[string]any{"object": now, "node": b.node(), "pods": pods.Items, "budgets": budgets.Items})
	if err != nil {
		b.Error(err)
	}
	return string(content)
}
