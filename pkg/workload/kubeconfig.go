package workload

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/cluster-api/util/kubeconfig"
	"sigs.k8s.io/cluster-api/util/secret"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// preferredPurpose is put before the purpose in the name of a kubeconfig Secret
// with fewer rights than the one that Cluster API generates, which is cluster-admin.
const preferredPurpose = "five-spot-"

// ErrKubeconfigRefused is that a kubeconfig does not hold what it logs in with. Who may write
// the Secret is not to run programs here, nor to have files from here sent to a server of
// theirs, such as the token of the manager's ServiceAccount.
var ErrKubeconfigRefused = errors.New("is refused: it has to hold a token, or a client certificate with its key, and to name no program, plugin or file for that")

// preferringReader reads <cluster>-five-spot-kubeconfig in place of
// <cluster>-kubeconfig where the former exists. It shows none that borrows what it logs in
// with.
type preferringReader struct {
	client.Reader

	// problems are why the kubeconfigs of Clusters, by their keys, could not be had when they
	// were last asked for, as far as somebody has to mend that.
	problems *sync.Map
}

// Get reads one object.
func (r preferringReader) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	cluster, isKubeconfig := strings.CutSuffix(key.Name, "-"+string(secret.Kubeconfig))
	found, isSecret := obj.(*corev1.Secret)
	if !isSecret || !isKubeconfig {
		return r.Reader.Get(ctx, key, obj, opts...)
	}

	preferred := client.ObjectKey{Namespace: key.Namespace, Name: secret.Name(cluster, preferredPurpose+secret.Kubeconfig)}
	err := r.Reader.Get(ctx, preferred, obj, opts...)
	if apierrors.IsNotFound(err) {
		err = r.Reader.Get(ctx, key, obj, opts...)
	}
	if err == nil && borrows(found.Data[secret.KubeconfigDataName]) {
		err = fmt.Errorf("the kubeconfig in Secret %s %w", client.ObjectKeyFromObject(found), ErrKubeconfigRefused)
	}
	r.note(client.ObjectKey{Namespace: key.Namespace, Name: cluster}, err)
	return err
}

// borrows is whether the user that the kubeconfig selects logs in with something that is not
// in it. What cannot be read is for the one to tell who uses it.
func borrows(content []byte) bool {
	config, err := clientcmd.Load(content)
	if err != nil {
		return false
	}
	selected := config.Contexts[config.CurrentContext]
	if selected == nil {
		return false
	}
	user := config.AuthInfos[selected.AuthInfo]
	return user != nil && (user.Exec != nil || user.AuthProvider != nil || user.TokenFile != "" || user.ClientCertificate != "" || user.ClientKey != "")
}

// RESTConfig is how to reach the workload cluster once, without a manager: by the same
// Secret as a manager would.
func RESTConfig(ctx context.Context, reader client.Reader, cluster client.ObjectKey) (*rest.Config, error) {
	content, err := kubeconfig.FromSecret(ctx, preferringReader{Reader: reader, problems: &sync.Map{}}, cluster)
	if err != nil {
		return nil, fmt.Errorf("failed to read the kubeconfig of Cluster %s: %w", cluster, err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(content)
	if err != nil {
		return nil, fmt.Errorf("the kubeconfig of Cluster %s cannot be used: %w", cluster, err)
	}
	return config, nil
}

func (r preferringReader) note(cluster client.ObjectKey, err error) {
	if apierrors.IsForbidden(err) || errors.Is(err, ErrKubeconfigRefused) {
		r.problems.Store(cluster, err)
	} else {
		r.problems.Delete(cluster)
	}
}
