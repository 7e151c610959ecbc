package testenv

import (
	"context"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ServiceAccountConfig is access to the API server of config with a token of the
// ServiceAccount, and with nothing else that config holds. c may create tokens.
func ServiceAccountConfig(ctx context.Context, c client.Client, config *rest.Config, account client.ObjectKey) (*rest.Config, error) {
	token, err := requestToken(ctx, c, account, authenticationv1.TokenRequestSpec{})
	if err != nil {
		return nil, err
	}
	access := rest.AnonymousClientConfig(config)
	access.BearerToken = token
	return access, nil
}

// PodToken is the token that a kubelet would put into the Pod: of its ServiceAccount,
// bound to the Pod and so to its Node.
func PodToken(ctx context.Context, c client.Client, pod *corev1.Pod) (string, error) {
	account := client.ObjectKey{Namespace: pod.Namespace, Name: pod.Spec.ServiceAccountName}
	return requestToken(ctx, c, account, authenticationv1.TokenRequestSpec{
		BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
	})
}

func requestToken(ctx context.Context, c client.Client, account client.ObjectKey, spec authenticationv1.TokenRequestSpec) (string, error) {
	token := &authenticationv1.TokenRequest{Spec: spec}
	of := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: account.Namespace, Name: account.Name}}
	if err := c.SubResource("token").Create(ctx, of, token); err != nil {
		return "", fmt.Errorf("failed to request a token of ServiceAccount %s: %w", account, err)
	}
	return token.Status.Token, nil
}
