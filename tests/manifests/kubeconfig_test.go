package manifests_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// What the page tells to type makes a kubeconfig of few rights where the manager looks for
// it, and nothing of the one that it was made with is left in it.
func TestTheKubeconfigOfFewRightsIsMadeAsThePageTells(t *testing.T) {
	t.Parallel()
	needServer(t)
	g := NewWithT(t)
	folder := t.TempDir()
	administrators, err := os.ReadFile(kubeconfig)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.WriteFile(filepath.Join(folder, "workload.kubeconfig"), administrators, 0o600)).To(Succeed())

	script := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", commandsOfThePage(t, "five-spot.kubeconfig"))
	script.Dir = folder
	script.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "PATH="+filepath.Dir(server.Kubectl())+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := script.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(out))

	secret := &corev1.Secret{}
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "trading-five-spot-kubeconfig"}, secret)).To(Succeed())
	access, err := clientcmd.RESTConfigFromKubeConfig(secret.Data["value"])
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(access.CertData).To(BeEmpty())
	g.Expect(string(secret.Data["value"])).NotTo(ContainSubstring("client-key"))
	few := clientOf(t, access)
	g.Eventually(func() error { return few.List(t.Context(), &corev1.NodeList{}) }).Should(Succeed())
	g.Expect(few.List(t.Context(), &corev1.SecretList{})).To(MatchError(apierrors.IsForbidden, "a refusal"))
}

// commandsOfThePage are those of the block in the page on installing that mentions a word.
func commandsOfThePage(t *testing.T, word string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root, "docs", "operations", "install.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?ms)^```console\n(.*?)^```").FindAllStringSubmatch(string(page), -1) {
		if strings.Contains(block[1], word) {
			commands := regexp.MustCompile(`(?m)^\$ `).ReplaceAllString(block[1], "")
			commands = strings.ReplaceAll(commands, "config/workload", absolute(t, filepath.Join(root, "config", "workload")))
			return strings.NewReplacer("NAMESPACE", "default", "CLUSTER", "trading").Replace(commands)
		}
	}
	t.Fatalf("the page has no commands with %s", word)
	return ""
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
