package integration_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/machine"
	"github.com/finos/five-spot/tests/testenv"
)

var errStopped = errors.New("the process was stopped")

// objectsWorld is a real API server with Cluster API's kinds and nobody who
// reconciles them.
type objectsWorld struct {
	controlPlane *testenv.ControlPlane
	admin        client.WithWatch
	cases        int
}

// TestObjects is about what only a real API server knows: preconditions, refusals
// and plurals.
func TestObjects(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a control plane")
	}
	controlPlane, err := testenv.Start(t.Context(), testenv.ControlPlaneOptions{Name: "objects"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := controlPlane.Stop(); err != nil {
			t.Error(err)
		}
	})
	w := &objectsWorld{controlPlane: controlPlane}
	w.install(t)
	t.Run("creation goes on after a stop at any write", w.creationGoesOn)
	t.Run("removal goes on after a stop at any write", w.removalGoesOn)
	t.Run("another Machine of the same name is never touched", w.anotherMachineIsNeverTouched)
	t.Run("a kind with an irregular plural is created", w.irregularPlural)
	t.Run("a missing right is named", w.missingRight)
	t.Run("a refusal of the schema is a problem", w.schemaRefusal)
}

func (w *objectsWorld) install(t *testing.T) {
	t.Helper()
	if err := testenv.InstallClusterAPICRDs(t.Context(), w.controlPlane.Config); err != nil {
		t.Fatal(err)
	}
	if err := testenv.InstallCRDs(t.Context(), w.controlPlane.Config); err != nil {
		t.Fatal(err)
	}
	_, err := envtest.InstallCRDs(w.controlPlane.Config, envtest.CRDInstallOptions{CRDs: []*apiextensionsv1.CustomResourceDefinition{irregularKind()}})
	if err != nil {
		t.Fatal(err)
	}
	w.admin = w.client(t, w.controlPlane.Config)
}

func (w *objectsWorld) client(t *testing.T, config *rest.Config) client.WithWatch {
	t.Helper()
	c, err := client.NewWithWatch(config, client.Options{Scheme: testenv.NewScheme()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// irregularKind is a provider's kind whose plural nobody would guess.
func irregularKind() *apiextensionsv1.CustomResourceDefinition {
	kind := schema.GroupVersionKind{Group: "infrastructure.cluster.x-k8s.io", Version: "v1beta2", Kind: "HostProxy"}
	return testenv.MinimalCRD(kind, "hostproxen", apiextensionsv1.NamespaceScoped)
}

// scheduledMachine creates one, in a namespace of its own.
func (w *objectsWorld) scheduledMachine(t *testing.T, infrastructureKind, infrastructureSpec string) *v1alpha1.ScheduledMachine {
	t.Helper()
	w.cases++
	namespace := &unstructured.Unstructured{}
	namespace.SetAPIVersion("v1")
	namespace.SetKind("Namespace")
	namespace.SetName(fmt.Sprintf("objects-%d", w.cases))
	if err := w.admin.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	sm := testenv.ScheduledMachine(namespace.GetName(), "desk-7", "trading", "192.0.2.7")
	sm.Spec.InfrastructureSpec.Kind, sm.Spec.InfrastructureSpec.Spec.Raw = infrastructureKind, []byte(infrastructureSpec)
	if err := w.admin.Create(t.Context(), sm); err != nil {
		t.Fatal(err)
	}
	return sm
}

func (w *objectsWorld) remote(t *testing.T) *v1alpha1.ScheduledMachine {
	t.Helper()
	return w.scheduledMachine(t, "RemoteMachine", `{"address":"192.0.2.7","port":22,"user":"root"}`)
}

func tradingCluster(sm *v1alpha1.ScheduledMachine) *clusterv1.Cluster {
	return &clusterv1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "trading", Namespace: sm.Namespace, UID: "22222222-2222-2222-2222-222222222222"}}
}

func objects(c client.Client) *machine.Objects { return machine.NewObjects(c, c, c.RESTMapper()) }

// stopping is a client that stops at its n-th write, before or after it took effect.
func stopping(c client.WithWatch, n int, arrives bool) client.WithWatch {
	writes := 0
	write := func(do func() error) error {
		writes++
		if writes == n && !arrives {
			return errStopped
		}
		if err := do(); err != nil {
			return err
		}
		if writes == n {
			return errStopped
		}
		return nil
	}
	return interceptor.NewClient(c, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			return write(func() error { return c.Create(ctx, obj, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			return write(func() error { return c.Patch(ctx, obj, patch, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
			return write(func() error { return c.Delete(ctx, obj, opts...) })
		},
	})
}

func (w *objectsWorld) ensure(t *testing.T, sm *v1alpha1.ScheduledMachine) machine.Result {
	t.Helper()
	result, err := objects(w.admin).Ensure(t.Context(), sm, tradingCluster(sm))
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func (w *objectsWorld) creationGoesOn(t *testing.T) {
	for n := 1; n <= 3; n++ {
		for _, arrives := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d, arrives: %t", n, arrives), func(t *testing.T) {
				sm := w.remote(t)
				stopped, err := objects(stopping(w.admin, n, arrives)).Ensure(t.Context(), sm, tradingCluster(sm))
				if !errors.Is(err, errStopped) {
					t.Fatalf("it did not stop: %+v, %v", stopped, err)
				}
				result := w.ensure(t, sm)
				if !result.Done() || result.MachineCreated == (n == 3 && arrives) {
					t.Fatalf("it does not go on: %+v", result)
				}
				for _, ref := range []*v1alpha1.ObjectReference{result.Bootstrap, result.Infrastructure, result.Machine} {
					w.wantReferenced(t, sm, ref)
				}
				if again := w.ensure(t, sm); again.Changed || again.Machine.UID != result.Machine.UID {
					t.Errorf("a further call changes something: %+v", again)
				}
			})
		}
	}
}

// wantReferenced reads the object of a reference, which must be the one meant, and
// written by our field manager.
func (w *objectsWorld) wantReferenced(t *testing.T, sm *v1alpha1.ScheduledMachine, ref *v1alpha1.ObjectReference) {
	t.Helper()
	obj := &unstructured.Unstructured{}
	obj.SetAPIVersion(ref.APIVersion)
	obj.SetKind(ref.Kind)
	if err := w.admin.Get(t.Context(), client.ObjectKey{Namespace: sm.Namespace, Name: ref.Name}, obj); err != nil {
		t.Fatal(err)
	}
	if string(obj.GetUID()) != ref.UID || obj.GetDeletionTimestamp() != nil {
		t.Errorf("%s is not the one that the reference names", ref.Kind)
	}
	for _, field := range obj.GetManagedFields() {
		if field.Manager != v1alpha1.FieldManager {
			t.Errorf("%s was written by %q", ref.Kind, field.Manager)
		}
	}
}

func (w *objectsWorld) removalGoesOn(t *testing.T) {
	everything := machine.DeleteOptions{SkipDrain: true, SkipVolumeDetach: true}
	for n := 1; n <= 2; n++ {
		for _, arrives := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d, arrives: %t", n, arrives), func(t *testing.T) {
				sm := w.remote(t)
				parts := w.ensure(t, sm)
				live := w.confirm(t, sm)
				w.hold(t, live)
				if _, err := objects(stopping(w.admin, n, arrives)).Delete(t.Context(), sm, live, everything); !errors.Is(err, errStopped) {
					t.Fatalf("it did not stop: %v", err)
				}
				if removal, err := objects(w.admin).Delete(t.Context(), sm, w.confirm(t, sm), everything); err != nil || removal.Gone {
					t.Fatalf("it does not go on: %+v, %v", removal, err)
				}
				state := machine.Observe(sm, w.confirm(t, sm))
				if !state.Deleting || !state.SkipsDrain || !state.SkipsVolumeDetach {
					t.Errorf("the removal is incomplete: %+v", state)
				}
				w.wantReferenced(t, sm, parts.Bootstrap)
				w.wantReferenced(t, sm, parts.Infrastructure)
			})
		}
	}
}

func (w *objectsWorld) confirm(t *testing.T, sm *v1alpha1.ScheduledMachine) *clusterv1.Machine {
	t.Helper()
	live, err := objects(w.admin).Confirm(t.Context(), sm)
	if err != nil || live == nil {
		t.Fatalf("no Machine: %v", err)
	}
	return live
}

// hold does what Cluster API does to a Machine first.
func (w *objectsWorld) hold(t *testing.T, live *clusterv1.Machine) {
	t.Helper()
	patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":["`+clusterv1.MachineFinalizer+`"]}}`))
	if err := w.admin.Patch(t.Context(), live, patch); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		release := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
		if err := w.admin.Patch(context.WithoutCancel(t.Context()), live, release); client.IgnoreNotFound(err) != nil {
			t.Error(err)
		}
	})
}

func (w *objectsWorld) anotherMachineIsNeverTouched(t *testing.T) {
	sm := w.remote(t)
	w.ensure(t, sm)
	stale := w.confirm(t, sm)
	if removal, err := objects(w.admin).Delete(t.Context(), sm, stale, machine.DeleteOptions{}); err != nil || !removal.Changed {
		t.Fatalf("Delete = %+v, %v", removal, err)
	}
	younger := w.ensure(t, sm)
	for name, opts := range map[string]machine.DeleteOptions{"with annotations": {SkipDrain: true}, "without": {}} {
		t.Run(name, func(t *testing.T) {
			removal, err := objects(w.admin).Delete(t.Context(), sm, stale, opts)
			if err != nil || !removal.Gone || removal.Changed {
				t.Errorf("Delete = %+v, %v", removal, err)
			}
			if state := machine.Observe(sm, w.confirm(t, sm)); string(state.UID) != younger.Machine.UID || state.Deleting || state.SkipsDrain {
				t.Errorf("the younger Machine was touched: %+v", state)
			}
		})
	}
	old := *younger.Infrastructure
	old.UID = "11111111-1111-1111-1111-111111111111"
	if err := objects(w.admin).DeleteLeftovers(t.Context(), sm, []v1alpha1.ObjectReference{old}); err != nil {
		t.Error(err)
	}
	w.wantReferenced(t, sm, younger.Infrastructure)
}

func (w *objectsWorld) irregularPlural(t *testing.T) {
	sm := w.scheduledMachine(t, "HostProxy", `{"host":"desk-7"}`)
	result := w.ensure(t, sm)
	if !result.Done() {
		t.Fatalf("Ensure: %+v", result)
	}
	w.wantReferenced(t, sm, result.Infrastructure)
	if err := w.admin.Delete(t.Context(), w.confirm(t, sm)); err != nil {
		t.Fatal(err)
	}
	leftovers, err := objects(w.admin).Leftovers(t.Context(), sm)
	if err != nil || len(leftovers) != 2 {
		t.Fatalf("Leftovers = %v, %v", leftovers, err)
	}
	if err := objects(w.admin).DeleteLeftovers(t.Context(), sm, leftovers); err != nil {
		t.Fatal(err)
	}
	if leftovers, err := objects(w.admin).Leftovers(t.Context(), sm); err != nil || len(leftovers) > 0 {
		t.Errorf("Leftovers = %v, %v", leftovers, err)
	}
}

func (w *objectsWorld) missingRight(t *testing.T) {
	sm := w.remote(t)
	user, err := w.controlPlane.Env.AddUser(envtest.User{Name: "reader", Groups: []string{"readers"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "readers"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"cluster.x-k8s.io", "infrastructure.cluster.x-k8s.io"}, Resources: []string{"machines", "remotemachines"}, Verbs: []string{"get"}},
		{APIGroups: []string{"bootstrap.cluster.x-k8s.io"}, Resources: []string{"k0sworkerconfigs"}, Verbs: []string{"get", "create"}},
	}}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "readers"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "readers"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "Group", Name: "readers"}},
	}
	for _, obj := range []client.Object{role, binding} {
		if err := w.admin.Create(t.Context(), obj); err != nil {
			t.Fatal(err)
		}
	}
	reader := w.client(t, user.Config())
	// The authorizer hears of a new role a moment later.
	nothing := &clusterv1.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: sm.Namespace, Name: "none"}}
	if err := testenv.WaitGone(t.Context(), reader, nothing); err != nil {
		t.Fatal(err)
	}
	result, err := objects(reader).Ensure(t.Context(), sm, tradingCluster(sm))
	if err != nil || result.Problem == nil || result.Problem.Reason != v1alpha1.ProviderForbiddenReason ||
		!strings.Contains(result.Problem.Message, "create remotemachines.infrastructure.cluster.x-k8s.io") {
		t.Errorf("Ensure = %+v (%+v), %v", result, result.Problem, err)
	}
}

func (w *objectsWorld) schemaRefusal(t *testing.T) {
	sm := w.scheduledMachine(t, "RemoteMachine", `{"address":"192.0.2.7","port":"twenty-two"}`)
	result := w.ensure(t, sm)
	if result.Problem == nil || result.Problem.Reason != v1alpha1.ProviderRefusedReason || !strings.Contains(result.Problem.Message, "spec.port") {
		t.Errorf("Ensure = %+v (%+v)", result, result.Problem)
	}
	if live, err := objects(w.admin).Confirm(t.Context(), sm); live != nil || err != nil {
		t.Errorf("a part was refused, and yet there is a Machine: %v", err)
	}
}
