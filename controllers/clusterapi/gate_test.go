package clusterapi

import (
	"context"
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

func crd(established apiextensionsv1.ConditionStatus, versions ...apiextensionsv1.CustomResourceDefinitionVersion) *apiextensionsv1.CustomResourceDefinition {
	return &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: MachineCRD},
		Spec:       apiextensionsv1.CustomResourceDefinitionSpec{Versions: versions},
		Status: apiextensionsv1.CustomResourceDefinitionStatus{
			Conditions: []apiextensionsv1.CustomResourceDefinitionCondition{{Type: apiextensionsv1.Established, Status: established}},
		},
	}
}

func version(name string, served bool) apiextensionsv1.CustomResourceDefinitionVersion {
	return apiextensionsv1.CustomResourceDefinitionVersion{Name: name, Served: served}
}

// harness is a gate on a fake API server.
type harness struct {
	*Gate

	client   client.Client
	startErr error
	starts   int
	messages []string
}

func newHarness(t *testing.T, objects ...client.Object) *harness {
	t.Helper()
	scheme := runtime.NewScheme()
	NewWithT(t).Expect(apiextensionsv1.AddToScheme(scheme)).To(Succeed())
	h := &harness{client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()}
	h.Gate = NewGate(h.client)
	h.start = func(context.Context) error {
		h.starts++
		return h.startErr
	}
	h.announce = func(_ context.Context, _ bool, message string) { h.messages = append(h.messages, message) }
	return h
}

func TestGate(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		objects         []client.Object
		ready, noneEver bool
		message         string
	}{
		"is closed, and no Machine can exist, while there is no CRD": {
			noneEver: true, message: "Cluster API is not installed: waiting for cluster.x-k8s.io/v1beta2",
		},
		"is closed, but Machines may exist, while only an older version is served": {
			objects: []client.Object{crd(apiextensionsv1.ConditionTrue, version("v1beta1", true), version("v1beta2", false))},
			message: "The installed Cluster API does not serve cluster.x-k8s.io/v1beta2: waiting for it",
		},
		"is closed while the CRD is not established": {
			objects: []client.Object{crd(apiextensionsv1.ConditionFalse, version("v1beta2", true))},
			message: "The installed Cluster API does not serve cluster.x-k8s.io/v1beta2: waiting for it",
		},
		"is open when the version is served": {
			objects: []client.Object{crd(apiextensionsv1.ConditionTrue, version("v1beta1", true), version("v1beta2", true))},
			ready:   true, message: "Cluster API serves cluster.x-k8s.io/v1beta2",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			h := newHarness(t, test.objects...)
			for range 2 {
				_, err := h.Reconcile(t.Context(), ctrl.Request{})
				g.Expect(err).NotTo(HaveOccurred())
			}
			g.Expect(h.Ready()).To(Equal(test.ready))
			g.Expect(h.MachinesImpossible()).To(Equal(test.noneEver))
			g.Expect(h.messages).To(Equal([]string{test.message}), "told once")
		})
	}
}

func TestGateOpensWhenClusterAPIIsInstalledLaterAndClosesWhenItGoes(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	h := newHarness(t)
	g.Expect(h.lookOnce(t.Context())).To(Succeed())
	g.Expect(h.Ready()).To(BeFalse())

	installed := crd(apiextensionsv1.ConditionTrue, version("v1beta2", true))
	g.Expect(h.client.Create(t.Context(), installed)).To(Succeed())
	_, err := h.Reconcile(t.Context(), ctrl.Request{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(h.Ready()).To(BeTrue())

	g.Expect(h.client.Delete(t.Context(), installed)).To(Succeed())
	_, err = h.Reconcile(t.Context(), ctrl.Request{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(h.Ready()).To(BeFalse())

	g.Expect(h.client.Create(t.Context(), crd(apiextensionsv1.ConditionTrue, version("v1beta2", true)))).To(Succeed())
	_, err = h.Reconcile(t.Context(), ctrl.Request{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(h.Ready()).To(BeTrue())
	g.Expect(h.starts).To(Equal(1), "what was started goes on")
	g.Expect(h.messages).To(HaveLen(4))
}

func TestGateStaysClosedUntilStartingSucceeds(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	h := newHarness(t, crd(apiextensionsv1.ConditionTrue, version("v1beta2", true)))
	h.startErr = errors.New("not now")
	_, err := h.Reconcile(t.Context(), ctrl.Request{})
	g.Expect(err).To(MatchError(ContainSubstring("not now")))
	g.Expect(h.Ready()).To(BeFalse())

	h.startErr = nil
	_, err = h.Reconcile(t.Context(), ctrl.Request{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(h.Ready()).To(BeTrue())
	g.Expect(h.starts).To(Equal(2))
}

func TestGateSaysWhetherItHasLooked(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	h := newHarness(t)
	g.Expect(h.Known()).To(BeFalse())
	g.Expect(h.lookOnce(t.Context())).To(Succeed())
	g.Expect(h.Known()).To(BeTrue())
}
