package testenv

import (
	"context"
	"fmt"
	"strings"
	"sync"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// Kinds of the simulated provider, in the version in which they are stored.
var (
	K0sWorkerConfigKind       = schema.GroupVersionKind{Group: "bootstrap.cluster.x-k8s.io", Version: "v1beta2", Kind: "K0sWorkerConfig"}
	RemoteMachineKind         = schema.GroupVersionKind{Group: "infrastructure.cluster.x-k8s.io", Version: "v1beta2", Kind: "RemoteMachine"}
	PooledRemoteMachineKind   = schema.GroupVersionKind{Group: "infrastructure.cluster.x-k8s.io", Version: "v1beta2", Kind: "PooledRemoteMachine"}
	RemoteClusterKind         = schema.GroupVersionKind{Group: "infrastructure.cluster.x-k8s.io", Version: "v1beta2", Kind: "RemoteCluster"}
	K0smotronControlPlaneKind = schema.GroupVersionKind{Group: "controlplane.cluster.x-k8s.io", Version: "v1beta2", Kind: "K0smotronControlPlane"}
)

// providerFinalizer holds a RemoteMachine until its Node has left.
const providerFinalizer = "remotemachine.testenv.five-spot"

// Provider plays the bootstrap, infrastructure and control plane provider of all
// clusters of a World. All clusters share the one workload control plane, so that
// a Node is named after its RemoteMachine and its namespace.
type Provider struct {
	clock      clock.PassiveClock
	client     client.Client // of the management cluster, cached
	workload   *kubelets
	access     *rest.Config // what the kubeconfig Secrets hold
	behaviours *behaviours

	mu     sync.Mutex
	queues []workqueue.TypedRateLimitingInterface[reconcile.Request]
}

// providerReconcile brings one object of the provider forward.
type providerReconcile func(ctx context.Context, obj *unstructured.Unstructured) (ctrl.Result, error)

func (p *Provider) setupWithManager(mgr ctrl.Manager) error {
	for kind, reconcileKind := range map[schema.GroupVersionKind]providerReconcile{
		K0sWorkerConfigKind:       p.reconcileBootstrap,
		RemoteMachineKind:         p.reconcileMachine,
		RemoteClusterKind:         p.reconcileCluster,
		K0smotronControlPlaneKind: p.reconcileControlPlane,
	} {
		builder := ctrl.NewControllerManagedBy(mgr).
			Named("testenv-" + strings.ToLower(kind.Kind)).
			For(ofKind(kind)).
			WatchesRawSource(source.Func(p.keepQueue))
		if kind == RemoteMachineKind {
			builder = builder.Watches(&clusterv1.Machine{}, handler.EnqueueRequestsFromMapFunc(infrastructureOf))
		}
		if err := builder.Complete(p.reconciler(kind, reconcileKind)); err != nil {
			return fmt.Errorf("failed to set up the simulated provider of %s: %w", kind.Kind, err)
		}
	}
	return mgr.Add(p.workload)
}

// reconciler reads the object and leaves what does not exist alone.
func (p *Provider) reconciler(kind schema.GroupVersionKind, next providerReconcile) reconcile.Reconciler {
	return reconcile.Func(func(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
		obj := ofKind(kind)
		if err := p.client.Get(ctx, request.NamespacedName, obj); err != nil {
			return ctrl.Result{}, client.IgnoreNotFound(err)
		}
		return next(ctx, obj.DeepCopy())
	})
}

// Behave sets how the machine of this RemoteMachine is treated, from now on and
// also when it is created anew later.
func (p *Provider) Behave(namespace, name string, behaviour Behaviour) {
	key := types.NamespacedName{Namespace: namespace, Name: name}
	p.behaviours.set(key, behaviour)
	p.enqueue(key)
}

// HoldCluster keeps the infrastructure and control plane objects of this name from
// becoming ready, or lets them.
func (p *Provider) HoldCluster(namespace, name string, held bool) {
	key := types.NamespacedName{Namespace: namespace, Name: name}
	p.behaviours.hold(key, held)
	p.enqueue(key)
}

// SetNodeReady sets the Ready condition of a Node, as its kubelet does.
func (p *Provider) SetNodeReady(ctx context.Context, node string, ready bool) error {
	return p.workload.setReady(ctx, node, ready)
}

// NodeName is the name of the Node of a RemoteMachine.
func NodeName(namespace, name string) string { return name + "." + namespace }

// keepQueue is a source without events of its own, through which Behave reaches
// the queue of a controller.
func (p *Provider) keepQueue(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queues = append(p.queues, queue)
	return nil
}

func (p *Provider) enqueue(key types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, queue := range p.queues {
		queue.Add(reconcile.Request{NamespacedName: key})
	}
}

// patchStatus writes the status when change changes it.
func (p *Provider) patchStatus(ctx context.Context, obj *unstructured.Unstructured, change func(status map[string]any)) error {
	before := obj.DeepCopy()
	status, _, err := unstructured.NestedMap(obj.Object, "status")
	if err != nil {
		return fmt.Errorf("failed to read the status of %s %s: %w", obj.GetKind(), obj.GetName(), err)
	}
	if status == nil {
		status = map[string]any{}
	}
	change(status)
	obj.Object["status"] = status
	if apiequality.Semantic.DeepEqual(before.Object, obj.Object) {
		return nil
	}
	if err := p.client.Status().Patch(ctx, obj, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("failed to write the status of %s %s: %w", obj.GetKind(), obj.GetName(), err)
	}
	return nil
}

// readyCondition is a list of conditions that says how far an object is.
func readyCondition(since metav1.Time, ready bool, reason, message string) []any {
	status := string(metav1.ConditionFalse)
	if ready {
		status = string(metav1.ConditionTrue)
	}
	return []any{map[string]any{
		"type": "Ready", "status": status, "reason": reason, "message": message,
		"lastTransitionTime": since.UTC().Format("2006-01-02T15:04:05Z"),
	}}
}

func ofKind(kind schema.GroupVersionKind) *unstructured.Unstructured {
	obj := &unstructured.Unstructured{}
	obj.SetGroupVersionKind(kind)
	return obj
}

// ownerOf is the name of the Cluster that owns the object, or of the Machine that
// controls it.
func ownerOf(obj client.Object, kind string) string {
	for _, owner := range obj.GetOwnerReferences() {
		if owner.Kind == kind && (kind == "Cluster" || ptr.Deref(owner.Controller, false)) {
			return owner.Name
		}
	}
	return ""
}

func infrastructureOf(_ context.Context, obj client.Object) []reconcile.Request {
	machine, ok := obj.(*clusterv1.Machine)
	if !ok || machine.Spec.InfrastructureRef.Kind != RemoteMachineKind.Kind {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{
		Namespace: machine.Namespace, Name: machine.Spec.InfrastructureRef.Name,
	}}}
}
