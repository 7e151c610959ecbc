package workload

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/cluster-api/util/secret"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// preferredPurpose is put before the purpose in the name of a kubeconfig Secret
// with fewer rights than the one that Cluster API generates, which is cluster-admin.
const preferredPurpose = "five-spot-"

// preferringReader reads <cluster>-five-spot-kubeconfig in place of
// <cluster>-kubeconfig where the former exists.
type preferringReader struct {
	client.Reader
}

// Get reads one object.
func (r preferringReader) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	cluster, isKubeconfig := strings.CutSuffix(key.Name, "-"+string(secret.Kubeconfig))
	if _, isSecret := obj.(*corev1.Secret); !isSecret || !isKubeconfig {
		return r.Reader.Get(ctx, key, obj, opts...)
	}

	preferred := client.ObjectKey{Namespace: key.Namespace, Name: secret.Name(cluster, preferredPurpose+secret.Kubeconfig)}
	err := r.Reader.Get(ctx, preferred, obj, opts...)
	if apierrors.IsNotFound(err) {
		return r.Reader.Get(ctx, key, obj, opts...)
	}
	return err
}
