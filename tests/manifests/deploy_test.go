package manifests_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

// agentImage is the variable that tells the manager which agent to install.
const agentImage = "RELATED_IMAGE_RECLAIM_AGENT"

func TestTheManifestsNameBothImagesAndNoRegistry(t *testing.T) {
	t.Parallel()
	needServer(t)
	manager := managerIn(t, []byte(kubectl(t, "", "kustomize", filepath.Join(root, "config", "default"))))
	g := NewWithT(t)
	g.Expect(manager.Image).To(Equal("five-spot:v0.2.0"))
	g.Expect(manager.Env).To(ContainElement(corev1.EnvVar{Name: agentImage, Value: "five-spot-reclaim-agent:v0.2.0"}))
}

// What "make deploy" would apply has the images that it was given, each in its place, and
// all else as the manifests have it.
func TestDeployTakesBothImages(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("may have to build kustomize")
	}
	g := NewWithT(t)
	rendered := filepath.Join(t.TempDir(), "rendered.yaml")
	kubectl := filepath.Join(t.TempDir(), "kubectl")
	g.Expect(os.WriteFile(kubectl, []byte("#!/bin/sh\nexec cat > '"+rendered+"'\n"), 0o700)).To(Succeed())

	const image, agent = "registry.example.com:5000/team/five-spot@sha256:0123", "registry.example.com/five-spot-agent:v9"
	out, err := testenv.Make(t.Context(), root, "deploy", "IMG="+image, "AGENT_IMG="+agent, "KUBECTL="+kubectl)
	g.Expect(err).NotTo(HaveOccurred(), out)

	text, err := os.ReadFile(rendered)
	g.Expect(err).NotTo(HaveOccurred())
	manager := managerIn(t, text)
	g.Expect(manager.Image).To(Equal(image))
	g.Expect(manager.Env).To(ConsistOf(
		HaveField("Name", "POD_NAME"), HaveField("Name", "POD_NAMESPACE"),
		corev1.EnvVar{Name: "ENABLE_LEADER_ELECTION", Value: "true"},
		corev1.EnvVar{Name: "LEASE_NAME", Value: "5spot-leader"},
		HaveField("Name", "METRICS_CERT_DIR"),
		corev1.EnvVar{Name: agentImage, Value: agent},
	))
	g.Expect(bytes.Count(text, []byte("kind: CustomResourceDefinition"))).To(Equal(2))
}

func TestUninstallRemovesNothingUnlessThatIsMeant(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("may have to build kustomize")
	}
	g := NewWithT(t)
	called := filepath.Join(t.TempDir(), "called")
	kubectl := filepath.Join(t.TempDir(), "kubectl")
	g.Expect(os.WriteFile(kubectl, []byte("#!/bin/sh\necho \"$@\" >> '"+called+"'\nif [ \"$1\" = delete ]; then exec cat > /dev/null; fi\n"), 0o700)).To(Succeed())

	out, err := testenv.Make(t.Context(), root, "uninstall", "KUBECTL="+kubectl)
	g.Expect(err).To(HaveOccurred(), out)
	g.Expect(out).To(ContainSubstring("ALLOW_REMOVAL=true"))
	g.Expect(called).NotTo(BeAnExistingFile())

	out, err = testenv.Make(t.Context(), root, "uninstall", "ALLOW_REMOVAL=true", "KUBECTL="+kubectl)
	g.Expect(err).NotTo(HaveOccurred(), out)
	calls, err := os.ReadFile(called)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(strings.Split(strings.TrimSpace(string(calls)), "\n")).To(HaveExactElements(
		"annotate --overwrite customresourcedefinition scheduledmachines.5spot.finos.org machinecalendars.5spot.finos.org "+v1alpha1.AllowRemovalAnnotation+"=true",
		HavePrefix("delete ")))
}

// managerIn is the container of the manager among manifests.
func managerIn(t *testing.T, manifests []byte) corev1.Container {
	t.Helper()
	for document := range bytes.SplitSeq(manifests, []byte("\n---\n")) {
		deployment := &appsv1.Deployment{}
		if !bytes.Contains(document, []byte("kind: Deployment")) {
			continue
		}
		if err := yaml.UnmarshalStrict(document, deployment); err != nil {
			t.Fatal(err)
		}
		if containers := deployment.Spec.Template.Spec.Containers; len(containers) == 1 {
			return containers[0]
		}
	}
	t.Fatal("there is no Deployment with one container")
	return corev1.Container{}
}

// The overlay differs from what it is laid over in who may get Secrets where, and in
// nothing else.
func TestTheOverlayBindsSecretsInSingleNamespacesOnly(t *testing.T) {
	t.Parallel()
	needServer(t)
	everywhere := objectsOf(t, "default")
	g := NewWithT(t)
	g.Expect(everywhere).To(ContainElement("ClusterRoleBinding /five-spot-secret-reader-rolebinding"))
	overlay := objectsOf(t, "rbac-namespaced-secrets")
	g.Expect(overlay).To(ContainElement("RoleBinding default/five-spot-secret-reader-rolebinding"))
	overlay = slices.DeleteFunc(overlay, func(name string) bool { return name == "RoleBinding default/five-spot-secret-reader-rolebinding" })
	everywhere = slices.DeleteFunc(everywhere, func(name string) bool { return name == "ClusterRoleBinding /five-spot-secret-reader-rolebinding" })
	g.Expect(overlay).To(ConsistOf(everywhere))
}

// objectsOf are kind, namespace and name of the objects of a kustomization below config.
func objectsOf(t *testing.T, folder string) []string {
	t.Helper()
	var names []string
	for document := range strings.SplitSeq(kubectl(t, "", "kustomize", filepath.Join(root, "config", folder)), "\n---\n") {
		object := metav1.PartialObjectMetadata{}
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatal(err)
		}
		names = append(names, object.Kind+" "+object.Namespace+"/"+object.Name)
	}
	return names
}
