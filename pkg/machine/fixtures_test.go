package machine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/finos/five-spot/api/v1alpha1"
)

const (
	namespace = "desks"
	smName    = "desk-7"
	smUID     = types.UID("11111111-1111-1111-1111-111111111111")
	otherUID  = types.UID("99999999-9999-9999-9999-999999999999")
)

var (
	configKind = schema.GroupVersionKind{Group: "bootstrap.cluster.x-k8s.io", Version: "v1beta2", Kind: "K0sWorkerConfig"}
	remoteKind = schema.GroupVersionKind{Group: "infrastructure.cluster.x-k8s.io", Version: "v1beta2", Kind: "RemoteMachine"}
	proxyKind  = schema.GroupVersionKind{Group: "infrastructure.cluster.x-k8s.io", Version: "v1beta2", Kind: "HostProxy"}
	sharedKind = schema.GroupVersionKind{Group: "infrastructure.cluster.x-k8s.io", Version: "v1beta2", Kind: "SharedHost"}
	created    = time.Date(2026, 11, 20, 18, 0, 0, 0, time.UTC)
)

func scheduledMachine() *v1alpha1.ScheduledMachine {
	return &v1alpha1.ScheduledMachine{
		ObjectMeta: metav1.ObjectMeta{Name: smName, Namespace: namespace, UID: smUID},
		Spec: v1alpha1.ScheduledMachineSpec{
			ClusterName:        "night",
			BootstrapSpec:      providerObject(configKind, `{"version":"v1.36.3+k0s.0"}`),
			InfrastructureSpec: providerObject(remoteKind, `{"address":"192.0.2.7","port":22}`),
		},
	}
}

func providerObject(gvk schema.GroupVersionKind, spec string) v1alpha1.ProviderObject {
	return v1alpha1.ProviderObject{
		APIVersion: gvk.GroupVersion().String(),
		Kind:       gvk.Kind,
		Spec:       &runtime.RawExtension{Raw: []byte(spec)},
	}
}

func cluster() *clusterv1.Cluster {
	return &clusterv1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "night", Namespace: namespace, UID: "22222222-2222-2222-2222-222222222222"}}
}

func secret(labels map[string]string, value string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "ssh", Namespace: namespace, Labels: labels},
		Data:       map[string][]byte{"spec": []byte(value)},
	}
}

func allowed() map[string]string { return map[string]string{v1alpha1.AllowSecretRefLabel: "true"} }

func withSecretRef(sm *v1alpha1.ScheduledMachine) *v1alpha1.ScheduledMachine {
	sm.Spec.InfrastructureSpec.SecretRef = &v1alpha1.SecretReference{Name: "ssh"}
	return sm
}

// world is an API server that remembers what was asked of it.
type world struct {
	client.Client
	objects *Objects

	// calls are all requests, such as "create RemoteMachine", in order.
	calls []string

	// before refuses a request instead of executing it, and after loses the answer
	// of one that was executed.
	before, after func(call string) error

	// seen is told of each creation, with its context.
	seen func(ctx context.Context, call string)

	// racing is created by somebody else right before our own creation of its kind.
	racing client.Object

	uids int
}

func newWorld(t *testing.T, objs ...client.Object) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, clusterv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{}
	base := fake.NewClientBuilder().WithScheme(scheme).WithRESTMapper(mapper()).WithObjects(objs...).
		WithStatusSubresource(&clusterv1.Machine{}).Build()
	w.Client = base
	recorded := interceptor.NewClient(base, interceptor.Funcs{
		Get:    w.get,
		Create: w.create,
		Patch:  w.patch,
		Delete: w.delete,
	})
	w.objects = NewObjects(recorded, recorded, mapper())
	return w
}

func mapper() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper(nil)
	m.Add(corev1.SchemeGroupVersion.WithKind("Secret"), meta.RESTScopeNamespace)
	m.Add(clusterv1.GroupVersion.WithKind("Machine"), meta.RESTScopeNamespace)
	m.Add(configKind, meta.RESTScopeNamespace)
	m.Add(remoteKind, meta.RESTScopeNamespace)
	m.Add(sharedKind, meta.RESTScopeRoot)
	m.AddSpecific(proxyKind, proxyKind.GroupVersion().WithResource("hostproxies-of-old"),
		proxyKind.GroupVersion().WithResource("hostproxy"), meta.RESTScopeNamespace)
	return m
}

func (w *world) around(call string, do func() error) error {
	w.calls = append(w.calls, call)
	if w.before != nil {
		if err := w.before(call); err != nil {
			return err
		}
	}
	err := do()
	if w.after != nil {
		if lost := w.after(call); lost != nil {
			return lost
		}
	}
	return err
}

func (w *world) get(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	return w.around("get "+kindOf(obj), func() error { return c.Get(ctx, key, obj, opts...) })
}

func (w *world) create(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
	if w.seen != nil {
		w.seen(ctx, "create "+kindOf(obj))
	}
	return w.around("create "+kindOf(obj), func() error {
		if w.racing != nil && kindOf(w.racing) == kindOf(obj) {
			if err := c.Create(ctx, w.racing); err != nil {
				return err
			}
			w.racing = nil
		}
		w.uids++
		obj.SetUID(types.UID(fmt.Sprintf("created-%d", w.uids)))
		return c.Create(ctx, obj, opts...)
	})
}

// patch adds what a real API server does and the fake one does not: it refuses a
// patch that names another UID than the object has.
func (w *world) patch(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
	return w.around("patch "+kindOf(obj), func() error {
		now := &metav1.PartialObjectMetadata{}
		now.SetGroupVersionKind(gvkOf(obj))
		if err := c.Get(ctx, client.ObjectKeyFromObject(obj), now); err != nil {
			return err
		}
		body, err := patch.Data(obj)
		if err != nil {
			return err
		}
		if !strings.Contains(string(body), `"uid":"`+string(now.UID)+`"`) {
			return conflict()
		}
		return c.Patch(ctx, obj, patch, opts...)
	})
}

// delete adds what a real API server does and the fake one does not: it holds the
// UID precondition.
func (w *world) delete(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
	return w.around("delete "+kindOf(obj), func() error {
		options := (&client.DeleteOptions{}).ApplyOptions(opts)
		now := &metav1.PartialObjectMetadata{}
		now.SetGroupVersionKind(gvkOf(obj))
		if err := c.Get(ctx, client.ObjectKeyFromObject(obj), now); err != nil {
			return err
		}
		switch {
		case options.Preconditions == nil || options.Preconditions.UID == nil:
			return fmt.Errorf("DELETE of %s without a UID", kindOf(obj))
		case options.PropagationPolicy == nil || *options.PropagationPolicy != metav1.DeletePropagationBackground:
			return fmt.Errorf("DELETE of %s not in the background", kindOf(obj))
		case *options.Preconditions.UID != now.UID:
			return conflict()
		}
		return c.Delete(ctx, obj)
	})
}

func gvkOf(obj client.Object) schema.GroupVersionKind {
	switch obj.(type) {
	case *clusterv1.Machine:
		return clusterv1.GroupVersion.WithKind("Machine")
	case *corev1.Secret:
		return corev1.SchemeGroupVersion.WithKind("Secret")
	}
	return obj.GetObjectKind().GroupVersionKind()
}

func kindOf(obj client.Object) string { return gvkOf(obj).Kind }

// writes are the requests that are not reads.
func (w *world) writes() []string {
	return slices.DeleteFunc(slices.Clone(w.calls), func(call string) bool { return call[:4] == "get " })
}

// read returns an object as it is now; nil when there is none.
func (w *world) read(t *testing.T, gvk schema.GroupVersionKind) *unstructured.Unstructured {
	t.Helper()
	obj := &unstructured.Unstructured{}
	obj.SetGroupVersionKind(gvk)
	err := w.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: smName}, obj)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

func (w *world) readMachine(t *testing.T) *clusterv1.Machine {
	t.Helper()
	live := &clusterv1.Machine{}
	if err := w.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: smName}, live); err != nil {
		t.Fatal(err)
	}
	return live
}

// ensure calls Ensure, which must not fail.
func (w *world) ensure(t *testing.T, sm *v1alpha1.ScheduledMachine) Result {
	t.Helper()
	result, err := w.objects.Ensure(t.Context(), sm, cluster())
	if err != nil {
		t.Fatalf("Ensure: %v", err)
	}
	return result
}

// present is a part as an earlier Ensure left it.
func present(t *testing.T, sm *v1alpha1.ScheduledMachine, obj v1alpha1.ProviderObject, change ...func(*unstructured.Unstructured)) *unstructured.Unstructured {
	t.Helper()
	built, err := BuildProviderObject(sm, obj, nil)
	if err != nil {
		t.Fatal(err)
	}
	built.SetUID(types.UID("present-" + obj.Kind))
	for _, apply := range change {
		apply(built)
	}
	return built
}

// presentMachine is a Machine as an earlier Ensure left it.
func presentMachine(t *testing.T, sm *v1alpha1.ScheduledMachine, change ...func(*clusterv1.Machine)) *clusterv1.Machine {
	t.Helper()
	live := BuildMachine(sm, cluster(), present(t, sm, sm.Spec.BootstrapSpec), present(t, sm, sm.Spec.InfrastructureSpec))
	live.UID = "present-Machine"
	live.CreationTimestamp = metav1.NewTime(created)
	for _, apply := range change {
		apply(live)
	}
	return live
}

func deletingMachine(live *clusterv1.Machine) {
	live.DeletionTimestamp = &metav1.Time{Time: created.Add(time.Hour)}
	live.Finalizers = []string{clusterv1.MachineFinalizer}
}

func deleting(obj *unstructured.Unstructured) {
	obj.SetDeletionTimestamp(&metav1.Time{Time: created.Add(time.Hour)})
	obj.SetFinalizers([]string{"provider.example.com/host"})
}

func foreignOwner(obj *unstructured.Unstructured) {
	owners := obj.GetOwnerReferences()
	owners[0].UID = otherUID
	obj.SetOwnerReferences(owners)
}

func adoptedBy(name string, uid types.UID) func(*unstructured.Unstructured) {
	return func(obj *unstructured.Unstructured) {
		obj.SetOwnerReferences(append(obj.GetOwnerReferences(), metav1.OwnerReference{
			APIVersion: clusterv1.GroupVersion.String(), Kind: "Machine", Name: name, UID: uid,
		}))
	}
}

func conflict() error {
	return apierrors.NewConflict(schema.GroupResource{Resource: "things"}, smName, fmt.Errorf("precondition failed: UID"))
}

func forbiddenByAuthorizer(verb, resource string) error {
	return apierrors.NewForbidden(schema.GroupResource{Group: remoteKind.Group, Resource: resource}, smName,
		fmt.Errorf("User %q cannot %s resource %q in API group %q in the namespace %q", "5spot", verb, resource, remoteKind.Group, namespace))
}

// failing makes one kind of request fail.
func failing(call string, err error) func(string) error {
	return func(made string) error {
		if made == call {
			return err
		}
		return nil
	}
}

// disown makes a Machine somebody else's.
func disown(m *clusterv1.Machine) {
	m.OwnerReferences = nil
	delete(m.Annotations, v1alpha1.OwnerUIDAnnotation)
}

// reown makes a Machine that of another ScheduledMachine.
func reown(m *clusterv1.Machine) {
	m.OwnerReferences[0].UID = otherUID
	m.Annotations[v1alpha1.OwnerUIDAnnotation] = string(otherUID)
}
