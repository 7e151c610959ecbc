package testenv

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
)

// Namespace creates a namespace of its own, whose name begins with the prefix.
func (w *World) Namespace(ctx context.Context, prefix string) (string, error) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: prefix + "-"}}
	if err := w.Client.Create(ctx, namespace); err != nil {
		return "", fmt.Errorf("failed to create a namespace: %w", err)
	}
	return namespace.Name, nil
}

// CreateCluster creates a Cluster with its RemoteCluster and
// K0smotronControlPlane, all of the given name, and waits until Cluster API is
// connected to the workload cluster. Its kubeconfig Secret is <name>-kubeconfig.
func (w *World) CreateCluster(ctx context.Context, namespace, name string) (*clusterv1.Cluster, error) {
	cluster, err := w.CreateUnreadyCluster(ctx, namespace, name)
	if err != nil {
		return nil, err
	}
	return cluster, WaitFor(ctx, w.Client, cluster, func() bool { return clusterReady(cluster) })
}

// CreateUnreadyCluster is CreateCluster without waiting. With Provider.HoldCluster
// before it, the Cluster stays as it is.
func (w *World) CreateUnreadyCluster(ctx context.Context, namespace, name string) (*clusterv1.Cluster, error) {
	cluster := &clusterv1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: clusterv1.ClusterSpec{
			InfrastructureRef: reference(RemoteClusterKind, name),
			ControlPlaneRef:   reference(K0smotronControlPlaneKind, name),
		},
	}
	infrastructure := ofKind(RemoteClusterKind)
	controlPlane := ofKind(K0smotronControlPlaneKind)
	controlPlane.Object["spec"] = map[string]any{"version": "v" + KubernetesVersion}
	for _, obj := range []*unstructured.Unstructured{infrastructure, controlPlane} {
		obj.SetNamespace(namespace)
		obj.SetName(name)
		if err := w.Client.Create(ctx, obj); err != nil {
			return nil, fmt.Errorf("failed to create %s %s: %w", obj.GetKind(), name, err)
		}
	}
	if err := w.Client.Create(ctx, cluster); err != nil {
		return nil, fmt.Errorf("failed to create Cluster %s: %w", name, err)
	}
	return cluster, nil
}

func reference(kind schema.GroupVersionKind, name string) clusterv1.ContractVersionedObjectReference {
	return clusterv1.ContractVersionedObjectReference{APIGroup: kind.Group, Kind: kind.Kind, Name: name}
}

func clusterReady(cluster *clusterv1.Cluster) bool {
	return ptr.Deref(cluster.Status.Initialization.InfrastructureProvisioned, false) &&
		ptr.Deref(cluster.Status.Initialization.ControlPlaneInitialized, false) &&
		meta.IsStatusConditionTrue(cluster.Status.Conditions, clusterv1.ClusterRemoteConnectionProbeCondition)
}
