package crash_test

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

// replay is the state of the management cluster at one revision.
type replay struct {
	alive, deleting map[types.UID]bool // of Machines
	spec            v1alpha1.ScheduledMachineSpec
	shutdown        v1alpha1.ShutdownStatus // zero when there is none
	uid             types.UID
	finalized       bool // whether it ever had the finalizer
	reclaimed       bool // whether there ever was a reclaim
	found           []string
}

func (r *replay) violated(format string, args ...any) {
	r.found = append(r.found, fmt.Sprintf(format, args...))
}

// scheduledMachine: the clocks of a shutdown never change, and the finalizer outlives
// the Machine.
func (r *replay) scheduledMachine(kind watch.EventType, sm *v1alpha1.ScheduledMachine) {
	held := kind != watch.Deleted && controllerutil.ContainsFinalizer(sm, v1alpha1.Finalizer)
	if r.finalized && !held && len(r.alive) > 0 {
		r.violated("the finalizer goes before the Machine")
	}
	r.finalized = r.finalized || held
	r.uid, r.spec = sm.UID, sm.Spec
	before := r.shutdown
	r.shutdown = v1alpha1.ShutdownStatus{}
	if sm.Status.Shutdown == nil {
		return
	}
	r.shutdown = *sm.Status.Shutdown
	r.reclaimed = r.reclaimed || r.shutdown.Reason == v1alpha1.ShutdownEmergencyReclaim
	if !before.StartedAt.IsZero() && !before.StartedAt.Equal(&r.shutdown.StartedAt) {
		r.violated("shutdown.startedAt changed from %s to %s", before.StartedAt, r.shutdown.StartedAt)
	}
	if before.DrainStartedAt != nil && !before.DrainStartedAt.Equal(r.shutdown.DrainStartedAt) {
		r.violated("shutdown.drainStartedAt changed from %s to %s", before.DrainStartedAt, r.shutdown.DrainStartedAt)
	}
	if before.Drained && !r.shutdown.Drained {
		r.violated("shutdown.drained was taken back")
	}
}

// machine: there are never two, and none is deleted before the clock of the shutdown is
// written down, or before its time.
func (r *replay) machine(event change, machine *clusterv1.Machine) {
	if event.kind == watch.Deleted {
		delete(r.alive, machine.UID)
		return
	}
	r.alive[machine.UID] = true
	if machine.DeletionTimestamp != nil && !r.deleting[machine.UID] {
		r.deleting[machine.UID] = true
		if r.shutdown.StartedAt.IsZero() {
			r.violated("the Machine is deleted before shutdown.startedAt is written")
		}
		if !r.isDue(event.at) {
			r.violated("the Machine is deleted at %s, before its Node is drained and before a timeout: %+v", event.at, r.shutdown)
		}
	}
	if len(r.alive) > 1 {
		r.violated("there are %d Machines", len(r.alive))
	}
}

// isDue is whether the Machine may be deleted at this time.
func (r *replay) isDue(at time.Time) bool {
	if r.spec.KillSwitch || r.shutdown.Reason == v1alpha1.ShutdownEmergencyReclaim || r.shutdown.Drained {
		return true
	}
	passed := func(start *metav1.Time, timeout v1alpha1.Duration) bool {
		length, err := timeout.ParseOr(time.Hour)
		return err == nil && start != nil && !at.Before(start.Add(length))
	}
	return passed(&r.shutdown.StartedAt, r.spec.GracefulShutdownTimeout) || passed(r.shutdown.DrainStartedAt, r.spec.NodeDrainTimeout)
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

// workloadReplay is the state of the workload cluster at one revision.
type workloadReplay struct {
	replay

	ready     map[types.UID]bool // guarded pods
	complete  bool               // whether all were Ready at some time
	owner     types.UID          // of the cordon
	reclaimed bool
}

// node: whoever finds the Node cordoned knows whose doing it is.
func (w *workloadReplay) node(node *corev1.Node) {
	if mark := node.Annotations[v1alpha1.CordonedByAnnotation]; node.Spec.Unschedulable != (mark == string(w.owner)) {
		w.violated("unschedulable is %t on a Node with the mark %q", node.Spec.Unschedulable, mark)
	}
}

// pod: the budget is kept, unless the Node is reclaimed.
func (w *workloadReplay) pod(kind watch.EventType, pod *corev1.Pod) {
	delete(w.ready, pod.UID)
	if kind != watch.Deleted && testenv.PodReady(pod) {
		w.ready[pod.UID] = true
	}
	w.complete = w.complete || len(w.ready) == guardedReplicas
	if w.complete && !w.reclaimed && len(w.ready) < guardedReplicas-1 {
		w.violated("%d of %d guarded pods are Ready", len(w.ready), guardedReplicas)
	}
}
