package olm_test

import (
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/pkg/admission"
	"github.com/finos/five-spot/tests/testenv"
)

// A cluster without Cluster API, without Prometheus and without a console of OpenShift
// takes the whole bundle, and into the namespace in which OLM has its own OperatorGroup.
func TestAPlainClusterTakesTheBundle(t *testing.T) {
	began := time.Now()
	server, err := testenv.Start(t.Context(), testenv.ControlPlaneOptions{Name: "plain", Kubelets: true, AuditLog: true, Log: os.Stderr})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { NewWithT(t).Expect(server.Stop()).To(Succeed()) })
	i := &installation{newCluster(t, server), "operators"}
	i.createNamespace(i.namespace)
	i.subscribe(func(object *unstructured.Unstructured) {
		switch object.GetKind() {
		case "Namespace":
			object.SetName(i.namespace)
			return
		case "OperatorGroup":
			object.SetName("global-operators")
		case "Subscription":
			i.specOf(object)["sourceNamespace"] = i.namespace
		}
		object.SetNamespace(i.namespace)
	})
	i.isInstalled(released.newer)

	running := i.run(released.newer, i.podOf(released.newer))
	for _, name := range admission.Names() {
		i.Eventually(func() error {
			return i.admin.Get(i.Context(), client.ObjectKey{Name: name}, &admissionv1.ValidatingAdmissionPolicyBinding{})
		}).Should(Succeed(), name)
	}
	i.nothingWasForbidden(running.user, began)
}
