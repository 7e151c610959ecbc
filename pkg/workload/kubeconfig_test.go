package workload

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/cluster-api/util/kubeconfig"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
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
			reader := preferringReader{fake.NewClientBuilder().WithObjects(test.secrets...).Build()}
			got, err := kubeconfig.FromSecret(t.Context(), reader, client.ObjectKey{Namespace: "bank", Name: "trading"})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(got)).To(Equal(test.want))
		})
	}
}
