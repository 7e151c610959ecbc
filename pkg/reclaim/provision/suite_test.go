package provision_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/pkg/reclaim/provision"
	"github.com/finos/five-spot/tests/testenv"
)

const (
	agent      = "five-spot-reclaim-agent"
	eventsRole = agent + "-events"
	sccRole    = agent + "-scc"
	version    = "v0.2.0"

	// patience is more than it takes until a policy is in force.
	patience = time.Minute
)

var (
	server *testenv.ControlPlane
	admin  client.Client
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(testenv.RunSuite(m, start, func() error { return server.Stop() }))
}

func start(ctx context.Context) (err error) {
	if testing.Short() {
		return nil
	}
	server, err = testenv.Start(ctx, testenv.ControlPlaneOptions{
		Name: "provision", Log: os.Stderr,
		ExtraArgs: map[string][]string{"authorization-mode": {"Node", "RBAC"}, "enable-admission-plugins": {"NodeRestriction"}},
	})
	if err != nil {
		return err
	}
	server.Config.QPS, server.Config.Burst = 500, 1000
	admin, err = client.New(server.Config, client.Options{})
	return err
}

var namespaces atomic.Int32

// cluster is the workload cluster, in which nothing of ours is installed, with a
// namespace that nobody has used. There is one: such tests take turns.
type cluster struct {
	*WithT
	t         *testing.T
	namespace string
	admin     client.Client
	requests  *testenv.Requests
	client    client.Client
	provision *provision.Provisioner
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	if server == nil {
		t.Skip("needs a control plane")
	}
	s := newClusterAt(t, server.Config, admin)
	for _, object := range s.clusterWide() {
		s.Expect(client.IgnoreNotFound(admin.Delete(t.Context(), object))).To(Succeed())
	}
	return s
}

// newClusterWithControllers is a cluster of its own in which controllers run.
func newClusterWithControllers(t *testing.T) *cluster {
	t.Helper()
	g := NewWithT(t)
	own, err := testenv.Start(t.Context(), testenv.ControlPlaneOptions{Name: "provision-controllers", Controllers: true, Log: os.Stderr})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { g.Expect(own.Stop()).To(Succeed()) })
	c, err := client.New(own.Config, client.Options{})
	g.Expect(err).NotTo(HaveOccurred())
	return newClusterAt(t, own.Config, c)
}

func newClusterAt(t *testing.T, config *rest.Config, admin client.Client) *cluster {
	t.Helper()
	s := &cluster{WithT: NewWithT(t), t: t, namespace: fmt.Sprintf("agents-%d", namespaces.Add(1)), admin: admin, requests: &testenv.Requests{}}
	s.client = s.as(config)
	s.provision = provision.New(options(version))
	return s
}

// as returns a client whose requests are recorded.
func (s *cluster) as(config *rest.Config) client.Client {
	s.t.Helper()
	c, err := client.New(s.requests.Wrap(config), client.Options{})
	s.Expect(err).NotTo(HaveOccurred())
	return c
}

func options(version string) provision.Options {
	return provision.Options{Image: "registry.example/agent:" + version, PullSecret: "pull", Version: version}
}

// clusterWide are the objects that are not in the agent's namespace.
func (s *cluster) clusterWide() []client.Object {
	return []client.Object{
		&admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: agent}},
		&admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: agent}},
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: agent}},
		&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: agent}},
		&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: eventsRole}},
		&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: eventsRole}},
	}
}

// named are all objects but the Namespace.
func (s *cluster) named() []client.Object {
	within := metav1.ObjectMeta{Namespace: s.namespace, Name: agent}
	return append(s.clusterWide(),
		&corev1.ServiceAccount{ObjectMeta: within},
		&rbacv1.Role{ObjectMeta: within},
		&rbacv1.RoleBinding{ObjectMeta: within},
		&appsv1.DaemonSet{ObjectMeta: within},
	)
}

func (s *cluster) install() {
	s.t.Helper()
	changed, err := s.provision.Install(s.t.Context(), s.client, s.namespace)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(changed).To(BeTrue())
}

// settled is that another pass reads and does not write.
func (s *cluster) settled() {
	s.t.Helper()
	s.requests.Reset()
	changed, err := s.provision.Install(s.t.Context(), s.client, s.namespace)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(changed).To(BeFalse())
	s.Expect(s.writes()).To(BeEmpty())
}

func (s *cluster) writes() []testenv.Request { return s.requests.List(testenv.Request.Write) }

// get reads an object anew.
func (s *cluster) get(object client.Object) {
	s.t.Helper()
	s.Expect(s.admin.Get(s.t.Context(), client.ObjectKeyFromObject(object), object)).To(Succeed())
}

func (s *cluster) createNamespace(labels map[string]string) *corev1.Namespace {
	s.t.Helper()
	created := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace, Labels: labels}}
	s.Expect(s.admin.Create(s.t.Context(), created)).To(Succeed())
	return created
}

func (s *cluster) theNamespace() *corev1.Namespace {
	s.t.Helper()
	found := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}
	s.get(found)
	return found
}

func (s *cluster) node(name string) *corev1.Node {
	s.t.Helper()
	created := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"a": "b"}, Annotations: map[string]string{"c": "d"}}}
	s.Expect(s.admin.Create(s.t.Context(), created)).To(Succeed())
	s.t.Cleanup(func() { s.Expect(s.admin.Delete(context.WithoutCancel(s.t.Context()), created)).To(Succeed()) })
	return created
}

// ready asks for the agent of a Node that has been there for long.
func (s *cluster) ready(node string) (ready bool, why string, err error) {
	return s.provision.Ready(s.t.Context(), s.client, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}, s.namespace, time.Now())
}

// pod is a Pod on a Node as the DaemonSet would have it; there is no kubelet.
func (s *cluster) pod(name, node string, change func(*corev1.Pod)) *corev1.Pod {
	s.t.Helper()
	daemonSet := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: agent}}
	s.get(daemonSet)
	created := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name, Labels: daemonSet.Spec.Template.Labels}, Spec: daemonSet.Spec.Template.Spec}
	created.Labels["pod-template-generation"] = daemonSet.Annotations[appsv1.DeprecatedTemplateGeneration]
	created.Spec.NodeName = node
	created.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(daemonSet, appsv1.SchemeGroupVersion.WithKind("DaemonSet"))}
	if change != nil {
		change(created)
	}
	status := created.Status
	s.Expect(s.admin.Create(s.t.Context(), created)).To(Succeed())
	created.Status = status
	s.Expect(s.admin.Status().Update(s.t.Context(), created)).To(Succeed())
	return created
}
