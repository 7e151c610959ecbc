package manager_test

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/finos/five-spot/tests/testenv"
)

// On OpenShift a server of its own answers for that group, which is away during upgrades.
func TestTheManagerStartsWhileTheServerOfAnotherAPIIsAway(t *testing.T) {
	needWorld(t)
	away := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
		"metadata": map[string]any{"name": "v1.security.openshift.io"},
		"spec": map[string]any{
			"group": "security.openshift.io", "version": "v1", "groupPriorityMinimum": int64(1000), "versionPriority": int64(15),
			"insecureSkipTLSVerify": true, "service": map[string]any{"namespace": "default", "name": "nobody"},
		},
	}}
	// That waits for all that is served.
	NewWithT(t).Expect(testenv.InstallOperandKinds(t.Context(), world.Config())).To(Succeed())
	NewWithT(t).Expect(world.Client.Create(t.Context(), away)).To(Succeed())
	t.Cleanup(func() {
		withoutOperandKinds(t)
		if err := world.Client.Delete(context.WithoutCancel(t.Context()), away); err != nil {
			t.Error(err)
		}
	})
	m := startManager(t)
	m.Eventually(m.operand).WithArguments(0).ShouldNot(BeNil())
	endpoints, _, err := unstructured.NestedSlice(m.operand(0).Object, "spec", "endpoints")
	m.Expect(err).NotTo(HaveOccurred())
	m.Expect(endpoints).To(ConsistOf(HaveKeyWithValue("tlsConfig", HaveKey("ca"))), "the group is OpenShift's, so this is one")
}
