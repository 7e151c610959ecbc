package testenv

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// BuildAgent builds the reclaim agent as it is shipped, and returns the path of the
// binary in the folder.
func BuildAgent(ctx context.Context, folder string) (string, error) {
	return Build(ctx, folder, "five-spot-reclaim-agent", "./agent")
}

// Build builds a program of this module in the way in which those are built that are
// shipped, and returns the path of the binary, which has the name, in the folder.
func Build(ctx context.Context, folder, name, program string) (string, error) {
	root, err := SourceRoot(ctx)
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, name)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, program)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("failed to build %s: %w: %s", program, err, out)
	}
	return path, nil
}

// PodToken is the token that a kubelet would put into the Pod: of its ServiceAccount,
// bound to the Pod and so to its Node.
func PodToken(ctx context.Context, c client.Client, pod *corev1.Pod) (string, error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Spec.ServiceAccountName}}
	token := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
	}}
	if err := c.SubResource("token").Create(ctx, account, token); err != nil {
		return "", fmt.Errorf("failed to request a token for Pod %s: %w", client.ObjectKeyFromObject(pod), err)
	}
	return token.Status.Token, nil
}
