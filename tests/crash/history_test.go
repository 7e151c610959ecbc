package crash_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
)

// history is everything that became of a ScheduledMachine and of what was created for
// it, as watches tell it.
type history struct {
	name string

	mu     sync.Mutex
	events []change
}

// change is one event of a watch.
type change struct {
	revision uint64
	kind     watch.EventType
	object   client.Object
}

// watchHistory watches until the end of the test.
func watchHistory(t *testing.T, name string) *history {
	t.Helper()
	h := &history{name: name}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(cancel)
	lists := []client.ObjectList{&v1alpha1.ScheduledMachineList{}, &clusterv1.MachineList{}}
	for _, kind := range created()[1:] {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.GetObjectKind().GroupVersionKind())
		lists = append(lists, list)
	}
	for _, list := range lists {
		// Starting at what is there now, nothing is missed.
		if err := world.Client.List(ctx, list, client.InNamespace(namespace)); err != nil {
			t.Fatal(err)
		}
		from := &client.ListOptions{Namespace: namespace, Raw: &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}}
		watcher, err := world.Client.Watch(ctx, list, from)
		if err != nil {
			t.Fatal(err)
		}
		go h.record(watcher)
	}
	return h
}

func (h *history) record(watcher watch.Interface) {
	for event := range watcher.ResultChan() {
		obj, ok := event.Object.(client.Object)
		if !ok || obj.GetName() != h.name {
			continue
		}
		// All objects are in one store, so that its revisions order them.
		revision, err := strconv.ParseUint(obj.GetResourceVersion(), 10, 64)
		if err != nil {
			continue
		}
		h.mu.Lock()
		h.events = append(h.events, change{revision, event.Type, obj})
		h.mu.Unlock()
	}
}

// has is whether an event of the revision was told.
func (h *history) has(revision uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.ContainsFunc(h.events, func(c change) bool { return c.revision >= revision })
}

func (h *history) ordered() []change {
	h.mu.Lock()
	defer h.mu.Unlock()
	events := slices.Clone(h.events)
	slices.SortFunc(events, func(a, b change) int { return int(a.revision) - int(b.revision) })
	return events
}

// violations are the invariants that did not hold at some time.
func (h *history) violations() []string {
	r := replay{alive: map[types.UID]bool{}, deleting: map[types.UID]bool{}}
	for _, event := range h.ordered() {
		switch obj := event.object.(type) {
		case *v1alpha1.ScheduledMachine:
			r.scheduledMachine(event.kind, obj)
		case *clusterv1.Machine:
			r.machine(event.kind, obj)
		default:
			r.part(obj)
		}
	}
	return r.found
}

// machines are the UIDs of all Machines that there ever were, in order.
func (h *history) machines() []types.UID {
	var uids []types.UID
	for _, event := range h.ordered() {
		if _, ok := event.object.(*clusterv1.Machine); ok && !slices.Contains(uids, event.object.GetUID()) {
			uids = append(uids, event.object.GetUID())
		}
	}
	return uids
}

// replay is the state at one revision.
type replay struct {
	alive, deleting map[types.UID]bool // of Machines
	startedAt       *metav1.Time
	found           []string
}

func (r *replay) violated(format string, args ...any) {
	r.found = append(r.found, fmt.Sprintf(format, args...))
}

// scheduledMachine: the clock of a shutdown never changes, and the object outlives its
// Machine.
func (r *replay) scheduledMachine(kind watch.EventType, sm *v1alpha1.ScheduledMachine) {
	if kind == watch.Deleted && len(r.alive) > 0 {
		r.violated("the object goes before its Machine")
	}
	shutdown := sm.Status.Shutdown
	if shutdown == nil {
		r.startedAt = nil
		return
	}
	if r.startedAt != nil && !r.startedAt.Equal(&shutdown.StartedAt) {
		r.violated("shutdown.startedAt changed from %s to %s", r.startedAt, shutdown.StartedAt)
	}
	r.startedAt = &shutdown.StartedAt
}

// machine: there are never two, and none is deleted before the clock of the shutdown is
// written down.
func (r *replay) machine(kind watch.EventType, machine *clusterv1.Machine) {
	if kind == watch.Deleted {
		delete(r.alive, machine.UID)
		return
	}
	r.alive[machine.UID] = true
	if machine.DeletionTimestamp != nil && !r.deleting[machine.UID] {
		r.deleting[machine.UID] = true
		if r.startedAt == nil {
			r.violated("the Machine is deleted before shutdown.startedAt is written")
		}
	}
	if len(r.alive) > 1 {
		r.violated("there are %d Machines", len(r.alive))
	}
}

// part: infrastructure and bootstrap never go before the Machine that has them.
func (r *replay) part(obj client.Object) {
	if obj.GetDeletionTimestamp() == nil {
		return
	}
	for _, owner := range obj.GetOwnerReferences() {
		if owner.Kind == "Machine" && r.alive[owner.UID] && !r.deleting[owner.UID] {
			r.violated("%s is deleted before its Machine", obj.GetObjectKind().GroupVersionKind().Kind)
		}
	}
}
