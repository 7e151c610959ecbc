package testenv

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/secret"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// reconcileCluster makes a RemoteCluster ready, with the workload control plane as
// its endpoint.
func (p *Provider) reconcileCluster(ctx context.Context, obj *unstructured.Unstructured) (ctrl.Result, error) {
	if !obj.GetDeletionTimestamp().IsZero() || ownerOf(obj, "Cluster") == "" || p.behaviours.held(client.ObjectKeyFromObject(obj)) {
		return ctrl.Result{}, nil
	}
	if _, given, _ := unstructured.NestedMap(obj.Object, "spec", "controlPlaneEndpoint"); !given {
		if err := p.setEndpoint(ctx, obj); err != nil {
			return ctrl.Result{}, err
		}
	}
	return ctrl.Result{}, p.patchStatus(ctx, obj, func(status map[string]any) {
		status["ready"] = true
		status["initialization"] = map[string]any{"provisioned": true}
		status["conditions"] = readyCondition(obj.GetCreationTimestamp(), true, "Provisioned", "")
	})
}

func (p *Provider) setEndpoint(ctx context.Context, obj *unstructured.Unstructured) error {
	host, portText, err := net.SplitHostPort(strings.TrimPrefix(p.access.Host, "https://"))
	if err != nil {
		return fmt.Errorf("failed to read the address of the workload cluster: %w", err)
	}
	port, err := strconv.ParseInt(portText, 10, 32)
	if err != nil {
		return fmt.Errorf("failed to read the port of the workload cluster: %w", err)
	}
	before := obj.DeepCopy()
	endpoint := map[string]any{"host": host, "port": port}
	if err := unstructured.SetNestedMap(obj.Object, endpoint, "spec", "controlPlaneEndpoint"); err != nil {
		return fmt.Errorf("failed to set the endpoint of RemoteCluster %s: %w", obj.GetName(), err)
	}
	if err := p.client.Patch(ctx, obj, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("failed to write the endpoint of RemoteCluster %s: %w", obj.GetName(), err)
	}
	return nil
}

// reconcileControlPlane makes a hosted control plane ready and hands out the
// kubeconfig. Cluster API drains only where it believes that somebody else looks
// after the control plane.
func (p *Provider) reconcileControlPlane(ctx context.Context, obj *unstructured.Unstructured) (ctrl.Result, error) {
	cluster := ownerOf(obj, "Cluster")
	if !obj.GetDeletionTimestamp().IsZero() || cluster == "" || p.behaviours.held(client.ObjectKeyFromObject(obj)) {
		return ctrl.Result{}, nil
	}
	if err := p.ensureKubeconfig(ctx, obj, cluster); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, p.patchStatus(ctx, obj, func(status map[string]any) {
		status["ready"] = true
		status["initialized"] = true
		status["initialization"] = map[string]any{"controlPlaneInitialized": true}
		status["externalManagedControlPlane"] = true
		status["version"] = "v" + KubernetesVersion
		status["conditions"] = readyCondition(obj.GetCreationTimestamp(), true, "Available", "")
	})
}

func (p *Provider) ensureKubeconfig(ctx context.Context, owner *unstructured.Unstructured, cluster string) error {
	content, err := Kubeconfig(p.access, cluster)
	if err != nil {
		return err
	}
	return p.ensureSecret(ctx, owner, secret.Name(cluster, secret.Kubeconfig), cluster, map[string][]byte{
		secret.KubeconfigDataName: content,
	})
}

// ensureSecret creates a Secret of the type and with the label that Cluster API
// looks for.
func (p *Provider) ensureSecret(ctx context.Context, owner *unstructured.Unstructured, name, cluster string, data map[string][]byte) error {
	err := p.client.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:       owner.GetNamespace(),
			Name:            name,
			Labels:          map[string]string{clusterv1.ClusterNameLabel: cluster},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(owner, owner.GroupVersionKind())},
		},
		Type: clusterv1.ClusterSecretType,
		Data: data,
	})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("failed to create Secret %s: %w", name, err)
	}
	return nil
}
