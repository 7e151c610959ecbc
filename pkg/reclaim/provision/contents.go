package provision

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const kindServiceAccount = "ServiceAccount"

// kept are the kinds that are looked for in a Namespace before it is deleted.
var kept = []schema.GroupVersionKind{
	{Version: "v1", Kind: "Pod"},
	{Version: "v1", Kind: "ConfigMap"},
	{Version: "v1", Kind: "Secret"},
	{Version: "v1", Kind: kindServiceAccount},
	{Version: "v1", Kind: "Service"},
	{Version: "v1", Kind: "PersistentVolumeClaim"},
	{Version: "v1", Kind: "ResourceQuota"},
	{Version: "v1", Kind: "LimitRange"},
	{Version: "v1", Kind: "ReplicationController"},
	{Group: "apps", Version: "v1", Kind: "DaemonSet"},
	{Group: "apps", Version: "v1", Kind: "Deployment"},
	{Group: "apps", Version: "v1", Kind: "ReplicaSet"},
	{Group: "apps", Version: "v1", Kind: "StatefulSet"},
	{Group: "batch", Version: "v1", Kind: "CronJob"},
	{Group: "batch", Version: "v1", Kind: "Job"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
	{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "Role"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "RoleBinding"},
}

// inEvery are objects that Kubernetes or OpenShift puts into every Namespace.
var inEvery = map[string][]string{
	"ConfigMap":        {"kube-root-ca.crt", "openshift-service-ca.crt"},
	kindServiceAccount: {"default", "builder", "deployer"},
	"RoleBinding":      {"system:image-pullers", "system:image-builders", "system:deployers"},
}

// fewer than a page is what is in every Namespace.
const page = 20

// isEmpty is whether a Namespace has nothing in it but what every one has. A kind that
// we may not list counts as present.
func isEmpty(ctx context.Context, c client.Client, namespace string) (bool, error) {
	for _, kind := range kept {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(kind)
		err := c.List(ctx, list, client.InNamespace(namespace), client.Limit(page))
		switch {
		case apierrors.IsForbidden(err):
			return false, nil
		case meta.IsNoMatchError(err), apierrors.IsNotFound(err):
			continue
		case err != nil:
			return false, fmt.Errorf("failed to look for a %s in Namespace %s: %w", kind.Kind, namespace, err)
		}
		if slices.ContainsFunc(list.Items, func(item metav1.PartialObjectMetadata) bool { return !isInEvery(kind.Kind, &item) }) {
			return false, nil
		}
	}
	return true, nil
}

func isInEvery(kind string, item *metav1.PartialObjectMetadata) bool {
	if kind == "Secret" { // The token or pull secret of such a ServiceAccount.
		account, ok := item.Annotations[corev1.ServiceAccountNameKey]
		return ok && slices.Contains(inEvery[kindServiceAccount], account)
	}
	return slices.Contains(inEvery[kind], item.Name)
}
