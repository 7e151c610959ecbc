package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"github.com/finos/five-spot/api/v1alpha1"
)

func TestNextTransitionIsTheFirst(t *testing.T) {
	t.Parallel()
	at := metav1.NewTime(time.Date(2026, 5, 4, 9, 32, 0, 0, time.UTC))
	later := metav1.NewTime(at.Add(time.Minute))
	got := formatNext([]v1alpha1.ScheduleTransition{{Time: at, State: v1alpha1.ScheduleActive}, {Time: later, State: v1alpha1.ScheduleInactive}})
	if want := "09:32:00"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTaintsOfANode(t *testing.T) {
	t.Parallel()
	wanted := []v1alpha1.NodeTaint{
		{Key: "a", Value: "b", Effect: corev1.TaintEffectNoSchedule},
		{Key: "c", Effect: corev1.TaintEffectNoExecute},
	}
	for name, test := range map[string]struct {
		taints []corev1.Taint
		want   snapshot
	}{
		"none yet": {},
		"those of the spec": {
			taints: []corev1.Taint{{Key: "a", Value: "b", Effect: corev1.TaintEffectNoSchedule}, {Key: "c", Effect: corev1.TaintEffectNoExecute}},
			want:   snapshot{taints: "a=b:NoSchedule, c:NoExecute"},
		},
		"one with another value is another": {
			taints: []corev1.Taint{{Key: "a", Value: "x", Effect: corev1.TaintEffectNoSchedule}},
			want:   snapshot{closed: true},
		},
		"one that begins with the Node": {
			taints: []corev1.Taint{{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule}},
			want:   snapshot{closed: true},
		},
		"one that keeps nothing away": {
			taints: []corev1.Taint{{Key: "x", Effect: corev1.TaintEffectPreferNoSchedule}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got snapshot
			got.lookAtNode(&corev1.Node{Spec: corev1.NodeSpec{Taints: test.taints}}, wanted)
			if got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestPodsAreCountedWhereTheyAre(t *testing.T) {
	t.Parallel()
	pod := func(node string, ready, leaving bool) corev1.Pod {
		var pod corev1.Pod
		pod.Spec.NodeName = node
		if ready {
			pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		}
		if leaving {
			pod.DeletionTimestamp = &metav1.Time{}
		}
		return pod
	}
	var got snapshot
	got.countPods([]corev1.Pod{
		pod("n", true, false), pod("n", false, false), pod("n", true, true), pod("", false, false),
		pod(neighbour, true, false), pod(neighbour, true, true), pod("elsewhere", true, false),
	}, "n")
	if want := (snapshot{pods: 3, podsReady: 1, neighbours: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestPodsMoveOnlyToANodeThatTakesThem(t *testing.T) {
	t.Parallel()
	ready := but(active, func(s *snapshot) { s.neighbours = 1 })
	if ready.settled() {
		t.Error("Pods stay although the Node is there for them")
	}
	for name, s := range map[string]snapshot{
		"no Pods":             active,
		"no Node":             {neighbours: 1, taints: "t"},
		"a Node not Ready":    but(ready, func(s *snapshot) { s.nodeReady = false }),
		"a cordoned Node":     but(ready, func(s *snapshot) { s.cordoned = true }),
		"a Node not yet open": but(ready, func(s *snapshot) { s.closed = true }),
		"a Node not yet ours": but(ready, func(s *snapshot) { s.taints = "" }),
	} {
		if !s.settled() {
			t.Errorf("Pods move with %s", name)
		}
	}
}

func TestDrainOfAStatus(t *testing.T) {
	t.Parallel()
	at := metav1.NewTime(time.Date(2026, 5, 4, 9, 32, 0, 0, time.UTC))
	later := metav1.NewTime(at.Add(time.Second))
	drained := func(status metav1.ConditionStatus) v1alpha1.ScheduledMachineStatus {
		return v1alpha1.ScheduledMachineStatus{Conditions: []metav1.Condition{{Type: v1alpha1.DrainedCondition, Status: status, LastTransitionTime: later}}}
	}
	for name, test := range map[string]struct {
		status  v1alpha1.ScheduledMachineStatus
		deleted *metav1.Time
		want    drainage
	}{
		"there is none": {},
		"it goes on": {
			status: v1alpha1.ScheduledMachineStatus{Drain: &v1alpha1.DrainStatus{PodsTotal: 4, PodsRemaining: 3, BlockedBy: []string{"Pod a/b: budget x"}}},
			want:   drainage{total: 4, remaining: 3, blockedBy: "budget x"},
		},
		"it is not complete":                               {status: drained(metav1.ConditionFalse)},
		"it is complete while the Machine runs":            {status: drained(metav1.ConditionTrue), want: drainage{complete: true, inTime: true}},
		"it was complete when the Machine was deleted":     {status: drained(metav1.ConditionTrue), deleted: &later, want: drainage{complete: true, inTime: true}},
		"it was not complete when the Machine was deleted": {status: drained(metav1.ConditionTrue), deleted: &at, want: drainage{complete: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			machine := &clusterv1.Machine{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: test.deleted}}
			if diff := cmp.Diff(test.want, readDrain(&test.status, machine), cmp.AllowUnexported(drainage{})); diff != "" {
				t.Errorf("drain (-want +got):\n%s", diff)
			}
		})
	}
}
