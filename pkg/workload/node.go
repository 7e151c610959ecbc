package workload

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

// nodeReadTimeout bounds the read of a Node. It comes from a cache, which makes its
// reader wait until it is filled: for ever where the kubeconfig does not allow to
// list Nodes or the API server is slow to answer.
const nodeReadTimeout = time.Second

// Node reads the Node of the given name. It returns nil when there is none, and when it
// has not the given providerID, unless that is empty: such a Node belongs to another
// machine, or does not say to which, and must not be touched. Cluster API names a Node in
// a Machine only by this identifier, so that a Node without it was registered anew. The
// error is ErrNotConnected when the cluster cannot be reached.
func (c *Clusters) Node(ctx context.Context, cluster client.ObjectKey, name, providerID string) (*corev1.Node, error) {
	workloadClient, err := c.Client(ctx, cluster)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, nodeReadTimeout)
	defer cancel()
	node := &corev1.Node{}
	if err := workloadClient.Get(ctx, client.ObjectKey{Name: name}, node); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("failed to get Node %s of Cluster %s: %w", name, cluster, err)
	}
	if providerID != "" && node.Spec.ProviderID != providerID {
		return nil, nil
	}
	return node, nil
}

// IsReady is whether the Node reports that it is Ready.
func IsReady(node *corev1.Node) bool {
	for i := range node.Status.Conditions {
		if node.Status.Conditions[i].Type == corev1.NodeReady {
			return node.Status.Conditions[i].Status == corev1.ConditionTrue
		}
	}
	return false
}

// NodeChanged lets those events pass that can matter to a ScheduledMachine, and
// drops what a kubelet reports all the time.
func NodeChanged() predicate.Predicate {
	return predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, okBefore := e.ObjectOld.(*corev1.Node)
			after, okAfter := e.ObjectNew.(*corev1.Node)
			if !okBefore || !okAfter {
				return true
			}
			return IsReady(before) != IsReady(after) ||
				before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() ||
				!reflect.DeepEqual(before.Spec, after.Spec) ||
				!maps.Equal(before.Labels, after.Labels) ||
				!maps.Equal(before.Annotations, after.Annotations)
		},
	}
}

// slimNode drops what is never read from a Node before it is cached: images and
// volumes make up most of its size.
func slimNode(obj any) (any, error) {
	if node, ok := obj.(*corev1.Node); ok {
		node.ManagedFields = nil
		node.Status.Images = nil
		node.Status.VolumesInUse = nil
		node.Status.VolumesAttached = nil
	}
	return obj, nil
}
