package workload

import (
	"context"
	"errors"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/cluster-api/util/kubeconfig"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

func kubeconfigSecret(name, value string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "bank", Name: name},
		Data:       map[string][]byte{"value": []byte(value)},
	}
}

func TestTheKubeconfigWithFewerRightsIsPreferred(t *testing.T) {
	t.Parallel()
	generated, preferred := kubeconfigSecret("trading-kubeconfig", "cluster-admin"), kubeconfigSecret("trading-five-spot-kubeconfig", "few rights")
	tests := map[string]struct {
		secrets []client.Object
		want    string
	}{
		"where both exist":                          {secrets: []client.Object{generated, preferred}, want: "few rights"},
		"where only Cluster API's own exists":       {secrets: []client.Object{generated}, want: "cluster-admin"},
		"where another cluster has a preferred one": {secrets: []client.Object{generated, kubeconfigSecret("other-five-spot-kubeconfig", "other")}, want: "cluster-admin"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			reader := preferringReader{fake.NewClientBuilder().WithObjects(test.secrets...).Build(), &sync.Map{}}
			got, err := kubeconfig.FromSecret(t.Context(), reader, client.ObjectKey{Namespace: "bank", Name: "trading"})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(got)).To(Equal(test.want))
		})
	}
}

func TestAKubeconfigThatMayNotBeReadIsRemembered(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	var answer error
	clusters := NewFor(nil)
	reader := preferringReader{interceptor.NewClient(
		fake.NewClientBuilder().WithObjects(kubeconfigSecret("trading-kubeconfig", "cluster-admin")).Build(),
		interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			if answer != nil {
				return answer
			}
			return c.Get(ctx, key, obj, opts...)
		}},
	), clusters.unreadable}
	trading := client.ObjectKey{Namespace: "bank", Name: "trading"}
	read := func() { _, _ = kubeconfig.FromSecret(t.Context(), reader, trading) }
	g.Expect(clusters.MayReadKubeconfig(trading)).To(BeTrue(), "nobody has tried")

	answer = apierrors.NewForbidden(corev1.Resource("secrets"), "trading-kubeconfig", errors.New("no"))
	read()
	g.Expect(clusters.MayReadKubeconfig(trading)).To(BeFalse())
	g.Expect(clusters.MayReadKubeconfig(client.ObjectKey{Namespace: "other", Name: "trading"})).To(BeTrue())

	answer = errors.New("connection refused")
	read()
	g.Expect(clusters.MayReadKubeconfig(trading)).To(BeTrue(), "it is something else by now")
	answer = nil
	read()
	g.Expect(clusters.MayReadKubeconfig(trading)).To(BeTrue())
}
