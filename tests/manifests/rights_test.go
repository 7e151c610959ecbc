package manifests_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/drain"
	"github.com/finos/five-spot/pkg/nodemark"
	"github.com/finos/five-spot/pkg/nodetaint"
	"github.com/finos/five-spot/tests/rights"
	"github.com/finos/five-spot/tests/testenv"
)

const (
	// fewRights is the user of the kubeconfig that a page tells to make.
	fewRights = "five-spot-with-few-rights"

	// cacheDeadline is more than a cache needs to be filled.
	cacheDeadline = 30 * time.Second
)

var errProbe = errors.New("the API server does not let itself be probed")

// What the manager does on Nodes is done by a user with the role that the page on
// installing names, which is to grant nothing that is not used.
func TestTheRoleForWorkloadClustersIsEnoughAndNotMore(t *testing.T) {
	t.Parallel()
	needServer(t)
	g := NewWithT(t)
	role := workloadRole(t)
	config := userWith(t, fewRights, role)
	workload := cachingClient(t, config)

	g.Expect(health(t.Context(), config)).To(Succeed())
	g.Expect(drainBothWays(t, workload)).To(Equal(drain.Evictions{Accepted: 2}))
	g.Expect(markAndClear(t, workload)).To(Succeed())

	used, granted := rightsUsed(t, fewRights), rights.In(role.Rules, "")
	for _, right := range granted {
		// Reads of a cache are watches, which a newer client begins without a list.
		watch := right
		watch.Verb = "watch"
		cached := (right.Verb == "get" || right.Verb == "list") && slices.Contains(granted, watch)
		if !cached && !right.UsedIn(used) {
			t.Errorf("the right to %s is granted and not used", right)
		}
	}
}

// workloadRole is the ClusterRole for workload clusters.
func workloadRole(t *testing.T) *rbacv1.ClusterRole {
	t.Helper()
	role := &rbacv1.ClusterRole{}
	readManifest(t, filepath.Join(root, "config", "workload", "cluster_role.yaml"), role)
	return role
}

// userWith makes a user with these roles alone.
func userWith(t *testing.T, name string, roles ...*rbacv1.ClusterRole) *rest.Config {
	t.Helper()
	g := NewWithT(t)
	for _, role := range roles {
		role = role.DeepCopy()
		role.Name = name + "-" + role.Name
		g.Expect(admin.Create(t.Context(), role)).To(Succeed())
		g.Expect(admin.Create(t.Context(), &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: role.Name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
		})).To(Succeed())
	}
	user, err := server.Env.AddUser(envtest.User{Name: name}, nil)
	g.Expect(err).NotTo(HaveOccurred())
	return user.Config()
}

// cachingClient reads like the manager: Pods from the API server, all else from a cache.
func cachingClient(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	g := NewWithT(t)
	scheme := testenv.NewScheme()
	kept, err := cache.New(config, cache.Options{Scheme: scheme})
	g.Expect(err).NotTo(HaveOccurred())
	for _, kind := range []client.Object{&corev1.Node{}, &corev1.Namespace{}, &appsv1.DaemonSet{}} {
		_, err := kept.GetInformer(t.Context(), kind, cache.BlockUntilSynced(false))
		g.Expect(err).NotTo(HaveOccurred())
	}
	go func() { _ = kept.Start(t.Context()) }()
	ctx, cancel := context.WithTimeout(t.Context(), cacheDeadline)
	defer cancel()
	g.Expect(kept.WaitForCacheSync(ctx)).To(BeTrue(), "what is read from a cache may not be listed and watched")
	workload, err := client.New(config, client.Options{
		Scheme: scheme,
		Cache:  &client.CacheOptions{Reader: kept, DisableFor: []client.Object{&corev1.Pod{}}},
	})
	g.Expect(err).NotTo(HaveOccurred())
	return workload
}

// health asks what the health probe of a connection asks.
func health(ctx context.Context, config *rest.Config) error {
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return err
	}
	address, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), http.NoBody)
	if err != nil {
		return err
	}
	response, err := httpClient.Do(request)
	if err != nil {
		return err
	}
	err = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: %s", errProbe, response.Status)
	}
	return err
}

// drainBothWays takes one step of each kind of drain, each on a Node with one Pod that
// has to leave and one of a DaemonSet.
func drainBothWays(t *testing.T, workload client.Client) drain.Evictions {
	t.Helper()
	g := NewWithT(t)
	management := fake.NewClientBuilder().WithScheme(testenv.NewScheme()).Build()
	drainer := drain.New(clock.RealClock{}, drain.Options{Management: management, MarkKey: v1alpha1.CordonedByAnnotation, FieldManager: v1alpha1.FieldManager})
	daemons := daemonSet(t)
	var sum drain.Evictions
	for i, step := range []func(context.Context, drain.Request) (drain.Progress, error){
		drainer.Step,
		func(ctx context.Context, request drain.Request) (drain.Progress, error) {
			return drainer.ForceStep(ctx, request, time.Minute)
		},
	} {
		node := createNode(t, fmt.Sprintf("few-rights-drained-%d", i))
		createPod(t, node.Name+"-free", node.Name)
		createPod(t, node.Name+"-daemon", node.Name, *metav1.NewControllerRef(daemons, appsv1.SchemeGroupVersion.WithKind("DaemonSet")))
		progress, err := step(t.Context(), drain.Request{
			Workload: workload, Cluster: &clusterv1.Cluster{}, Machine: &clusterv1.Machine{}, Node: node, Owner: "1",
		})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(progress.Cordoned).To(BeTrue())
		g.Expect(progress.PodsTotal).To(BeEquivalentTo(1))
		sum.Accepted += progress.Evictions.Accepted
		sum.Refused += progress.Evictions.Refused
		sum.Failed += progress.Evictions.Failed
	}
	return sum
}

// markAndClear puts a taint on a Node and takes every mark off again.
func markAndClear(t *testing.T, workload client.Client) error {
	t.Helper()
	g := NewWithT(t)
	node := createNode(t, "few-rights-tainted")
	wanted := []v1alpha1.NodeTaint{{Key: "bank/only", Effect: corev1.TaintEffectNoSchedule}}
	result, err := nodetaint.Reconcile(t.Context(), workload, node, wanted, nil)
	if err != nil {
		return err
	}
	g.Expect(result.Changed).To(BeTrue())
	g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(node), node)).To(Succeed())
	after, err := nodemark.Clear(t.Context(), workload, node, nodemark.All())
	g.Expect(after).NotTo(BeNil())
	return err
}

func createNode(t *testing.T, name string) *corev1.Node {
	t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	NewWithT(t).Expect(admin.Create(t.Context(), node)).To(Succeed())
	return node
}

func createPod(t *testing.T, name, node string, owners ...metav1.OwnerReference) {
	t.Helper()
	NewWithT(t).Expect(admin.Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: name, OwnerReferences: owners},
		Spec: corev1.PodSpec{
			NodeName:   node,
			Containers: []corev1.Container{{Name: "main", Image: "example.com/app:1"}},
		},
	})).To(Succeed())
}

func daemonSet(t *testing.T) *appsv1.DaemonSet {
	t.Helper()
	labels := map[string]string{"app": "few-rights"}
	daemons := &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "few-rights"},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "example.com/daemon:1"}}},
			},
		},
	}
	NewWithT(t).Expect(admin.Create(t.Context(), daemons)).To(Succeed())
	return daemons
}

// rightsUsed are the rights that the requests of a user took.
func rightsUsed(t *testing.T, user string) []rights.Right {
	t.Helper()
	used, err := server.RightsUsed(user)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return used
}
