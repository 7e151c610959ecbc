package agent_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/pkg/reclaim"
	"github.com/finos/five-spot/tests/testenv"
)

// host is this machine as one Node among others: with a Node object, a machine-id, and
// the agent's Pod and ServiceAccount.
type host struct {
	*testing.T
	*WithT

	node       string
	machineID  string // a file
	proxy      *testenv.Proxy
	config     *rest.Config
	kubeconfig string
	health     string
	folder     string
}

// rights are what the agent is allowed in its namespace, in that of Events on Nodes,
// and on Nodes.
type rights struct{ own, events, nodes []rbacv1.PolicyRule }

func exactly(node string) rights {
	return rights{
		own: []rbacv1.PolicyRule{{
			APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "list", "watch"},
			ResourceNames: []string{reclaim.ConfigMapName(node)},
		}},
		events: []rbacv1.PolicyRule{{APIGroups: []string{"events.k8s.io"}, Resources: []string{"events"}, Verbs: []string{"create"}}},
		nodes:  []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"get", "patch"}}},
	}
}

// newHost makes a Node of its own for one test, with exactly the rights of the agent.
func newHost(t *testing.T) *host {
	t.Helper()
	return newHostWith(t, exactly)
}

func newHostWith(t *testing.T, allowed func(node string) rights) *host {
	t.Helper()
	needServer(t)
	h := &host{T: t, WithT: NewWithT(t), node: "desk-" + rand.String(6), folder: t.TempDir()}
	h.machineID = filepath.Join(h.folder, "machine-id")
	id := strings.Repeat("0123456789abcdef", 2)
	h.Expect(os.WriteFile(h.machineID, []byte(id+"\n"), 0o600)).To(Succeed())

	// As of a kubelet, it has a label. The API server keeps no field managers of an object
	// that is created without any field.
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: h.node, Labels: map[string]string{corev1.LabelHostname: h.node}}}
	h.create(node)
	node.Status.NodeInfo.MachineID = id
	h.Expect(admin.Status().Update(t.Context(), node)).To(Succeed())

	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "agent-" + h.node}}
	h.create(account)
	h.allow(account, allowed(h.node))
	h.connect(account)
	h.health = freePort(t)
	return h
}

func (h *host) create(object client.Object) {
	h.Helper()
	h.Expect(admin.Create(h.Context(), object)).To(Succeed())
}

func (h *host) allow(account *corev1.ServiceAccount, allowed rights) {
	h.Helper()
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: account.Name}}
	for place, rules := range map[string][]rbacv1.PolicyRule{namespace: allowed.own, "default": allowed.events} {
		meta := metav1.ObjectMeta{Namespace: place, Name: account.Name}
		h.create(&rbacv1.Role{ObjectMeta: meta, Rules: rules})
		h.create(&rbacv1.RoleBinding{
			ObjectMeta: meta, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: account.Name},
		})
	}
	meta := metav1.ObjectMeta{Name: account.Name}
	h.create(&rbacv1.ClusterRole{ObjectMeta: meta, Rules: allowed.nodes})
	h.create(&rbacv1.ClusterRoleBinding{
		ObjectMeta: meta, Subjects: subjects,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: account.Name},
	})
}

// connect gives the agent the token that its Pod on its Node would have.
func (h *host) connect(account *corev1.ServiceAccount) {
	h.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: account.Name},
		Spec: corev1.PodSpec{
			ServiceAccountName: account.Name, NodeName: h.node,
			Containers: []corev1.Container{{Name: "agent", Image: "five-spot-reclaim-agent"}},
		},
	}
	h.create(pod)
	token, err := testenv.PodToken(h.Context(), admin, pod)
	h.Expect(err).NotTo(HaveOccurred())

	address, _, err := net.SplitHostPort(server.Address())
	h.Expect(err).NotTo(HaveOccurred())
	h.proxy, err = testenv.StartProxy(h.Context(), address, server.Address())
	h.Expect(err).NotTo(HaveOccurred())
	h.Cleanup(func() { _ = h.proxy.Close() })
	h.config = rest.AnonymousClientConfig(server.Config)
	h.config.Host = "https://" + h.proxy.Address()
	h.config.BearerToken = token
	h.kubeconfig, err = server.WriteKubeconfig(h.config, h.node)
	h.Expect(err).NotTo(HaveOccurred())
}

// configMap is the agent's configuration.
func (h *host) configMap(text string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: reclaim.ConfigMapName(h.node)},
		Data:       map[string]string{reclaim.ConfigKey: text},
	}
}

// lookFor configures the agent as the controller does.
func (h *host) lookFor(patterns ...string) {
	h.Helper()
	config := reclaim.ConfigFor(patterns)
	// These tests may run in a Pod.
	cgroup, err := os.ReadFile("/proc/self/cgroup")
	config.MatchPods = err == nil && bytes.Contains(cgroup, []byte("kubepods"))
	text, err := config.Render()
	h.Expect(err).NotTo(HaveOccurred())
	h.create(h.configMap(text))
}

// annotations are those of a request, without others.
func (h *host) annotations() map[string]string {
	h.Helper()
	node := &corev1.Node{}
	h.Expect(admin.Get(h.Context(), client.ObjectKey{Name: h.node}, node)).To(Succeed())
	annotations := map[string]string{}
	for _, key := range reclaim.AnnotationKeys() {
		if value, ok := node.Annotations[key]; ok {
			annotations[key] = value
		}
	}
	return annotations
}

// requested is whether the Node asks for its reclaim because of the pattern.
func (h *host) requested(pattern string) func() bool {
	return func() bool {
		request, ok := reclaim.RequestOf(h.annotations())
		return ok && request.Reason == "process-match: "+pattern
	}
}

func (h *host) untouched() bool { return len(h.annotations()) == 0 }

// release takes the request from the Node, as the controller does.
func (h *host) release() {
	h.Helper()
	var fields []string
	for _, key := range reclaim.AnnotationKeys() {
		fields = append(fields, fmt.Sprintf("%q:null", key))
	}
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%s}}}`, strings.Join(fields, ","))
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: h.node}}
	h.Expect(admin.Patch(h.Context(), node, client.RawPatch("application/merge-patch+json", []byte(patch)))).To(Succeed())
}

// events are the reasons of the Events on the Node, as kubectl describe finds them.
func (h *host) events() []string {
	h.Helper()
	list := &eventsv1.EventList{}
	h.Expect(admin.List(h.Context(), list, client.InNamespace("default"))).To(Succeed())
	var reasons []string
	for i := range list.Items {
		if regarding := list.Items[i].Regarding; regarding.Kind == "Node" && regarding.Name == h.node {
			reasons = append(reasons, list.Items[i].Type+" "+list.Items[i].Reason)
		}
	}
	return reasons
}

// freePort is an address on the loopback device that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	ports, err := testenv.FreePorts(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0]))
}

// output is what a process writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(data []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(data)
}

// String is all that was written.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
