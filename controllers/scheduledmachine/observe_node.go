package scheduledmachine

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/lifecycle"
	"github.com/finos/five-spot/pkg/machine"
	"github.com/finos/five-spot/pkg/nodemark"
	"github.com/finos/five-spot/pkg/nodetaint"
	"github.com/finos/five-spot/pkg/reclaim"
	"github.com/finos/five-spot/pkg/workload"
)

// observeNode reads the Node from the workload cluster's cache and sees to it that
// changes of Nodes there are told.
func (r *Reconciler) observeNode(ctx context.Context, w *world) {
	name, providerID, needed := nodeToRead(w)
	if w.cluster == nil || !needed {
		return
	}
	key := clusterKey(w.object)
	err := r.watchNodes(ctx, key)
	if err != nil {
		w.unconnected = !r.clusters.Tried(ctx, key)
		r.clusters.Connect(key)
		r.withoutNode(ctx, w, err)
		return
	}
	w.Cluster.Reachable = true
	w.Node.Known = true
	if name == "" {
		return
	}
	node, err := r.clusters.Node(ctx, key, name, providerID)
	if err != nil {
		r.withoutNode(ctx, w, err)
		return
	}
	w.Node.Name = name
	if node == nil {
		return
	}
	rival, err := r.rival(ctx, w.machine, node)
	if err != nil {
		r.withoutNode(ctx, w, err)
		return
	}
	if rival != "" {
		w.Node = lifecycle.Node{Name: name, Rival: rival}
		w.nodeRetryAt = w.Now.Add(nodeRetry)
		return
	}
	request, requested := reclaim.RequestOf(node.Annotations)
	w.takeNode(node)
	w.Node.Exists = true
	w.Node.Ready = workload.IsReady(node)
	w.Node.Unschedulable = node.Spec.Unschedulable
	w.Node.CordonedByUs = nodemark.CordonedBy(node, string(w.object.UID))
	w.Node.HasOwnTaints = nodemark.Find(node).Taints || len(w.appliedTaints) > 0
	w.Node.HasReclaimAgent = node.Labels[v1alpha1.ReclaimAgentLabel] == v1alpha1.ReclaimAgentEnabled
	w.Node.ReclaimRequested = requested
	w.Node.ReclaimReason = request.Reason
}

// rival is another Machine of the Cluster that names the Node as its own. Cluster API goes
// by the provider's identifier of the host alone: a provider that reports one host for
// two Machines, for whatever reason, makes both name its Node. One of another host is no
// rival: its Node is gone, and its name has come back.
func (r *Reconciler) rival(ctx context.Context, ours *clusterv1.Machine, node *corev1.Node) (string, error) {
	if ours == nil {
		return "", nil
	}
	machines := &clusterv1.MachineList{}
	err := r.client.List(ctx, machines, client.InNamespace(ours.Namespace), client.MatchingFields{nodeIndex: node.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return "", fmt.Errorf("failed to list the Machines of Node %s: %w", node.Name, err)
	}
	for i := range machines.Items {
		other := &machines.Items[i]
		if other.UID == ours.UID || other.Spec.ClusterName != ours.Spec.ClusterName {
			continue
		}
		if isAnotherHost := node.Spec.ProviderID != "" && other.Spec.ProviderID != "" && other.Spec.ProviderID != node.Spec.ProviderID; !isAnotherHost {
			return other.Name, nil
		}
	}
	return "", nil
}

// takeNode keeps the Node, and which of its taints are ours.
func (w *world) takeNode(node *corev1.Node) {
	w.node = node
	w.appliedTaints = nodetaint.Owned(node, w.recordedTaints())
}

// withoutNode goes on without knowing the Node. Whatever is wrong in the workload
// cluster, or with the rights of its kubeconfig, must not keep the kill switch, the
// schedule or a timeout from having its effect. Not every recovery is told, so it is
// looked at again, which asks no API server.
func (r *Reconciler) withoutNode(ctx context.Context, w *world, err error) {
	w.Cluster.Reachable, w.Node = false, lifecycle.Node{}
	w.nodeRetryAt = w.Now.Add(nodeRetry)
	key := clusterKey(w.object)
	w.Cluster.Unreachable = kubeconfigProblem(r.clusters.KubeconfigProblem(key), key.Namespace)
	if !errors.Is(err, workload.ErrNotConnected) {
		r.metrics.Failed(err)
		ctrl.LoggerFrom(ctx).Error(err, "Failed to look at the Node, going on without it")
	}
}

// kubeconfigProblem is what a condition says of why a kubeconfig cannot be used; nil for
// what somebody mends elsewhere.
func kubeconfigProblem(err error, namespace string) *lifecycle.Problem {
	switch {
	case errors.Is(err, workload.ErrKubeconfigRefused):
		return &lifecycle.Problem{Reason: v1alpha1.WorkloadClusterKubeconfigRefusedReason, Message: err.Error()}
	case err != nil:
		missing := machine.MissingRight("get", corev1.Resource("secrets"), namespace)
		return &lifecycle.Problem{Reason: v1alpha1.WorkloadClusterKubeconfigForbiddenReason, Message: "its kubeconfig cannot be read: " + missing.Message}
	}
	return nil
}

// nodeToRead is the Node of the Machine. When a reclaim has removed that, it is the
// Node that it had: should it still be there, its request has to be cleared.
func nodeToRead(w *world) (name, providerID string, needed bool) {
	known := w.object.Status
	switch {
	case w.machine != nil:
		return w.state.NodeName, w.state.ProviderID, true
	case known.NodeRef != nil && known.Shutdown != nil && known.Shutdown.Reason == v1alpha1.ShutdownEmergencyReclaim:
		return known.NodeRef.Name, known.ProviderID, true
	}
	return "", "", false
}
