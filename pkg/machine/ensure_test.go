package machine

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
)

func TestObjectsAreNamedByOneFunctionAndFoundAgain(t *testing.T) {
	t.Parallel()
	w, sm := newWorld(t), scheduledMachine()

	first := w.ensure(t, sm)
	live, err := w.objects.Confirm(t.Context(), sm)
	if err != nil || live == nil {
		t.Fatalf("Confirm: %v, %v", live, err)
	}
	if !Observe(sm, live).Exists {
		t.Error("the Machine that was created is not observed as ours")
	}
	for _, name := range []string{first.Bootstrap.Name, first.Infrastructure.Name, first.Machine.Name, live.Name, live.Spec.InfrastructureRef.Name} {
		if name != Name(sm) {
			t.Errorf("an object is named %q, not %q", name, Name(sm))
		}
	}

	w.calls = nil
	second := w.ensure(t, sm)
	if second.Changed || len(w.writes()) > 0 {
		t.Errorf("second Ensure wrote: %v", w.writes())
	}
	if diff := cmp.Diff(first.Machine, second.Machine); diff != "" {
		t.Errorf("second Ensure found another Machine (-first +second):\n%s", diff)
	}
}

func TestPartsAreCreatedBeforeTheMachine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	result := w.ensure(t, scheduledMachine())
	want := []string{"create K0sWorkerConfig", "create RemoteMachine", "create Machine"}
	if diff := cmp.Diff(want, w.writes()); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	if !result.Done() || !result.MachineCreated || result.Bootstrap.UID == "" || result.Infrastructure.UID == "" || result.Machine.UID == "" {
		t.Errorf("a reference lacks its UID: %+v", result)
	}
}

// Whatever request was the last one of a process, and whether or not it arrived,
// the next calls end where an undisturbed one would have.
func TestEnsureGoesOnAfterAStopAtAnyRequest(t *testing.T) {
	t.Parallel()
	undisturbed := newWorld(t, secret(allowed(), "user: root"))
	undisturbed.ensure(t, withSecretRef(scheduledMachine()))
	if len(undisturbed.calls) < 7 {
		t.Fatalf("too few requests to be a test: %v", undisturbed.calls)
	}
	for stop := range undisturbed.calls {
		for name, arrives := range map[string]bool{"that arrived": true, "that did not arrive": false} {
			t.Run("request "+undisturbed.calls[stop]+" "+name, func(t *testing.T) {
				t.Parallel()
				w, sm := newWorld(t, secret(allowed(), "user: root")), withSecretRef(scheduledMachine())
				stopAt := func(string) error {
					if len(w.calls) == stop+1 {
						return context.DeadlineExceeded
					}
					return nil
				}
				if arrives {
					w.after = stopAt
				} else {
					w.before = stopAt
				}
				if _, err := w.objects.Ensure(t.Context(), sm, cluster()); !errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("the stop is not reported: %v", err)
				}
				result := w.ensure(t, sm)
				if !result.Done() || w.read(t, configKind) == nil || w.read(t, remoteKind) == nil {
					t.Fatalf("the next Ensure does not complete: %+v", result)
				}
				if got, want := result.Machine.UID, string(w.readMachine(t).UID); got != want {
					t.Errorf("reference to Machine %q, want %q", got, want)
				}
			})
		}
	}
}

// A POST whose answer was lost, or that met an older one of ours, is not an error.
func TestAlreadyExistsIsToleratedAtEachStep(t *testing.T) {
	t.Parallel()
	sm := scheduledMachine()
	for name, racing := range map[string]client.Object{
		"bootstrap":      present(t, sm, sm.Spec.BootstrapSpec),
		"infrastructure": present(t, sm, sm.Spec.InfrastructureSpec),
		"Machine":        presentMachine(t, sm),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.racing = racing
			result := w.ensure(t, sm)
			if !result.Done() || w.racing != nil {
				t.Fatalf("Ensure: %+v", result)
			}
			uids := []string{result.Bootstrap.UID, result.Infrastructure.UID, result.Machine.UID}
			if !strings.Contains(strings.Join(uids, " "), string(racing.GetUID())) {
				t.Errorf("the object that was there first is not kept: %v", uids)
			}
		})
	}
}

func TestForeignObjectsAreNeitherAdoptedNorOverwritten(t *testing.T) {
	t.Parallel()
	sm := scheduledMachine()
	for name, foreign := range map[string]client.Object{
		"a bootstrap object of another owner":      present(t, sm, sm.Spec.BootstrapSpec, foreignOwner),
		"an infrastructure object of another":      present(t, sm, sm.Spec.InfrastructureSpec, foreignOwner),
		"an infrastructure object being deleted":   present(t, sm, sm.Spec.InfrastructureSpec, foreignOwner, deleting),
		"ours that another Machine has taken over": present(t, sm, sm.Spec.InfrastructureSpec, adoptedBy("pc", otherUID)),
		"a Machine of another owner":               presentMachine(t, sm, reown),
		"a Machine without owner":                  presentMachine(t, sm, disown),
	} {
		t.Run(name+" that was there before", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, foreign.DeepCopyObject().(client.Object))
			result := w.ensure(t, sm)
			wantProblem(t, result.Problem, v1alpha1.ForeignObjectReason, kindOf(foreign), smName)
			if len(w.writes()) > 0 {
				t.Errorf("wrote %v", w.writes())
			}
		})
		if foreign.GetDeletionTimestamp() != nil {
			continue // Nothing is created as deleting.
		}
		t.Run(name+" that came in between", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.racing = foreign.DeepCopyObject().(client.Object)
			result := w.ensure(t, sm)
			wantProblem(t, result.Problem, v1alpha1.ForeignObjectReason, kindOf(foreign), smName)
			if now := w.read(t, gvkOf(foreign)); now.GetUID() != foreign.GetUID() || now.GetResourceVersion() != "1" {
				t.Errorf("the foreign object was touched: %v", now)
			}
		})
	}
}

func TestObjectsAreOursByUID(t *testing.T) {
	t.Parallel()
	byStatus := scheduledMachine()
	byStatus.Status.InfrastructureRef = &v1alpha1.ObjectReference{UID: "present-RemoteMachine"}
	noUID := scheduledMachine()
	noUID.UID = ""
	noUID.Status.MachineRef = &v1alpha1.ObjectReference{Name: smName}
	obj := func(change ...func(*unstructured.Unstructured)) *unstructured.Unstructured {
		return present(t, scheduledMachine(), scheduledMachine().Spec.InfrastructureSpec, change...)
	}
	for name, c := range map[string]struct {
		sm   *v1alpha1.ScheduledMachine
		obj  *unstructured.Unstructured
		want bool
	}{
		"our UID is an owner":                         {scheduledMachine(), obj(), true},
		"others added owners":                         {scheduledMachine(), obj(adoptedBy("x", otherUID)), true},
		"the status recorded its UID":                 {byStatus, obj(foreignOwner), true},
		"only our name is an owner":                   {scheduledMachine(), obj(foreignOwner), false},
		"neither side has a UID":                      {noUID, &unstructured.Unstructured{Object: map[string]any{}}, false},
		"an earlier ScheduledMachine of the name was": {&v1alpha1.ScheduledMachine{}, obj(), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Ours(c.sm, c.obj); got != c.want {
				t.Errorf("Ours = %t, want %t", got, c.want)
			}
		})
	}
}

func TestEnsureWaitsForWhatIsBeingDeleted(t *testing.T) {
	t.Parallel()
	sm := scheduledMachine()
	for name, old := range map[string]client.Object{
		"the Machine":        presentMachine(t, sm, deletingMachine),
		"the bootstrap":      present(t, sm, sm.Spec.BootstrapSpec, deleting, adoptedBy(smName, otherUID)),
		"the infrastructure": present(t, sm, sm.Spec.InfrastructureSpec, deleting),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, old.DeepCopyObject().(client.Object))
			result := w.ensure(t, sm)
			if result.Done() || !strings.Contains(result.Waiting, kindOf(old)) {
				t.Errorf("Waiting = %q", result.Waiting)
			}
			if len(w.writes()) > 0 {
				t.Errorf("wrote %v", w.writes())
			}
		})
	}
}

// What an earlier attempt left behind must not become part of a Machine that was
// asked for differently, nor a host of a Machine that is gone part of a new one.
func TestPartsLeftFromBeforeAreReplaced(t *testing.T) {
	t.Parallel()
	sm := scheduledMachine()
	earlier := scheduledMachine()
	earlier.Spec.InfrastructureSpec.Spec.Raw = []byte(`{"address":"192.0.2.8"}`)
	for name, old := range map[string]*unstructured.Unstructured{
		"from an earlier spec":         present(t, earlier, earlier.Spec.InfrastructureSpec),
		"from a Machine that is gone":  present(t, sm, sm.Spec.InfrastructureSpec, adoptedBy(smName, otherUID)),
		"that lost its mark of origin": present(t, sm, sm.Spec.InfrastructureSpec, func(u *unstructured.Unstructured) { u.SetAnnotations(nil) }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, old.DeepCopy())
			if first := w.ensure(t, sm); first.Waiting == "" || !first.Changed || first.Infrastructure != nil {
				t.Errorf("first Ensure: %+v", first)
			}
			if diff := cmp.Diff([]string{"delete RemoteMachine"}, w.writes()); diff != "" {
				t.Errorf("writes (-want +got):\n%s", diff)
			}
			if second := w.ensure(t, sm); !second.Done() {
				t.Errorf("second Ensure: %+v", second)
			}
		})
	}
}

func TestALiveMachineKeepsItsParts(t *testing.T) {
	t.Parallel()
	booted := func(m *clusterv1.Machine) {
		m.Status.Initialization.BootstrapDataSecretCreated = new(true)
	}
	provisioned := func(m *clusterv1.Machine) {
		m.Status.Initialization.InfrastructureProvisioned = new(true)
	}
	edited := func(m *clusterv1.Machine) { m.Annotations[v1alpha1.SpecHashAnnotation] = "earlier" }
	for name, c := range map[string]struct {
		change []func(*clusterv1.Machine)
		want   []string
	}{
		"parts that it still waits for are created again": {nil, []string{"create K0sWorkerConfig", "create RemoteMachine"}},
		"a host that is set up is not set up again":       {[]func(*clusterv1.Machine){provisioned}, []string{"create K0sWorkerConfig"}},
		"data that was used is not made again":            {[]func(*clusterv1.Machine){booted}, []string{"create RemoteMachine"}},
		"nothing is missing once both were used":          {[]func(*clusterv1.Machine){booted, provisioned}, nil},
		"an edit applies at the next activation":          {[]func(*clusterv1.Machine){edited}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sm := scheduledMachine()
			w := newWorld(t, presentMachine(t, sm, c.change...))
			result := w.ensure(t, sm)
			if !result.Done() || result.Machine == nil || result.MachineCreated {
				t.Errorf("Ensure: %+v", result)
			}
			if diff := cmp.Diff(c.want, w.writes(), cmp.Transformer("nil", func(s []string) []string { return append([]string{}, s...) })); diff != "" {
				t.Errorf("writes (-want +got):\n%s", diff)
			}
		})
	}
}

// A Machine that waits for one part must not lose the other, whatever became of
// the marks on it.
func TestPartsOfALiveMachineAreNeverDeleted(t *testing.T) {
	t.Parallel()
	sm := scheduledMachine()
	unmarked := func(u *unstructured.Unstructured) { u.SetAnnotations(nil) }
	w := newWorld(t, presentMachine(t, sm), present(t, sm, sm.Spec.InfrastructureSpec, unmarked, adoptedBy(smName, "present-Machine")))
	if result := w.ensure(t, sm); !result.Done() || result.Infrastructure == nil {
		t.Errorf("Ensure: %+v", result)
	}
	if diff := cmp.Diff([]string{"create K0sWorkerConfig"}, w.writes()); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
}

func TestEnsureReportsErrorsThatAreWorthAnotherTry(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]string{
		"the Machine cannot be read":    "get Machine",
		"a part cannot be read":         "get RemoteMachine",
		"a Secret cannot be read":       "get Secret",
		"a part cannot be created":      "create RemoteMachine",
		"the Machine cannot be created": "create Machine",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, secret(allowed(), "user: root"))
			w.before = failing(call, apierrors.NewTooManyRequests("slow down", 3))
			result, err := w.objects.Ensure(t.Context(), withSecretRef(scheduledMachine()), cluster())
			if !apierrors.IsTooManyRequests(err) || result.Problem != nil {
				t.Errorf("Ensure = %+v, %v", result, err)
			}
			if seconds, ok := apierrors.SuggestsClientDelay(err); call != "create RemoteMachine" && (!ok || seconds != 3) {
				t.Errorf("the server's wish for a delay is lost: %v", err)
			}
		})
	}
	t.Run("the namespace is gone", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.before = failing("create RemoteMachine", apierrors.NewNotFound(corev1.Resource("namespaces"), namespace))
		if result, err := w.objects.Ensure(t.Context(), scheduledMachine(), cluster()); !apierrors.IsNotFound(err) || result.Problem != nil {
			t.Errorf("Ensure = %+v, %v", result, err)
		}
	})
	t.Run("there is no Cluster", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		if _, err := w.objects.Ensure(t.Context(), scheduledMachine(), nil); err == nil || len(w.writes()) > 0 {
			t.Errorf("Ensure = %v, wrote %v", err, w.writes())
		}
	})
}

func TestClusterAPIThatIsNotServedIsAProblem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.before = failing("get Machine", &meta.NoKindMatchError{GroupKind: machineKind.GroupKind(), SearchedVersions: []string{"v1beta2"}})
	result := w.ensure(t, scheduledMachine())
	wantProblem(t, result.Problem, v1alpha1.ClusterAPINotInstalledReason, "cluster.x-k8s.io/v1beta2")
	if _, err := w.objects.Confirm(t.Context(), scheduledMachine()); !meta.IsNoMatchError(err) {
		t.Errorf("Confirm = %v, which must not pass for proof that there is no Machine", err)
	}
}

func wantProblem(t *testing.T, problem *Problem, reason string, texts ...string) {
	t.Helper()
	if problem == nil {
		t.Fatalf("no Problem, want %s", reason)
	}
	if problem.Reason != reason {
		t.Errorf("reason %s, want %s (%s)", problem.Reason, reason, problem.Message)
	}
	for _, text := range texts {
		if !strings.Contains(problem.Message, text) {
			t.Errorf("message %q does not name %q", problem.Message, text)
		}
	}
}
