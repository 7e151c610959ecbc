package provision

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/operand"
)

// Uninstall removes of the agent what is ours, and reports whether it is done; if not,
// it is to be called again in a while. First the DaemonSet is deleted. When its Pods are
// gone, so are their rights and the ConfigMaps; then the Namespace, if we created it and
// it is empty; and the policy at last, so that it holds as long as there is an agent.
// Nodes keep their label: see Disarm.
//
// A DaemonSet of that name which is not ours keeps everything, since it needs it. The
// client must not read from a cache.
func (p *Provisioner) Uninstall(ctx context.Context, c client.Client, namespace string) (done bool, err error) {
	installed, err := p.objectsFor(c, namespace)
	if err != nil {
		return false, err
	}
	daemonSet, err := operand.Read(ctx, c, installed.daemonSet)
	if err != nil {
		return false, err
	}
	if daemonSet != nil && !operand.IsOurs(daemonSet) {
		return true, nil
	}
	if gone, err := end(ctx, c, daemonSet, namespace); err != nil || !gone {
		return false, err
	}
	slices.Reverse(installed.rights) // Bindings before their roles, and who has them last.
	if gone, err := removeOurs(ctx, c, installed.rights); err != nil || !gone {
		return false, err
	}
	if err := removeRest(ctx, c, installed.namespace); err != nil {
		return false, err
	}
	slices.Reverse(installed.policy)
	return removeOurs(ctx, c, installed.policy)
}

// Found is whether there is something of the agent that Uninstall would delete: within the
// namespace, and elsewhere in the cluster, where agents in two namespaces share it.
func (p *Provisioner) Found(ctx context.Context, c client.Client, namespace string) (within, elsewhere bool, err error) {
	installed, err := p.objectsFor(c, namespace)
	if err != nil {
		return false, false, err
	}
	for _, object := range installed.all() {
		goes, err := wouldGo(ctx, c, object, object == installed.namespace)
		if err != nil {
			return false, false, err
		}
		if object == installed.namespace || object.GetNamespace() == namespace {
			within = within || goes
		} else {
			elsewhere = elsewhere || goes
		}
	}
	return within, elsewhere, nil
}

// wouldGo is whether Uninstall would delete the object of that kind and name.
func wouldGo(ctx context.Context, c client.Client, object *unstructured.Unstructured, isNamespace bool) (bool, error) {
	live, err := operand.Read(ctx, c, object)
	if err != nil || live == nil || !operand.IsOurs(live) {
		return false, err
	}
	if !isNamespace {
		return true, nil
	}
	if live.GetDeletionTimestamp() != nil || !wasCreatedByUs(live) {
		return false, nil
	}
	return isEmpty(ctx, c, object.GetName())
}

// end deletes the DaemonSet, and reports whether it and the agent's Pods are gone.
func end(ctx context.Context, c client.Client, daemonSet *unstructured.Unstructured, namespace string) (gone bool, err error) {
	if daemonSet != nil && daemonSet.GetDeletionTimestamp() == nil {
		if err := operand.Remove(ctx, c, daemonSet); err != nil {
			return false, err
		}
	}
	pods := &metav1.PartialObjectMetadataList{}
	pods.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
	if err := c.List(ctx, pods, client.InNamespace(namespace), podLabels, client.Limit(1)); err != nil {
		return false, fmt.Errorf("failed to list Pods in Namespace %s: %w", namespace, err)
	}
	finalized := daemonSet != nil && len(daemonSet.GetFinalizers()) > 0
	return len(pods.Items) == 0 && !finalized, nil
}

// removeOurs deletes those objects that are ours, and reports whether none is left.
func removeOurs(ctx context.Context, c client.Client, named []*unstructured.Unstructured) (gone bool, err error) {
	gone = true
	for _, object := range named {
		live, err := operand.Read(ctx, c, object)
		if err != nil {
			return false, err
		}
		if live == nil || !operand.IsOurs(live) {
			continue
		}
		if live.GetDeletionTimestamp() == nil {
			if err := operand.Remove(ctx, c, live); err != nil {
				return false, err
			}
		}
		gone = gone && len(live.GetFinalizers()) == 0
	}
	return gone, nil
}

// removeRest deletes our ConfigMaps, and the Namespace if that is to go.
func removeRest(ctx context.Context, c client.Client, namespace *unstructured.Unstructured) error {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	ours := client.MatchingLabels{v1alpha1.ManagedByLabel: v1alpha1.ManagedByFiveSpot}
	if err := c.List(ctx, list, client.InNamespace(namespace.GetName()), ours); err != nil {
		return fmt.Errorf("failed to list ConfigMaps in Namespace %s: %w", namespace.GetName(), err)
	}
	for i := range list.Items {
		configMap := &list.Items[i]
		err := c.Delete(ctx, configMap, client.Preconditions{UID: &configMap.UID})
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("failed to delete ConfigMap %s: %w", client.ObjectKeyFromObject(configMap), err)
		}
	}
	live, err := operand.Read(ctx, c, namespace)
	if err != nil {
		return err
	}
	return removeNamespace(ctx, c, live)
}
