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
	), clusters.problems}
	trading := client.ObjectKey{Namespace: "bank", Name: "trading"}
	read := func() { _, _ = kubeconfig.FromSecret(t.Context(), reader, trading) }
	g.Expect(clusters.KubeconfigProblem(trading)).To(Succeed(), "nobody has tried")

	answer = apierrors.NewForbidden(corev1.Resource("secrets"), "trading-kubeconfig", errors.New("no"))
	read()
	g.Expect(clusters.KubeconfigProblem(trading)).To(MatchError(apierrors.IsForbidden, "a refusal"))
	g.Expect(clusters.KubeconfigProblem(client.ObjectKey{Namespace: "other", Name: "trading"})).To(Succeed())

	answer = errors.New("connection refused")
	read()
	g.Expect(clusters.KubeconfigProblem(trading)).To(Succeed(), "it is something else by now")
	answer = nil
	read()
	g.Expect(clusters.KubeconfigProblem(trading)).To(Succeed())
}

// Tenants write them. A program would run where the manager does, or at an administrator's
// desk; and a file there may hold the token of either, which a server of theirs would get.
func TestAKubeconfigThatDoesNotHoldWhatItLogsInWithIsRefused(t *testing.T) {
	t.Parallel()
	const usual = `{token: secret}`
	tests := map[string]struct {
		user    string
		refused bool
	}{
		"it has a token":                   {usual, false},
		"it has a certificate and its key": {`{client-certificate-data: YQ==, client-key-data: YQ==}`, false},
		"it runs a program":                {`{exec: {apiVersion: client.authentication.k8s.io/v1, command: touch, interactiveMode: Never}}`, true},
		"it asks a plugin":                 {`{auth-provider: {name: oidc}}`, true},
		"its token is in a file":           {`{tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token}`, true},
		"its token is in a file as well":   {`{token: secret, tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token}`, true},
		"its certificate is in a file":     {`{client-certificate: /admin.crt, client-key-data: YQ==}`, true},
		"its key is in a file":             {`{client-certificate-data: YQ==, client-key: /admin.key}`, true},
		"it has a user who runs a program": {usual + `}, {name: other, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: touch}}`, false},
	}
	trading := client.ObjectKey{Namespace: "bank", Name: "trading"}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			text := `{clusters: [{name: a, cluster: {server: "https://192.0.2.1"}}], users: [{name: b, user: ` + test.user +
				`}], contexts: [{name: c, context: {cluster: a, user: b}}], current-context: c}`
			for _, name := range []string{"trading-kubeconfig", "trading-five-spot-kubeconfig"} {
				secrets := fake.NewClientBuilder().WithObjects(kubeconfigSecret(name, text)).Build()
				clusters := NewFor(nil)
				_, shown := kubeconfig.FromSecret(t.Context(), preferringReader{secrets, clusters.problems}, trading)
				_, used := RESTConfig(t.Context(), secrets, trading)
				g.Expect(errors.Is(clusters.KubeconfigProblem(trading), ErrKubeconfigRefused)).To(Equal(test.refused), "it is remembered")
				if test.refused {
					g.Expect(shown).To(MatchError(ErrKubeconfigRefused))
					g.Expect(used).To(MatchError(ErrKubeconfigRefused))
				} else {
					g.Expect(errors.Join(shown, used)).To(Succeed())
				}
			}
		})
	}
}
