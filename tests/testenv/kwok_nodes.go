package testenv

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// spareTaint keeps the scheduler from using a spare Node while there is another,
// whatever else speaks for it.
var spareTaint = corev1.Taint{Key: "testenv.five-spot/spare", Effect: corev1.TaintEffectPreferNoSchedule}

// AddSpareNode creates a Node in the workload cluster that belongs to no Machine, is
// Ready and has a kubelet as those of Machines have. The scheduler uses it for pods
// that find no room elsewhere. It fails when a Node of this name exists.
func (p *Provider) AddSpareNode(ctx context.Context, name string) (*corev1.Node, error) {
	return p.workload.addSpare(ctx, name)
}

// RemoveSpareNode ends the kubelet of a spare Node and deletes the Node.
func (p *Provider) RemoveSpareNode(ctx context.Context, node *corev1.Node) error {
	return p.workload.removeSpare(ctx, node)
}

// StopKubelet makes the kubelet of a Node fall silent, as a machine does that loses
// power: the node lifecycle controller calls the Node unreachable after some 20 s,
// and pods that are to be deleted stay. It needs Options.Kubelets. A pod whose grace
// period was running already may still go.
func (p *Provider) StopKubelet(ctx context.Context, node string) error {
	return p.workload.setStopped(ctx, node, true)
}

// StartKubelet brings a kubelet back that StopKubelet has stopped.
func (p *Provider) StartKubelet(ctx context.Context, node string) error {
	if err := p.workload.setStopped(ctx, node, false); err != nil {
		return err
	}
	return p.workload.setReady(ctx, node, true)
}

func (k *kubelets) addSpare(ctx context.Context, name string) (*corev1.Node, error) {
	node := simulatedNode(name, name, "spare://"+name)
	node.Spec.Taints = []corev1.Taint{spareTaint}
	if err := k.client.Create(ctx, node); err != nil {
		return nil, fmt.Errorf("failed to register Node %s: %w", name, err)
	}
	k.mu.Lock()
	k.running[node.UID] = &kubelet{node: name}
	k.mu.Unlock()
	if err := k.setReady(ctx, name, true); err != nil {
		return nil, err
	}
	return node, WaitFor(ctx, k.client, node, func() bool { return schedulable(node) })
}

// schedulable is whether the taint is gone with which every Node begins.
func schedulable(node *corev1.Node) bool {
	for _, taint := range node.Spec.Taints {
		if taint.Effect != corev1.TaintEffectPreferNoSchedule {
			return false
		}
	}
	return true
}

func (k *kubelets) removeSpare(ctx context.Context, node *corev1.Node) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.running, node.UID)
	err := k.client.Delete(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node.Name}})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("failed to delete Node %s: %w", node.Name, err)
	}
	return nil
}

// setStopped tells kwok through a label and the renewal of leases through running.
func (k *kubelets) setStopped(ctx context.Context, name string, stopped bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	value := "null"
	if stopped {
		value = fmt.Sprintf("%q", stoppedValue)
	}
	patch := fmt.Sprintf(`{"metadata":{"labels":{%q:%s}}}`, kubeletLabel, value)
	if err := k.client.Patch(ctx, node, client.RawPatch("application/merge-patch+json", []byte(patch))); err != nil {
		return fmt.Errorf("failed to mark the kubelet of Node %s: %w", name, err)
	}
	for _, self := range k.running {
		if self.node == name {
			self.stopped = stopped
		}
	}
	return nil
}
