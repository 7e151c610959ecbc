package provision

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/operand"
	"github.com/finos/five-spot/pkg/reclaim"
)

// Arm tells the agent on the Node what to look for, lets it run there, and reports
// whether that changed anything. The Node's ConfigMap goes with the Node. It takes one
// request where nothing changes; the client must not read ConfigMaps from a cache.
//
// The error is ErrForeign when somebody else has a ConfigMap of that name, which is left
// as it is. A Node that has taken the place of the one that is passed is refused by the
// API server as Invalid, and a ConfigMap that has just been changed as a Conflict.
func (p *Provisioner) Arm(ctx context.Context, c client.Client, node *corev1.Node, namespace string, config reclaim.Config) (changed bool, err error) {
	text, err := config.Render()
	if err != nil {
		return false, err
	}
	if changed, err = configure(ctx, c, configMapFor(node, namespace, text)); err != nil {
		return changed, err
	}
	wrote, err := label(ctx, c, node, v1alpha1.ReclaimAgentEnabled)
	return changed || wrote, err
}

// Disarm takes the agent off the Node, and reports whether that changed anything. A Node
// or ConfigMap that is gone is no error, and what is not ours is left alone.
func (p *Provisioner) Disarm(ctx context.Context, c client.Client, node *corev1.Node, namespace string) (changed bool, err error) {
	changed, err = label(ctx, c, node, nil)
	if err = client.IgnoreNotFound(err); err != nil {
		return changed, err
	}
	live := &corev1.ConfigMap{}
	key := client.ObjectKey{Namespace: namespace, Name: reclaim.ConfigMapName(node.Name)}
	err = c.Get(ctx, key, live)
	if apierrors.IsNotFound(err) || err == nil && !operand.IsOurs(live) {
		return changed, nil
	}
	if err != nil {
		return changed, fmt.Errorf("failed to get ConfigMap %s: %w", key, err)
	}
	err = c.Delete(ctx, live, client.Preconditions{UID: &live.UID})
	if client.IgnoreNotFound(err) != nil {
		return changed, fmt.Errorf("failed to delete ConfigMap %s: %w", key, err)
	}
	return true, nil
}

// configMapFor is the ConfigMap of the agent on the Node. The owner lets the garbage
// collector remove it with the Node.
func configMapFor(node *corev1.Node, namespace, text string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace,
			Name:      reclaim.ConfigMapName(node.Name),
			Labels: map[string]string{
				"app.kubernetes.io/name": "five-spot",
				v1alpha1.ManagedByLabel:  v1alpha1.ManagedByFiveSpot,
			},
			OwnerReferences: []metav1.OwnerReference{
				{APIVersion: corev1.SchemeGroupVersion.String(), Kind: "Node", Name: node.Name, UID: node.UID},
			},
		},
		Data: map[string]string{reclaim.ConfigKey: text},
	}
}

// configure writes the ConfigMap if it is missing or differs.
func configure(ctx context.Context, c client.Client, wanted *corev1.ConfigMap) (changed bool, err error) {
	key := client.ObjectKeyFromObject(wanted)
	live := &corev1.ConfigMap{}
	err = c.Get(ctx, key, live)
	if apierrors.IsNotFound(err) {
		if err := c.Create(ctx, wanted, owner); err != nil {
			return false, fmt.Errorf("failed to create ConfigMap %s: %w", key, err)
		}
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("failed to get ConfigMap %s: %w", key, err)
	}
	switch {
	case !operand.IsOurs(live):
		return false, fmt.Errorf("ConfigMap %s %w", key, ErrForeign)
	case live.DeletionTimestamp != nil:
		return false, fmt.Errorf("ConfigMap %s %w", key, ErrBeingDeleted)
	case operand.Contains(live.Labels, wanted.Labels) && maps.Equal(live.Data, wanted.Data) && slices.Equal(live.OwnerReferences, wanted.OwnerReferences):
		return false, nil
	}
	before := live.DeepCopy()
	live.Labels = operand.Merged(live.Labels, wanted.Labels)
	live.Data, live.OwnerReferences = wanted.Data, wanted.OwnerReferences
	if err := c.Patch(ctx, live, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), owner); err != nil {
		return false, fmt.Errorf("failed to patch ConfigMap %s: %w", key, err)
	}
	return true, nil
}

// label sets the label that lets the agent run on the Node, or removes ours with a nil
// value. node itself is not modified.
func label(ctx context.Context, c client.Client, node *corev1.Node, value any) (changed bool, err error) {
	enabled := node.Labels[v1alpha1.ReclaimAgentLabel] == v1alpha1.ReclaimAgentEnabled
	if enabled == (value != nil) {
		return false, nil
	}
	patch, err := mergePatch(node.UID, "labels", v1alpha1.ReclaimAgentLabel, value)
	if err != nil {
		return false, err
	}
	if err := c.Patch(ctx, node.DeepCopy(), patch, owner); err != nil {
		return false, fmt.Errorf("failed to label Node %s: %w", node.Name, err)
	}
	return true, nil
}
