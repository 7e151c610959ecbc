package testenv

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// leaseInterval is how often a kubelet shows that it is alive. The node lifecycle
// controller of Start gives up on a Node after 20 s.
const leaseInterval = 5 * time.Second

// nodeCapacity lets the scheduler use a Node.
var nodeCapacity = corev1.ResourceList{
	corev1.ResourceCPU:    resource.MustParse("8"),
	corev1.ResourceMemory: resource.MustParse("32Gi"),
	corev1.ResourcePods:   resource.MustParse("110"),
}

// kubelets play the kubelets of all machines, in the workload cluster, which they
// reach even while the management cluster cannot.
type kubelets struct {
	clock  clock.PassiveClock
	client client.Client
	// watched is whether a node lifecycle controller watches the Nodes. It wants
	// leases, and it takes the taint off a Node that has become ready.
	watched bool

	mu      sync.Mutex
	running map[types.UID]*kubelet
	// former are the Nodes of machines that have left, by name.
	former map[string]*corev1.Node
}

// kubelet is what has been done for one RemoteMachine.
type kubelet struct {
	node    string
	ready   *bool
	stopped bool
}

func newKubelets(clk clock.PassiveClock, c client.Client, watched bool) *kubelets {
	return &kubelets{
		clock: clk, client: c, watched: watched,
		running: map[types.UID]*kubelet{}, former: map[string]*corev1.Node{},
	}
}

// join registers the Node, once in the life of a RemoteMachine: a kubelet does not
// bring a Node back that somebody deletes.
func (k *kubelets) join(ctx context.Context, obj *unstructured.Unstructured, behaviour Behaviour) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	self := k.running[obj.GetUID()]
	if self == nil {
		node := newNode(obj)
		if former := k.former[node.Name]; former != nil && behaviour.KeepMarks {
			bringMarks(node, former)
		}
		if err := k.client.Create(ctx, node); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("failed to register Node %s: %w", node.Name, err)
		}
		self = &kubelet{node: node.Name}
		k.running[obj.GetUID()] = self
	}
	ready := !behaviour.JoinNotReady
	if self.ready != nil && *self.ready == ready {
		return nil
	}
	if err := k.setReady(ctx, self.node, ready); client.IgnoreNotFound(err) != nil {
		return err
	}
	self.ready = &ready
	return nil
}

// leave ends the kubelet and takes its Node away.
func (k *kubelets) leave(ctx context.Context, obj *unstructured.Unstructured, behaviour Behaviour) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	name := NodeName(obj.GetNamespace(), obj.GetName())
	node := &corev1.Node{}
	err := k.client.Get(ctx, types.NamespacedName{Name: name}, node)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("failed to get Node %s: %w", name, err)
	}
	if err == nil {
		k.former[name] = node
	}
	if !behaviour.KeepNode {
		if err := k.client.Delete(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("failed to delete Node %s: %w", name, err)
		}
	}
	delete(k.running, obj.GetUID())
	return nil
}

func (k *kubelets) setReady(ctx context.Context, name string, ready bool) error {
	node := &corev1.Node{}
	if err := k.client.Get(ctx, types.NamespacedName{Name: name}, node); err != nil {
		return fmt.Errorf("failed to get Node %s: %w", name, err)
	}
	before := node.DeepCopy()
	now := metav1.NewTime(k.clock.Now())
	node.Status.Conditions = nodeConditions(now, ready)
	if err := k.client.Status().Patch(ctx, node, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("failed to write the status of Node %s: %w", name, err)
	}
	if k.watched {
		return nil
	}
	return k.setNotReadyTaint(ctx, node, !ready)
}

// setNotReadyTaint does what the node lifecycle controller does where there is
// one. Admission puts the taint on every new Node.
func (k *kubelets) setNotReadyTaint(ctx context.Context, node *corev1.Node, tainted bool) error {
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		if err := k.client.Get(ctx, client.ObjectKeyFromObject(node), node); err != nil {
			return err
		}
		before := node.DeepCopy()
		node.Spec.Taints = slices.DeleteFunc(node.Spec.Taints, func(taint corev1.Taint) bool { return taint.Key == corev1.TaintNodeNotReady })
		if tainted {
			node.Spec.Taints = append(node.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule})
		}
		// A taint that somebody adds at the same moment must not get lost.
		return k.client.Patch(ctx, node, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	})
	if err != nil {
		return fmt.Errorf("failed to write the taints of Node %s: %w", node.Name, err)
	}
	return nil
}

// Start renews the leases of all kubelets until ctx ends. It implements
// manager.Runnable.
func (k *kubelets) Start(ctx context.Context) error {
	if !k.watched {
		return nil
	}
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		k.mu.Lock()
		names := make([]string, 0, len(k.running))
		for self := range maps.Values(k.running) {
			if !self.stopped {
				names = append(names, self.node)
			}
		}
		k.mu.Unlock()
		for _, name := range names {
			// The next round tries again.
			_ = k.renewLease(ctx, name)
		}
	}, leaseInterval)
	return nil
}

func (k *kubelets) renewLease(ctx context.Context, name string) error {
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: corev1.NamespaceNodeLease, Name: name}}
	err := k.client.Get(ctx, client.ObjectKeyFromObject(lease), lease)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("failed to get the Lease of Node %s: %w", name, err)
	}
	lease.Spec.HolderIdentity = &name
	lease.Spec.LeaseDurationSeconds = ptr.To[int32](40)
	lease.Spec.RenewTime = &metav1.MicroTime{Time: k.clock.Now()}
	write := func() error { return k.client.Update(ctx, lease) }
	if err != nil {
		write = func() error { return k.client.Create(ctx, lease) }
	}
	if err := write(); err != nil {
		return fmt.Errorf("failed to renew the Lease of Node %s: %w", name, err)
	}
	return nil
}

func newNode(obj *unstructured.Unstructured) *corev1.Node {
	name := NodeName(obj.GetNamespace(), obj.GetName())
	providerID, _, _ := unstructured.NestedString(obj.Object, "spec", "providerID")
	node := simulatedNode(name, obj.GetName(), providerID)
	if address := addressOf(obj); address != "" {
		node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: address}}
	}
	return node
}

func simulatedNode(name, hostname, providerID string) *corev1.Node {
	machineID := sha256.Sum256([]byte(providerID))
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: name,
			Labels: map[string]string{
				corev1.LabelHostname: hostname, corev1.LabelOSStable: "linux", corev1.LabelArchStable: runtime.GOARCH,
			},
		},
		Spec: corev1.NodeSpec{ProviderID: providerID},
		Status: corev1.NodeStatus{
			Capacity: nodeCapacity, Allocatable: nodeCapacity,
			NodeInfo: corev1.NodeSystemInfo{
				MachineID: hex.EncodeToString(machineID[:16]), KubeletVersion: "v" + KubernetesVersion,
				OperatingSystem: "linux", Architecture: runtime.GOARCH, OSImage: "Simulated Linux",
			},
		},
	}
}

// bringMarks puts on a new Node what others had put on its former self.
func bringMarks(node, former *corev1.Node) {
	maps.Copy(node.Labels, former.Labels)
	delete(node.Labels, kubeletLabel)
	node.Annotations = maps.Clone(former.Annotations)
	node.Spec.Taints = slices.Clone(former.Spec.Taints)
	node.Spec.Unschedulable = former.Spec.Unschedulable
}

func nodeConditions(now metav1.Time, ready bool) []corev1.NodeCondition {
	condition := func(kind corev1.NodeConditionType, status bool, reason string) corev1.NodeCondition {
		value := corev1.ConditionFalse
		if status {
			value = corev1.ConditionTrue
		}
		return corev1.NodeCondition{Type: kind, Status: value, Reason: reason, LastHeartbeatTime: now, LastTransitionTime: now}
	}
	readyReason := "KubeletNotReady"
	if ready {
		readyReason = "KubeletReady"
	}
	return []corev1.NodeCondition{
		condition(corev1.NodeReady, ready, readyReason),
		condition(corev1.NodeMemoryPressure, false, "KubeletHasSufficientMemory"),
		condition(corev1.NodeDiskPressure, false, "KubeletHasNoDiskPressure"),
		condition(corev1.NodePIDPressure, false, "KubeletHasSufficientPID"),
	}
}
