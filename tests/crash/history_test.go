package crash_test

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

// history is everything that became of a ScheduledMachine, of what was created for it
// and of the pods on its Node, as watches tell it.
type history struct {
	management, workload *store
}

// watchHistory watches until the end of the test.
func watchHistory(t *testing.T, now func() time.Time, at *site, name string) *history {
	t.Helper()
	h := &history{
		management: &store{now: now, concerns: func(obj client.Object) bool { return obj.GetName() == name }},
		workload: &store{now: now, concerns: func(obj client.Object) bool {
			return obj.GetName() == testenv.NodeName(at.namespace, name) || obj.GetLabels()["app"] == guardedName(name)
		}},
	}
	lists := []client.ObjectList{&v1alpha1.ScheduledMachineList{}, &clusterv1.MachineList{}}
	for _, kind := range created()[1:] {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.GetObjectKind().GroupVersionKind())
		lists = append(lists, list)
	}
	for _, list := range lists {
		h.management.watch(t, world.Client, list, at.namespace)
	}
	h.workload.watch(t, world.WorkloadClient, &corev1.NodeList{}, "")
	h.workload.watch(t, world.WorkloadClient, &corev1.PodList{}, at.pods)
	return h
}

// violations are the invariants that did not hold at some time.
func (h *history) violations() []string {
	r := replay{alive: map[types.UID]bool{}, deleting: map[types.UID]bool{}}
	for _, event := range h.management.ordered() {
		switch obj := event.object.(type) {
		case *v1alpha1.ScheduledMachine:
			r.scheduledMachine(event.kind, obj)
		case *clusterv1.Machine:
			r.machine(event, obj)
		default:
			r.part(obj)
		}
	}
	w := workloadReplay{ready: map[types.UID]bool{}, owner: r.uid, reclaimed: r.reclaimed}
	for _, event := range h.workload.ordered() {
		switch obj := event.object.(type) {
		case *corev1.Node:
			w.node(obj)
		case *corev1.Pod:
			w.pod(event.kind, obj)
		}
	}
	return append(r.found, w.found...)
}

// machines are the UIDs of all Machines that there ever were, in order.
func (h *history) machines() []types.UID {
	var uids []types.UID
	for _, event := range h.management.ordered() {
		if _, ok := event.object.(*clusterv1.Machine); ok && !slices.Contains(uids, event.object.GetUID()) {
			uids = append(uids, event.object.GetUID())
		}
	}
	return uids
}

// shutdowns counts the clocks that there ever were.
func (h *history) shutdowns() int {
	count, running := 0, false
	for _, event := range h.management.ordered() {
		if sm, ok := event.object.(*v1alpha1.ScheduledMachine); ok {
			if sm.Status.Shutdown != nil && !running {
				count++
			}
			running = sm.Status.Shutdown != nil
		}
	}
	return count
}

// store is what was told of the objects of one cluster. They are in one etcd, so that
// its revisions order them.
type store struct {
	now      func() time.Time
	concerns func(client.Object) bool

	mu     sync.Mutex
	events []change
}

// change is one event of a watch.
type change struct {
	revision uint64
	at       time.Time // a moment after it, for the managers
	kind     watch.EventType
	object   client.Object
}

func (s *store) watch(t *testing.T, c client.WithWatch, list client.ObjectList, namespace string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(cancel)
	// Starting at what is there now, nothing is missed.
	if err := c.List(ctx, list, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	from := &client.ListOptions{Namespace: namespace, Raw: &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}}
	watcher, err := c.Watch(ctx, list, from)
	if err != nil {
		t.Fatal(err)
	}
	go s.record(watcher)
}

func (s *store) record(watcher watch.Interface) {
	for event := range watcher.ResultChan() {
		obj, ok := event.Object.(client.Object)
		if !ok || !s.concerns(obj) {
			continue
		}
		revision, err := strconv.ParseUint(obj.GetResourceVersion(), 10, 64)
		if err != nil {
			continue
		}
		s.mu.Lock()
		s.events = append(s.events, change{revision, s.now(), event.Type, obj})
		s.mu.Unlock()
	}
}

// has is whether an event of the revision was told.
func (s *store) has(revision uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.events, func(c change) bool { return c.revision >= revision })
}

func (s *store) ordered() []change {
	s.mu.Lock()
	defer s.mu.Unlock()
	events := slices.Clone(s.events)
	slices.SortFunc(events, func(a, b change) int { return int(a.revision) - int(b.revision) })
	return events
}
