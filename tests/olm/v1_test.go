package olm_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/finos/five-spot/tests/testenv"
)

// OLM v1 itself takes images from a registry, so that its API server alone is asked whether
// it would take the objects.
func TestTheSamplesForOLMv1AreWhatItsKindsTake(t *testing.T) {
	g := NewWithT(t)
	server, err := testenv.Start(t.Context(), testenv.ControlPlaneOptions{Name: "v1", Log: os.Stderr})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { NewWithT(t).Expect(server.Stop()).To(Succeed()) })
	g.Expect(installKindsOfOLMv1(t, server)).To(Succeed())
	kubeconfig, err := server.WriteKubeconfig(server.Config, "admin")
	g.Expect(err).NotTo(HaveOccurred())
	kubectl := func(input string, args ...string) string {
		cmd := exec.CommandContext(t.Context(), server.Kubectl(), append([]string{"--kubeconfig", kubeconfig}, args...)...)
		cmd.Stdin = strings.NewReader(input)
		out, err := cmd.CombinedOutput()
		g.Expect(err).NotTo(HaveOccurred(), string(out))
		return string(out)
	}
	samples := kubectl("", "kustomize", filepath.Join(root, "config", "olm-deploy", "v1"))
	const unnamed = "ref: five-spot-catalog:"
	g.Expect(samples).To(ContainSubstring(unnamed))
	out := kubectl(strings.ReplaceAll(samples, unnamed, "ref: registry.example.com/five-spot-catalog:"), "apply", "--server-side", "--validate=strict", "-f", "-")
	g.Expect(out).To(And(ContainSubstring("clustercatalog"), ContainSubstring("clusterextension"), ContainSubstring("five-spot-installer")))
}

func installKindsOfOLMv1(t *testing.T, server *testenv.ControlPlane) error {
	t.Helper()
	source, err := testenv.DownloadedModule(t.Context(), filepath.Join(root, "tests", "olm", "v1kinds"), "github.com/operator-framework/operator-controller")
	if err != nil {
		return err
	}
	_, err = envtest.InstallCRDs(server.Config, envtest.CRDInstallOptions{
		Paths: []string{
			filepath.Join(source, "helm", "olmv1", "base", "catalogd", "crd", "standard"),
			filepath.Join(source, "helm", "olmv1", "base", "operator-controller", "crd", "standard"),
		},
		ErrorIfPathMissing: true,
	})
	return err
}
