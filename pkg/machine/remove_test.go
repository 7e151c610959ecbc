package machine

import (
	"context"
	"errors"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
)

const (
	skipDrain  = "machine.cluster.x-k8s.io/exclude-node-draining"
	skipDetach = "machine.cluster.x-k8s.io/exclude-wait-for-node-volume-detach"
)

var everything = DeleteOptions{SkipDrain: true, SkipVolumeDetach: true}

// held lets a deletion stay visible, as Cluster API's finalizer does.
func held(m *clusterv1.Machine) { m.Finalizers = []string{clusterv1.MachineFinalizer} }

func TestOnlyTheMachineIsDeleted(t *testing.T) {
	t.Parallel()
	sm := scheduledMachine()
	adopted := adoptedBy(smName, "present-Machine")
	w := newWorld(t, presentMachine(t, sm, held),
		present(t, sm, sm.Spec.BootstrapSpec, adopted), present(t, sm, sm.Spec.InfrastructureSpec, adopted))
	removal, err := w.objects.Delete(t.Context(), sm, w.readMachine(t), everything)
	if err != nil || removal.Gone || !removal.Changed {
		t.Fatalf("Delete = %+v, %v", removal, err)
	}
	if diff := cmp.Diff([]string{"patch Machine", "delete Machine"}, w.writes()); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	if w.readMachine(t).DeletionTimestamp.IsZero() {
		t.Error("the Machine is not being deleted")
	}
	if w.read(t, configKind).GetDeletionTimestamp() != nil || w.read(t, remoteKind).GetDeletionTimestamp() != nil {
		t.Error("a part is being deleted, so that Cluster API skips its drain")
	}
	leftovers, err := w.objects.Leftovers(t.Context(), sm)
	if err != nil || len(leftovers) > 0 {
		t.Errorf("parts of a Machine that is being deleted are Cluster API's to delete, but Leftovers = %v, %v", leftovers, err)
	}
}

func TestDeleteWritesWhatIsMissing(t *testing.T) {
	t.Parallel()
	carries := func(keys ...string) func(*clusterv1.Machine) {
		return func(m *clusterv1.Machine) {
			held(m)
			for _, key := range keys {
				m.Annotations[key] = "by somebody"
			}
		}
	}
	for name, c := range map[string]struct {
		change []func(*clusterv1.Machine)
		opts   DeleteOptions
		writes []string
		values map[string]string
	}{
		"no step left out": {
			nil,
			DeleteOptions{},
			[]string{"delete Machine"},
			map[string]string{},
		},
		"without drain": {
			[]func(*clusterv1.Machine){held},
			DeleteOptions{SkipDrain: true},
			[]string{"patch Machine", "delete Machine"},
			map[string]string{skipDrain: "true"},
		},
		"without drain and volumes": {
			[]func(*clusterv1.Machine){held},
			everything,
			[]string{"patch Machine", "delete Machine"},
			map[string]string{skipDrain: "true", skipDetach: "true"},
		},
		"one annotation is there already": {
			[]func(*clusterv1.Machine){carries(skipDrain)},
			everything,
			[]string{"patch Machine", "delete Machine"},
			map[string]string{skipDrain: "by somebody", skipDetach: "true"},
		},
		"both are there already": {
			[]func(*clusterv1.Machine){carries(skipDrain, skipDetach)},
			everything,
			[]string{"delete Machine"},
			map[string]string{skipDrain: "by somebody", skipDetach: "by somebody"},
		},
		"a deletion under way is hurried": {
			[]func(*clusterv1.Machine){deletingMachine},
			everything,
			[]string{"patch Machine"},
			map[string]string{skipDrain: "true", skipDetach: "true"},
		},
		"a deletion under way that needs no hurry": {
			[]func(*clusterv1.Machine){deletingMachine, carries(skipDrain)},
			DeleteOptions{SkipDrain: true},
			nil,
			map[string]string{skipDrain: "by somebody"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sm := scheduledMachine()
			w := newWorld(t, presentMachine(t, sm, append([]func(*clusterv1.Machine){held}, c.change...)...))
			removal, err := w.objects.Delete(t.Context(), sm, w.readMachine(t), c.opts)
			if err != nil || removal.Gone || removal.Changed != (len(c.writes) > 0) {
				t.Errorf("Delete = %+v, %v", removal, err)
			}
			if diff := cmp.Diff(c.writes, w.writes(), cmp.Transformer("nil", func(s []string) []string { return append([]string{}, s...) })); diff != "" {
				t.Errorf("writes (-want +got):\n%s", diff)
			}
			live := w.readMachine(t)
			want := map[string]string{v1alpha1.SpecHashAnnotation: SpecHash(sm), v1alpha1.OwnerUIDAnnotation: string(sm.UID)}
			maps.Copy(want, c.values)
			if diff := cmp.Diff(want, live.Annotations); diff != "" {
				t.Errorf("annotations (-want +got):\n%s", diff)
			}
			if live.DeletionTimestamp.IsZero() {
				t.Error("the Machine is not being deleted")
			}
		})
	}
}

func TestDeleteGoesOnAfterAStopAtAnyRequest(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"patch Machine", "delete Machine"} {
		for name, arrives := range map[string]bool{"that arrived": true, "that did not arrive": false} {
			t.Run(call+" "+name, func(t *testing.T) {
				t.Parallel()
				sm := scheduledMachine()
				w := newWorld(t, presentMachine(t, sm, held))
				if arrives {
					w.after = failing(call, context.DeadlineExceeded)
				} else {
					w.before = failing(call, context.DeadlineExceeded)
				}
				if _, err := w.objects.Delete(t.Context(), sm, w.readMachine(t), everything); !errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("the stop is not reported: %v", err)
				}
				w.before, w.after = nil, nil
				if _, err := w.objects.Delete(t.Context(), sm, w.readMachine(t), everything); err != nil {
					t.Fatal(err)
				}
				live := w.readMachine(t)
				if live.DeletionTimestamp.IsZero() || live.Annotations[skipDrain] == "" || live.Annotations[skipDetach] == "" {
					t.Errorf("the removal is incomplete: %v %v", live.DeletionTimestamp, live.Annotations)
				}
			})
		}
	}
}

func TestAMachineThatIsGoneIsDone(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]DeleteOptions{"with a step to leave out": everything, "without": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sm := scheduledMachine()
			removal, err := newWorld(t).objects.Delete(t.Context(), sm, presentMachine(t, sm), opts)
			if err != nil || !removal.Gone {
				t.Errorf("Delete = %+v, %v", removal, err)
			}
		})
	}
}

// What the cache showed may have been replaced since.
func TestAnotherMachineOfTheSameNameIsNeverDeleted(t *testing.T) {
	t.Parallel()
	sm := scheduledMachine()
	stale := presentMachine(t, sm)
	for name, opts := range map[string]DeleteOptions{"with a step to leave out": everything, "without": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, presentMachine(t, sm, func(m *clusterv1.Machine) { m.UID = "younger" }))
			removal, err := w.objects.Delete(t.Context(), sm, stale, opts)
			if err != nil || !removal.Gone {
				t.Errorf("Delete = %+v, %v", removal, err)
			}
			if live := w.readMachine(t); !live.DeletionTimestamp.IsZero() || live.Annotations[skipDrain] != "" {
				t.Error("the younger Machine was touched")
			}
		})
	}
}

func TestAForeignMachineIsNeverDeleted(t *testing.T) {
	t.Parallel()
	sm := scheduledMachine()
	for name, change := range map[string]func(*clusterv1.Machine){
		"of another owner": reown,
		"without UID":      func(m *clusterv1.Machine) { m.UID = "" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, presentMachine(t, sm, change))
			if _, err := w.objects.Delete(t.Context(), sm, presentMachine(t, sm, change), everything); !errors.Is(err, errNotOurs) {
				t.Errorf("Delete: %v", err)
			}
			if len(w.writes()) > 0 {
				t.Errorf("wrote %v", w.writes())
			}
		})
	}
}

func TestDeleteReportsErrors(t *testing.T) {
	t.Parallel()
	for call, cause := range map[string]error{
		"patch Machine":  apierrors.NewInvalid(machineKind.GroupKind(), smName, nil),
		"delete Machine": conflict(),
	} {
		t.Run(call+" is refused though the Machine is the same", func(t *testing.T) {
			t.Parallel()
			sm := scheduledMachine()
			w := newWorld(t, presentMachine(t, sm))
			w.before = failing(call, cause)
			removal, err := w.objects.Delete(t.Context(), sm, w.readMachine(t), everything)
			if apierrors.ReasonForError(err) != apierrors.ReasonForError(cause) || removal.Gone {
				t.Errorf("Delete = %+v, %v", removal, err)
			}
		})
		t.Run(call+" fails", func(t *testing.T) {
			t.Parallel()
			sm := scheduledMachine()
			w := newWorld(t, presentMachine(t, sm))
			w.before = failing(call, apierrors.NewInternalError(errors.New("no")))
			if removal, err := w.objects.Delete(t.Context(), sm, w.readMachine(t), everything); !apierrors.IsInternalError(err) || removal.Gone {
				t.Errorf("Delete = %+v, %v", removal, err)
			}
		})
	}
}

func TestConfirmReadsWhoeversMachine(t *testing.T) {
	t.Parallel()
	sm := scheduledMachine()
	if live, err := newWorld(t).objects.Confirm(t.Context(), sm); live != nil || err != nil {
		t.Errorf("Confirm = %v, %v", live, err)
	}
	w := newWorld(t, presentMachine(t, sm, disown))
	if live, err := w.objects.Confirm(t.Context(), sm); live == nil || err != nil {
		t.Errorf("Confirm = %v, %v", live, err)
	}
	w.before = failing("get Machine", apierrors.NewServiceUnavailable("no"))
	if live, err := w.objects.Confirm(t.Context(), sm); live != nil || !apierrors.IsServiceUnavailable(err) {
		t.Errorf("Confirm = %v, %v", live, err)
	}
}

func TestLeftovers(t *testing.T) {
	t.Parallel()
	sm := scheduledMachine()
	recordedOther := scheduledMachine()
	recordedOther.Status.InfrastructureRef = reference(proxyKind, present(t, sm, providerObject(proxyKind, `{}`)))
	recorded := scheduledMachine()
	recorded.Status.BootstrapRef = reference(configKind, present(t, sm, sm.Spec.BootstrapSpec))
	unserved := scheduledMachine()
	unserved.Spec.BootstrapSpec.Kind = "KubeadmConfig"
	infra := func(change ...func(*clusterv1.Machine)) []client.Object {
		return []client.Object{present(t, sm, sm.Spec.InfrastructureSpec), presentMachine(t, sm, change...)}
	}
	for name, c := range map[string]struct {
		sm   *v1alpha1.ScheduledMachine
		objs []client.Object
		want []string
	}{
		"nothing":                  {sm, nil, nil},
		"a part without a Machine": {sm, []client.Object{present(t, sm, sm.Spec.BootstrapSpec)}, []string{"K0sWorkerConfig"}},
		"both parts":               {sm, []client.Object{present(t, sm, sm.Spec.BootstrapSpec), present(t, sm, sm.Spec.InfrastructureSpec)}, []string{"K0sWorkerConfig", "RemoteMachine"}},
		"a part being deleted":     {sm, []client.Object{present(t, sm, sm.Spec.BootstrapSpec, deleting)}, []string{"K0sWorkerConfig"}},
		"a part whose Machine is gone without it": {sm, []client.Object{present(t, sm, sm.Spec.BootstrapSpec, adoptedBy(smName, otherUID))}, []string{"K0sWorkerConfig"}},
		"a part of another Machine":               {sm, []client.Object{present(t, sm, sm.Spec.BootstrapSpec, adoptedBy("pc", otherUID))}, nil},
		"a foreign object":                        {sm, []client.Object{present(t, sm, sm.Spec.BootstrapSpec, foreignOwner)}, nil},
		"a part of our Machine, not yet adopted":  {sm, infra(), nil},
		"a part beside a foreign Machine":         {sm, infra(disown), []string{"RemoteMachine"}},
		"a part that the status recorded, once":   {recorded, []client.Object{present(t, sm, sm.Spec.BootstrapSpec)}, []string{"K0sWorkerConfig"}},
		"a kind that the spec had before":         {recordedOther, []client.Object{present(t, sm, providerObject(proxyKind, `{}`))}, []string{"HostProxy"}},
		"a kind that is no longer served":         {unserved, []client.Object{present(t, sm, sm.Spec.InfrastructureSpec)}, []string{"RemoteMachine"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.objs...)
			refs, err := w.objects.Leftovers(t.Context(), c.sm)
			if err != nil {
				t.Fatal(err)
			}
			var kinds []string
			for _, ref := range refs {
				kinds = append(kinds, ref.Kind)
				if ref.UID == "" || ref.APIVersion == "" || ref.Name != smName {
					t.Errorf("incomplete reference %+v", ref)
				}
			}
			if diff := cmp.Diff(c.want, kinds); diff != "" {
				t.Errorf("leftovers (-want +got):\n%s", diff)
			}
			if err := w.objects.DeleteLeftovers(t.Context(), c.sm, refs); err != nil {
				t.Fatal(err)
			}
			if err := w.objects.DeleteLeftovers(t.Context(), c.sm, refs); err != nil {
				t.Fatalf("the second time: %v", err)
			}
		})
	}
}

func TestLeftoversThatMayNotBeRead(t *testing.T) {
	t.Parallel()
	sm := scheduledMachine()
	w := newWorld(t)
	w.before = failing("get RemoteMachine", forbiddenByAuthorizer("get", "remotemachines"))
	if refs, err := w.objects.Leftovers(t.Context(), sm); err != nil || len(refs) > 0 {
		t.Errorf("what we could not have created holds us up: %v, %v", refs, err)
	}
	sm.Status.InfrastructureRef = reference(remoteKind, present(t, sm, sm.Spec.InfrastructureSpec))
	refs, err := w.objects.Leftovers(t.Context(), sm)
	if err != nil {
		t.Fatalf("a right that was taken away holds everything up: %v", err)
	}
	if diff := cmp.Diff([]v1alpha1.ObjectReference{*sm.Status.InfrastructureRef}, refs); diff != "" {
		t.Errorf("what we did create counts as there (-want +got):\n%s", diff)
	}
}

func TestDeleteLeftoversHoldsTheUID(t *testing.T) {
	t.Parallel()
	sm := scheduledMachine()
	ref := func(uid types.UID) v1alpha1.ObjectReference {
		return v1alpha1.ObjectReference{APIVersion: remoteKind.GroupVersion().String(), Kind: remoteKind.Kind, Name: smName, UID: string(uid)}
	}
	for name, c := range map[string]struct {
		refs    []v1alpha1.ObjectReference
		before  func(string) error
		wantErr bool
		deleted bool
	}{
		"the same object":                {[]v1alpha1.ObjectReference{ref("present-RemoteMachine")}, nil, false, true},
		"another object of the name":     {[]v1alpha1.ObjectReference{ref("older")}, nil, false, false},
		"no UID":                         {[]v1alpha1.ObjectReference{ref("")}, nil, true, false},
		"one fails, the next goes on":    {[]v1alpha1.ObjectReference{ref(""), ref("present-RemoteMachine")}, nil, true, true},
		"a conflict that is none of UID": {[]v1alpha1.ObjectReference{ref("present-RemoteMachine")}, failing("delete RemoteMachine", conflict()), true, false},
		"the server is away":             {[]v1alpha1.ObjectReference{ref("present-RemoteMachine")}, failing("delete RemoteMachine", apierrors.NewServiceUnavailable("no")), true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, present(t, sm, sm.Spec.InfrastructureSpec))
			w.before = c.before
			if err := w.objects.DeleteLeftovers(t.Context(), sm, c.refs); (err != nil) != c.wantErr {
				t.Errorf("DeleteLeftovers: %v", err)
			}
			if deleted := w.read(t, remoteKind) == nil; deleted != c.deleted {
				t.Errorf("deleted = %t", deleted)
			}
		})
	}
}
