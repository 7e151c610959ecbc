package workload

import (
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

// FuzzPreferredKubeconfig asks for Secrets of any name among any others: another cluster's
// kubeconfig must never be taken.
func FuzzPreferredKubeconfig(f *testing.F) {
	f.Add("trading-kubeconfig", "trading-five-spot-kubeconfig")
	f.Add("trading-kubeconfig", "trading-kubeconfig")
	f.Add("-kubeconfig", "-five-spot-kubeconfig")
	f.Add("a-five-spot-kubeconfig", "a-five-spot-five-spot-kubeconfig")
	f.Add("other", "other-five-spot-kubeconfig")
	f.Fuzz(func(t *testing.T, asked, exists string) {
		if len(validation.IsDNS1123Subdomain(exists)) > 0 {
			t.Skip()
		}
		reader := preferringReader{fake.NewClientBuilder().WithObjects(kubeconfigSecret(exists, "x")).Build(), &sync.Map{}}
		got := &corev1.Secret{}
		err := reader.Get(t.Context(), client.ObjectKey{Namespace: "bank", Name: asked}, got)
		cluster, isKubeconfig := strings.CutSuffix(asked, "-kubeconfig")
		want := exists == asked || isKubeconfig && exists == cluster+"-five-spot-kubeconfig"
		switch {
		case want && (err != nil || got.Name != exists):
			t.Errorf("asked for %q beside %q: %q, %v", asked, exists, got.Name, err)
		case !want && !apierrors.IsNotFound(err):
			t.Errorf("asked for %q beside %q: %q, %v", asked, exists, got.Name, err)
		}
	})
}
