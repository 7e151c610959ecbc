package manifests_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/tests/testenv"
)

// The manifests are applied to a namespace of another name, as an overlay does it; a
// warning, such as that of the Pod Security admission about a Deployment, fails the test.
func TestTheManagerRunsWherePodSecurityIsRestricted(t *testing.T) {
	t.Parallel()
	needServer(t)
	g := NewWithT(t)
	overlay := t.TempDir()
	base, err := filepath.Abs(filepath.Join(root, "config", "default"))
	g.Expect(err).NotTo(HaveOccurred())
	base, err = filepath.Rel(overlay, base)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.WriteFile(filepath.Join(overlay, "kustomization.yaml"), []byte("namespace: bank-operators\nresources:\n  - "+base+"\n"), 0o600)).To(Succeed())
	kubectl(t, "", "apply", "--server-side", "--validate=strict", "-k", overlay)
	kubectl(t, "", "apply", "--server-side", "--validate=strict", "-k", overlay)

	var space corev1.Namespace
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Name: "bank-operators"}, &space)).To(Succeed())
	g.Expect(space.Labels).To(HaveKeyWithValue("pod-security.kubernetes.io/enforce", "restricted"))
	var deployment appsv1.Deployment
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: space.Name, Name: "five-spot-controller-manager"}, &deployment)).To(Succeed())
	create := podCreator(t, space.Name, deployment.Spec.Template)

	g.Expect(create(nil)).To(Succeed(), "as it is in the Deployment")
	g.Expect(create(func(pod *corev1.PodSpec) {
		// OpenShift gives each namespace a range of users, and each Pod one of them; a Pod
		// that asks for another is refused.
		g.Expect(pod.SecurityContext.RunAsUser).To(BeNil())
		g.Expect(pod.SecurityContext.RunAsGroup).To(BeNil())
		g.Expect(pod.SecurityContext.FSGroup).To(BeNil())
		g.Expect(pod.Containers[0].SecurityContext.RunAsUser).To(BeNil())
		pod.SecurityContext.RunAsUser, pod.SecurityContext.FSGroup = new(int64(1000680000)), new(int64(1000680000))
		pod.SecurityContext.SELinuxOptions = &corev1.SELinuxOptions{Level: "s0:c26,c5"}
	})).To(Succeed(), "as any user")
	g.Expect(deployment.Spec.Template.Spec.Containers[0].SecurityContext.ReadOnlyRootFilesystem).To(HaveValue(BeTrue()))

	for name, garble := range map[string]func(*corev1.PodSpec){
		"root":                 func(pod *corev1.PodSpec) { pod.SecurityContext.RunAsUser = new(int64(0)) },
		"any user":             func(pod *corev1.PodSpec) { pod.SecurityContext.RunAsNonRoot = nil },
		"no seccomp":           func(pod *corev1.PodSpec) { pod.SecurityContext.SeccompProfile = nil },
		"the host's network":   func(pod *corev1.PodSpec) { pod.HostNetwork = true },
		"the host's processes": func(pod *corev1.PodSpec) { pod.HostPID = true },
		"privileged": func(pod *corev1.PodSpec) {
			pod.Containers[0].SecurityContext.AllowPrivilegeEscalation, pod.Containers[0].SecurityContext.Privileged = new(true), new(true)
		},
		"capabilities": func(pod *corev1.PodSpec) { pod.Containers[0].SecurityContext.Capabilities = nil },
		"more privileges": func(pod *corev1.PodSpec) {
			pod.Containers[0].SecurityContext.AllowPrivilegeEscalation, pod.Containers[0].SecurityContext.Privileged = nil, nil
		},
		"a folder of the host": func(pod *corev1.PodSpec) {
			pod.Volumes[0].VolumeSource = corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/etc"}}
		},
	} {
		err := create(garble)
		g.Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%s: %v", name, err)
		g.Expect(err).To(MatchError(ContainSubstring(`violates PodSecurity "restricted:latest"`)), name)
	}
}

// podCreator makes Pods of a template, changed if so wanted, in a dry run. A warning is
// an error.
func podCreator(t *testing.T, namespace string, template corev1.PodTemplateSpec) func(change func(*corev1.PodSpec)) error {
	t.Helper()
	config := rest.CopyConfig(server.Config)
	config.WarningHandlerWithContext = &warnings{t: t}
	strict, err := client.New(config, client.Options{Scheme: testenv.NewScheme()})
	if err != nil {
		t.Fatal(err)
	}
	return func(change func(*corev1.PodSpec)) error {
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "manager-", Labels: template.Labels},
			Spec:       *template.Spec.DeepCopy(),
		}
		if change != nil {
			change(&pod.Spec)
		}
		return strict.Create(t.Context(), pod, client.DryRunAll)
	}
}

// warnings fails the test for each warning of the API server.
type warnings struct {
	mu sync.Mutex
	t  *testing.T
}

// HandleWarningHeaderWithContext implements rest.WarningHandlerWithContext.
func (w *warnings) HandleWarningHeaderWithContext(_ context.Context, _ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if text != "" {
		w.t.Errorf("the API server warns: %s", text)
	}
}
