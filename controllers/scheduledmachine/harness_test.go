package scheduledmachine

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/controllers/clustercache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/drain"
	"github.com/finos/five-spot/pkg/lifecycle"
	"github.com/finos/five-spot/pkg/machine"
	"github.com/finos/five-spot/pkg/metrics"
	"github.com/finos/five-spot/pkg/sharding"
	"github.com/finos/five-spot/pkg/workload"
)

// inWindow is a Monday within the window of deskSM.
var inWindow = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

var (
	configKind = schema.GroupVersionKind{Group: "bootstrap.cluster.x-k8s.io", Version: "v1beta2", Kind: "K0sWorkerConfig"}
	remoteKind = schema.GroupVersionKind{Group: "infrastructure.cluster.x-k8s.io", Version: "v1beta2", Kind: "RemoteMachine"}
	deskKey    = client.ObjectKey{Namespace: "bank", Name: "desk-7"}
)

// deskSM is wanted on working days from 9 to 18 hours.
func deskSM(change func(*v1alpha1.ScheduledMachine)) *v1alpha1.ScheduledMachine {
	provider := func(gvk schema.GroupVersionKind) v1alpha1.ProviderObject {
		return v1alpha1.ProviderObject{APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind, Spec: &runtime.RawExtension{Raw: []byte(`{}`)}}
	}
	sm := &v1alpha1.ScheduledMachine{
		ObjectMeta: metav1.ObjectMeta{
			Name: deskKey.Name, Namespace: deskKey.Namespace, UID: "sm-uid", Generation: 1, Finalizers: []string{v1alpha1.Finalizer},
		},
		Spec: v1alpha1.ScheduledMachineSpec{
			ClusterName:        "trading",
			Schedule:           v1alpha1.Schedule{DaysOfWeek: []v1alpha1.DayRange{"mon-fri"}, HoursOfDay: []v1alpha1.HourRange{"9-17"}},
			BootstrapSpec:      provider(configKind),
			InfrastructureSpec: provider(remoteKind),
		},
	}
	if change != nil {
		change(sm)
	}
	return sm
}

// active makes an object what it is while its Machine runs.
func active(sm *v1alpha1.ScheduledMachine) {
	sm.Status.Phase = v1alpha1.PhaseActive
	sm.Status.MachineRef = &v1alpha1.ObjectReference{APIVersion: clusterv1.GroupVersion.String(), Kind: "Machine", Name: sm.Name, UID: "machine-uid"}
	sm.Status.NodeRef = &v1alpha1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: "desk-7-node", UID: "node-uid"}
}

func tradingCluster() *clusterv1.Cluster {
	yes := true
	cluster := &clusterv1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "trading", Namespace: deskKey.Namespace, UID: "cluster-uid"}}
	cluster.Status.Initialization.InfrastructureProvisioned = &yes
	cluster.Status.Initialization.ControlPlaneInitialized = &yes
	return cluster
}

func runningMachine(sm *v1alpha1.ScheduledMachine) *clusterv1.Machine {
	config, remote := &unstructured.Unstructured{}, &unstructured.Unstructured{}
	config.SetGroupVersionKind(configKind)
	remote.SetGroupVersionKind(remoteKind)
	config.SetName(sm.Name)
	remote.SetName(sm.Name)
	built := machine.BuildMachine(sm, tradingCluster(), config, remote)
	built.UID = "machine-uid"
	built.CreationTimestamp = metav1.NewTime(inWindow.Add(-2 * time.Hour))
	built.Spec.ProviderID = "remote://desk-7"
	built.Status.NodeRef.Name = "desk-7-node"
	built.Status.Phase = string(clusterv1.MachinePhaseRunning)
	return built
}

func providerObject(sm *v1alpha1.ScheduledMachine, gvk schema.GroupVersionKind) *unstructured.Unstructured {
	spec := sm.Spec.BootstrapSpec
	if gvk == remoteKind {
		spec = sm.Spec.InfrastructureSpec
	}
	built, err := machine.BuildProviderObject(sm, spec, nil)
	if err != nil {
		panic(err)
	}
	built.SetUID(types.UID(gvk.Kind))
	return built
}

func readyNode(change func(*corev1.Node)) *corev1.Node {
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "desk-7-node", UID: "node-uid"},
		Spec:       corev1.NodeSpec{ProviderID: "remote://desk-7"},
		Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}},
	}
	if change != nil {
		change(node)
	}
	return node
}

type clusterAPI struct{ known, ready, impossible bool }

func (c clusterAPI) Known() bool              { return c.known }
func (c clusterAPI) Ready() bool              { return c.ready }
func (c clusterAPI) MachinesImpossible() bool { return c.impossible }

// harness is a Reconciler on a fake API server and a fake workload cluster.
type harness struct {
	*Reconciler
	g        *WithT
	t        *testing.T
	api      client.Client
	workload client.Client
	clock    *clocktesting.FakeClock
	events   *events.FakeRecorder
	registry *prometheus.Registry

	mu       sync.Mutex
	requests []string
	refuse   func(request string) error
}

func newHarness(t *testing.T, capi CAPI, nodes []client.Object, objs ...client.Object) *harness {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, clusterv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, gvk := range []schema.GroupVersionKind{
		v1alpha1.GroupVersion.WithKind("ScheduledMachine"), clusterv1.GroupVersion.WithKind("Machine"),
		clusterv1.GroupVersion.WithKind("Cluster"), configKind, remoteKind,
	} {
		mapper.Add(gvk, meta.RESTScopeNamespace)
	}
	h := &harness{
		g: NewWithT(t), t: t, clock: clocktesting.NewFakeClock(inWindow),
		events: events.NewFakeRecorder(100), registry: prometheus.NewRegistry(),
	}
	base := fake.NewClientBuilder().WithScheme(scheme).WithRESTMapper(mapper).WithObjects(objs...).
		WithStatusSubresource(&v1alpha1.ScheduledMachine{}, &clusterv1.Machine{}).
		WithIndex(&clusterv1.Machine{}, nodeIndex, nodeNamed).Build()
	h.api = base
	recording := interceptor.NewClient(base, h.interceptor())
	h.workload = fake.NewClientBuilder().WithObjects(nodes...).Build()
	cache := clustercache.NewFakeClusterCache(h.workload, client.ObjectKey{Namespace: deskKey.Namespace, Name: "trading"}, "scheduledmachine-watchNodes", "scheduledmachine-fillNamespaces", "scheduledmachine-fillDaemonSets")
	whole, err := sharding.New(0, 1)
	if err != nil {
		t.Fatal(err)
	}
	h.Reconciler = New(Options{
		Clock: h.clock, Client: recording, Live: recording,
		Machines: machine.NewObjects(recording, recording, mapper),
		CAPI:     capi, Recorder: h.events, Metrics: metrics.New(h.registry),
		Drainer: drain.New(h.clock, drain.Options{
			Management: recording, MarkKey: v1alpha1.CordonedByAnnotation, FieldManager: v1alpha1.FieldManager,
		}),
		Shard: whole,
		Settings: lifecycle.Settings{
			FinalizerTimeout: 10 * time.Minute, ForceFinalizer: true, JoinTimeout: 30 * time.Minute,
		},
	})
	h.clusters = workload.NewFor(cache)
	return h
}

// around records a request, and refuses it where the test says so.
func (h *harness) around(verb string, obj client.Object, do func() error) error {
	kind := obj.GetObjectKind().GroupVersionKind().Kind
	switch obj.(type) {
	case *v1alpha1.ScheduledMachine:
		kind = "ScheduledMachine"
	case *clusterv1.Machine:
		kind = "Machine"
	}
	request := verb + " " + kind
	h.mu.Lock()
	h.requests = append(h.requests, request)
	refuse := h.refuse
	h.mu.Unlock()
	if refuse != nil {
		if err := refuse(request); err != nil {
			return err
		}
	}
	return do()
}

func (h *harness) interceptor() interceptor.Funcs {
	return interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			return h.around("get", obj, func() error { return c.Get(ctx, key, obj, opts...) })
		},
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			return h.around("create", obj, func() error { return c.Create(ctx, obj, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
			return h.around("delete", obj, func() error { return c.Delete(ctx, obj, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			return h.around("patch", obj, func() error { return c.Patch(ctx, obj, patch, opts...) })
		},
	}
}

func (h *harness) reconcile() (ctrl.Result, error) {
	return h.Reconcile(h.t.Context(), reconcile.Request{NamespacedName: deskKey})
}

func (h *harness) read() *v1alpha1.ScheduledMachine {
	sm := &v1alpha1.ScheduledMachine{}
	h.g.Expect(h.api.Get(h.t.Context(), deskKey, sm)).To(Succeed())
	return sm
}

// told are the reasons of the events so far.
func (h *harness) told() []string {
	var reasons []string
	for {
		select {
		case event := <-h.events.Events:
			reasons = append(reasons, strings.Fields(event)[1])
		default:
			return reasons
		}
	}
}
