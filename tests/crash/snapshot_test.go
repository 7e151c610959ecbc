package crash_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

// quiet is how long nothing has to change for a state to be the last.
const quiet = 500 * time.Millisecond

// snapshot is everything that has to be the same however often the manager was
// stopped on the way.
type snapshot struct {
	Exists   bool
	Phase    v1alpha1.Phase
	Enabled  bool
	Shutdown bool

	// Refs are the fields of the status that name something, and whether what they
	// name is what is there.
	Refs []string

	Conditions []string
	Objects    []string

	// Marks are those on the Node.
	Marks []string
}

// created are empty objects of the kinds that are created for a ScheduledMachine.
func created() []client.Object {
	objects := []client.Object{&clusterv1.Machine{}}
	for _, kind := range []schema.GroupVersionKind{testenv.RemoteMachineKind, testenv.K0sWorkerConfigKind} {
		obj := &unstructured.Unstructured{}
		obj.SetGroupVersionKind(kind)
		objects = append(objects, obj)
	}
	return objects
}

func (b *bench) snapshot() snapshot {
	b.Helper()
	uids := map[string]string{}
	s := snapshot{Objects: b.objects(uids)}
	if node := b.node(); node != nil {
		s.Marks = marks(node)
	}
	now := b.read()
	if now == nil {
		return s
	}
	s.Exists = true
	s.Phase = now.Status.Phase
	s.Enabled = now.Spec.Schedule.Enabled == nil || *now.Spec.Schedule.Enabled
	s.Shutdown = now.Status.Shutdown != nil
	for _, ref := range []*v1alpha1.ObjectReference{now.Status.MachineRef, now.Status.BootstrapRef, now.Status.InfrastructureRef, now.Status.NodeRef} {
		if ref != nil {
			s.Refs = append(s.Refs, fmt.Sprintf("%s, the one that is there: %t", ref.Kind, uids[ref.Kind] == ref.UID))
		}
	}
	if now.Status.LastScheduledTime != nil {
		s.Refs = append(s.Refs, "lastScheduledTime")
	}
	if now.Status.ObservedGeneration == now.Generation {
		s.Refs = append(s.Refs, "observedGeneration is up to date")
	}
	for i := range now.Status.Conditions {
		c := &now.Status.Conditions[i]
		s.Conditions = append(s.Conditions, fmt.Sprintf("%s=%s/%s", c.Type, c.Status, c.Reason))
	}
	slices.Sort(s.Conditions)
	return s
}

// objects are the kinds of what is there for the machine. Their UIDs go into uids.
func (b *bench) objects(uids map[string]string) []string {
	b.Helper()
	var there []string
	look := func(kind string, c client.Client, key client.ObjectKey, obj client.Object) {
		b.Helper()
		err := c.Get(b.Context(), key, obj)
		switch {
		case apierrors.IsNotFound(err):
			return
		case err != nil:
			b.Fatal(err)
		case obj.GetDeletionTimestamp() != nil:
			kind += " on its way out"
		}
		uids[kind] = string(obj.GetUID())
		there = append(there, kind)
	}
	key := client.ObjectKeyFromObject(b.sm)
	for _, obj := range created() {
		kind := obj.GetObjectKind().GroupVersionKind().Kind
		if kind == "" {
			kind = "Machine"
		}
		look(kind, world.Client, key, obj)
	}
	look("Node", world.WorkloadClient, client.ObjectKey{Name: b.nodeName()}, &corev1.Node{})
	return there
}

// lastSnapshot waits until nothing changes any more.
func (b *bench) lastSnapshot() snapshot {
	b.Helper()
	last, since := b.snapshot(), time.Now()
	b.await("nothing changes any more", func() bool {
		if now := b.snapshot(); !cmp.Equal(last, now) {
			last, since = now, time.Now()
		}
		return time.Since(since) > quiet
	})
	return last
}

// expect waits for the state that an undisturbed run ends in. It is whether the
// process lived that long.
func (b *bench) expect(want snapshot) bool {
	b.Helper()
	deadline := time.Now().Add(patience / 2)
	lived := b.await("everything is as in an undisturbed run", func() bool {
		return cmp.Equal(want, b.snapshot()) || time.Now().After(deadline)
	})
	if !lived {
		return false
	}
	if diff := cmp.Diff(want, b.snapshot()); diff != "" {
		b.Errorf("the end (-undisturbed +this):\n%s", diff)
	}
	return true
}
