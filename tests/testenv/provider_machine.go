package testenv

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// reconcileBootstrap makes the bootstrap data of a K0sWorkerConfig. It begins when
// Cluster API has made a Machine its owner. Behaviours go by the name of the
// RemoteMachine, which here is that of the K0sWorkerConfig.
func (p *Provider) reconcileBootstrap(ctx context.Context, obj *unstructured.Unstructured) (ctrl.Result, error) {
	machine := ownerOf(obj, "Machine")
	if !obj.GetDeletionTimestamp().IsZero() || machine == "" || p.behaviours.of(client.ObjectKeyFromObject(obj)).HoldBootstrap {
		return ctrl.Result{}, nil
	}
	name := obj.GetName() + "-bootstrap"
	if err := p.ensureSecret(ctx, obj, name, obj.GetLabels()[clusterv1.ClusterNameLabel], map[string][]byte{
		"value":  []byte("#cloud-config\n# Nothing reads this: the machine is simulated.\n"),
		"format": []byte("cloud-config"),
	}); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, p.patchStatus(ctx, obj, func(status map[string]any) {
		status["ready"] = true
		status["dataSecretName"] = name
		status["initialization"] = map[string]any{"dataSecretCreated": true}
		status["conditions"] = readyCondition(obj.GetCreationTimestamp(), true, "DataSecretCreated", "")
	})
}

// reconcileMachine takes a RemoteMachine from its creation to a joined Node, and
// back when it is deleted.
func (p *Provider) reconcileMachine(ctx context.Context, obj *unstructured.Unstructured) (ctrl.Result, error) {
	behaviour := p.behaviours.of(client.ObjectKeyFromObject(obj))
	if !obj.GetDeletionTimestamp().IsZero() {
		return p.removeMachine(ctx, obj, behaviour)
	}
	if err := p.addFinalizer(ctx, obj); err != nil {
		return ctrl.Result{}, err
	}
	if due, err := p.bootstrapped(ctx, obj); err != nil || !due {
		return ctrl.Result{}, err
	}
	if result, done, err := p.provision(ctx, obj, behaviour); err != nil || !done {
		return result, err
	}
	if behaviour.NeverJoin {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{}, p.workload.join(ctx, obj, behaviour)
}

func (p *Provider) addFinalizer(ctx context.Context, obj *unstructured.Unstructured) error {
	before := obj.DeepCopy()
	if !controllerutil.AddFinalizer(obj, providerFinalizer) {
		return nil
	}
	if err := p.client.Patch(ctx, obj, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("failed to add the finalizer to RemoteMachine %s: %w", obj.GetName(), err)
	}
	return nil
}

// bootstrapped is whether the Machine that owns the RemoteMachine has its
// bootstrap data.
func (p *Provider) bootstrapped(ctx context.Context, obj *unstructured.Unstructured) (bool, error) {
	name := ownerOf(obj, "Machine")
	if name == "" {
		return false, nil
	}
	machine := &clusterv1.Machine{}
	key := types.NamespacedName{Namespace: obj.GetNamespace(), Name: name}
	if err := p.client.Get(ctx, key, machine); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return machine.Spec.Bootstrap.DataSecretName != nil, nil
}

// provision gives the machine its provider ID and calls it provisioned when its
// time has come.
func (p *Provider) provision(ctx context.Context, obj *unstructured.Unstructured, behaviour Behaviour) (ctrl.Result, bool, error) {
	since := obj.GetCreationTimestamp()
	if behaviour.ProvisioningFailure != "" {
		return ctrl.Result{}, false, p.patchStatus(ctx, obj, func(status map[string]any) {
			status["conditions"] = readyCondition(since, false, "ProvisioningFailed", behaviour.ProvisioningFailure)
		})
	}
	wait := p.remaining(&since, behaviour.ProvisioningDelay)
	if behaviour.HoldProvisioning || wait > 0 {
		return ctrl.Result{RequeueAfter: wait}, false, p.patchStatus(ctx, obj, func(status map[string]any) {
			status["conditions"] = readyCondition(since, false, "Provisioning", "")
		})
	}
	if err := p.setProviderID(ctx, obj); err != nil {
		return ctrl.Result{}, false, err
	}
	return ctrl.Result{}, true, p.patchStatus(ctx, obj, func(status map[string]any) {
		status["ready"] = true
		status["initialization"] = map[string]any{"provisioned": true}
		status["conditions"] = readyCondition(since, true, "Provisioned", "")
		if address := addressOf(obj); address != "" {
			status["addresses"] = []any{map[string]any{"type": "InternalIP", "address": address}}
		}
	})
}

// setProviderID names the hardware: the same machine has the same ID whenever it
// comes back.
func (p *Provider) setProviderID(ctx context.Context, obj *unstructured.Unstructured) error {
	if providerID, _, _ := unstructured.NestedString(obj.Object, "spec", "providerID"); providerID != "" {
		return nil
	}
	before := obj.DeepCopy()
	providerID := fmt.Sprintf("remote-machine://%s/%s", obj.GetNamespace(), obj.GetName())
	if err := unstructured.SetNestedField(obj.Object, providerID, "spec", "providerID"); err != nil {
		return fmt.Errorf("failed to set the provider ID of RemoteMachine %s: %w", obj.GetName(), err)
	}
	if err := p.client.Patch(ctx, obj, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("failed to write the provider ID of RemoteMachine %s: %w", obj.GetName(), err)
	}
	return nil
}

func (p *Provider) removeMachine(ctx context.Context, obj *unstructured.Unstructured, behaviour Behaviour) (ctrl.Result, error) {
	if behaviour.HoldRemoval {
		return ctrl.Result{}, nil
	}
	if wait := p.remaining(obj.GetDeletionTimestamp(), behaviour.RemovalDelay); wait > 0 {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	if err := p.workload.leave(ctx, obj, behaviour); err != nil {
		return ctrl.Result{}, err
	}
	before := obj.DeepCopy()
	if !controllerutil.RemoveFinalizer(obj, providerFinalizer) {
		return ctrl.Result{}, nil
	}
	if err := p.client.Patch(ctx, obj, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, fmt.Errorf("failed to take the finalizer off RemoteMachine %s: %w", obj.GetName(), err)
	}
	return ctrl.Result{}, nil
}

// remaining is how much of the delay, counted from since, is left.
func (p *Provider) remaining(since *metav1.Time, delay time.Duration) time.Duration {
	return max(0, since.Add(delay).Sub(p.clock.Now()))
}

func addressOf(obj *unstructured.Unstructured) string {
	address, _, _ := unstructured.NestedString(obj.Object, "spec", "address")
	return address
}
