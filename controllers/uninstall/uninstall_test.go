package uninstall

import (
	"bytes"
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/operand"
)

// Who deletes a guard and is told that it is gone does not look for why it still refuses.
func TestAnObjectThatAFinalizerHoldsIsNotToldOfAsDeleted(t *testing.T) {
	t.Parallel()
	for sentence, c := range map[string]struct {
		finalizers []string
		out        string
		failures   []string
	}{
		"one that goes at once":      {nil, "Deleted ConfigMap operators/a\n", nil},
		"one that a finalizer holds": {[]string{"example.com/held"}, "", []string{"ConfigMap operators/a: " + errNotGone.Error()}},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			ours := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
				Namespace: "operators", Name: "a", Finalizers: c.finalizers,
				Labels: map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedByFiveSpot},
			}}
			named := &unstructured.Unstructured{}
			named.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
			named.SetNamespace(ours.Namespace)
			named.SetName(ours.Name)
			api := fake.NewClientBuilder().WithObjects(ours).WithIndex(ours, metav1.ObjectNameField, func(object client.Object) []string {
				return []string{object.GetName()}
			}).Build()
			out := &bytes.Buffer{}
			r := &run{Options: Options{Client: api, Out: out}}
			r.remove(t.Context(), named)
			g.Expect(out.String()).To(Equal(c.out))
			g.Expect(r.failures).To(Equal(c.failures))
			live, err := operand.Read(t.Context(), api, named)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(live != nil).To(Equal(c.finalizers != nil))
		})
	}
}

func TestAMissingRightToClustersKeepsNothingElse(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	looked := map[string]bool{}
	api := fake.NewClientBuilder().WithScheme(scheme.Scheme).WithInterceptorFuncs(interceptor.Funcs{
		List: func(_ context.Context, _ client.WithWatch, list client.ObjectList, _ ...client.ListOption) error {
			if _, ok := list.(*clusterv1.ClusterList); ok {
				return apierrors.NewForbidden(schema.GroupResource{Group: clusterv1.GroupVersion.Group, Resource: "clusters"}, "", nil)
			}
			looked[list.GetObjectKind().GroupVersionKind().Kind] = true
			return nil
		},
	}).Build()
	out := &bytes.Buffer{}
	err := Operands(t.Context(), Options{Client: api, Out: out, LeaseName: "5spot-leader", Timeout: time.Second, Clock: clock.RealClock{}})
	g.Expect(err).To(MatchError(ErrLeft))
	g.Expect(looked).To(HaveKey("ValidatingAdmissionPolicyList"))
	g.Expect(out.String()).To(ContainSubstring("Failed: the reclaim agents: failed to list Clusters: "))
}
