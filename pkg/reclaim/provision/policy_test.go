package provision_test

import (
	"context"
	"encoding/json"
	"os/exec"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/reclaim"
)

const (
	own   = "own"
	other = "other"

	requested   = `{"metadata":{"annotations":{"5spot.finos.org/reclaim-requested":"true","5spot.finos.org/reclaim-reason":"process-match: idea","5spot.finos.org/reclaim-requested-at":"2026-11-23T08:30:00Z"}}}`
	cleared     = `{"metadata":{"annotations":{"5spot.finos.org/reclaim-requested":null,"5spot.finos.org/reclaim-reason":null,"5spot.finos.org/reclaim-requested-at":null}}}`
	notOwnNode  = "not bound to Node"
	onlyThree   = "may change nothing on a Node but the three reclaim annotations"
	notRemove   = "may set but not remove"
	onlyTrue    = "may set reclaim-requested to true only"
	onlyTheSome = "only the reclaim agent of Node"
)

// desks is a cluster with two Nodes, an agent on each, and everybody who writes Nodes.
type desks struct {
	*cluster
	users map[string]client.Client
}

func newDesks(t *testing.T) *desks {
	t.Helper()
	s := newCluster(t)
	s.install()
	d := &desks{s, map[string]client.Client{"admin": admin}}
	for _, node := range []string{own, other} {
		s.node(node)
		pod := s.pod("agent-"+node, node, nil)
		d.users["the agent on "+node] = d.account(agent, &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID})
	}
	nodeRef := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: own}}
	s.get(nodeRef)
	d.users["an agent whose token is bound to the Node"] = d.account(agent, &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Node", Name: own, UID: nodeRef.UID})
	d.users["an agent whose token is not bound"] = d.account(agent, nil)

	s.Expect(admin.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "monitor"}})).To(Succeed())
	nodes := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"nodes", "nodes/status"}, Verbs: []string{"get", "patch", "update", "create"}}
	requests := rbacv1.PolicyRule{APIGroups: []string{"5spot.finos.org"}, Resources: []string{"reclaimrequests"}, Verbs: []string{"update"}}
	d.grant("monitor", rbacv1.Subject{Kind: "ServiceAccount", Namespace: s.namespace, Name: "monitor"}, nodes)
	d.grant("ops", rbacv1.Subject{Kind: "User", APIGroup: rbacv1.GroupName, Name: "ops"}, nodes)
	d.grant("manager", rbacv1.Subject{Kind: "User", APIGroup: rbacv1.GroupName, Name: "manager"}, nodes, requests)
	// The policy has to hold back an agent that may do more, too.
	d.grant("too-much", rbacv1.Subject{Kind: "ServiceAccount", Namespace: s.namespace, Name: agent}, nodes)
	d.users["another service account"] = d.account("monitor", nil)
	d.users["an operator"] = d.user("ops")
	d.users["the manager"] = d.user("manager")
	d.users["the kubelet of own"] = d.user("system:node:"+own, "system:nodes")
	d.users["the kubelet of new"] = d.user("system:node:new", "system:nodes")
	d.enforced()
	return d
}

// account returns a client with a token of the API server.
func (d *desks) account(name string, bound *authenticationv1.BoundObjectReference) client.Client {
	d.t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: d.namespace, Name: name}}
	token := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{BoundObjectRef: bound}}
	d.Expect(admin.SubResource("token").Create(d.t.Context(), account, token)).To(Succeed())
	config := rest.AnonymousClientConfig(server.Config)
	config.BearerToken = token.Status.Token
	return d.as(config)
}

func (d *desks) user(name string, groups ...string) client.Client {
	d.t.Helper()
	user, err := server.Env.AddUser(envtest.User{Name: name, Groups: groups}, nil)
	d.Expect(err).NotTo(HaveOccurred())
	return d.as(user.Config())
}

func (d *desks) grant(name string, to rbacv1.Subject, rules ...rbacv1.PolicyRule) {
	d.t.Helper()
	meta := metav1.ObjectMeta{Name: d.namespace + "-" + name}
	role := &rbacv1.ClusterRole{ObjectMeta: meta, Rules: rules}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta, Subjects: []rbacv1.Subject{to},
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: meta.Name},
	}
	d.Expect(admin.Create(d.t.Context(), role)).To(Succeed())
	d.Expect(admin.Create(d.t.Context(), binding)).To(Succeed())
	d.t.Cleanup(func() {
		ctx := context.WithoutCancel(d.t.Context())
		d.Expect(admin.Delete(ctx, role)).To(Succeed())
		d.Expect(admin.Delete(ctx, binding)).To(Succeed())
	})
}

// enforced waits until the policy is in force, and everybody's rights.
func (d *desks) enforced() {
	d.t.Helper()
	refused := merge("an operator", own, requested)
	allowed := merge("the manager", own, requested)
	// A policy of another namespace does not know this agent.
	known := merge("the agent on own", own, requested)
	d.Eventually(func(g Gomega) {
		d.reset()
		g.Expect(known(d)).To(Succeed())
		d.reset()
		g.Expect(refused(d)).To(MatchError(ContainSubstring(onlyTheSome)))
		g.Expect(allowed(d)).To(Succeed())
	}).WithTimeout(patience).WithPolling(50 * time.Millisecond).Should(Succeed())
	d.reset()
}

// reset makes the Nodes as they were.
func (d *desks) reset() {
	d.t.Helper()
	for _, node := range []string{own, other} {
		d.Expect(merge("admin", node, cleared)(d)).To(Succeed())
		d.Expect(merge("admin", node, `{"metadata":{"labels":{"x":null}},"spec":{"unschedulable":null}}`)(d)).To(Succeed())
	}
}

type attempt func(d *desks) error

// merge is a user's merge patch of a Node.
func merge(user, node, patch string) attempt {
	return func(d *desks) error {
		object := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}
		return d.users[user].Patch(d.t.Context(), object, client.RawPatch(types.MergePatchType, []byte(patch)), client.FieldOwner(v1alpha1.FieldManagerAgent))
	}
}

func mergeStatus(user, node, patch string) attempt {
	return func(d *desks) error {
		object := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}
		return d.users[user].Status().Patch(d.t.Context(), object, client.RawPatch(types.MergePatchType, []byte(patch)))
	}
}

func update(user, node string, edit func(*corev1.Node)) attempt {
	return func(d *desks) error {
		object := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}
		d.get(object)
		edit(object)
		return d.users[user].Update(d.t.Context(), object)
	}
}

func create(user, name string, annotations map[string]string) attempt {
	return func(d *desks) error {
		return d.users[user].Create(d.t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations}}, client.DryRunAll)
	}
}

// after is an attempt on a Node that asks for its reclaim.
func after(then attempt) attempt {
	return func(d *desks) error {
		d.Expect(merge("admin", own, requested)(d)).To(Succeed())
		return then(d)
	}
}

func withUID(patch string) attempt {
	return func(d *desks) error {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: own}}
		d.get(node)
		var document map[string]map[string]any
		d.Expect(json.Unmarshal([]byte(patch), &document)).To(Succeed())
		document["metadata"]["uid"] = node.UID
		text, err := json.Marshal(document)
		d.Expect(err).NotTo(HaveOccurred())
		return merge("the agent on own", own, string(text))(d)
	}
}

func TestWhoMayTouchTheReclaimAnnotations(t *testing.T) {
	d := newDesks(t)
	annotations := reclaim.Matched("idea", time.Unix(0, 0)).Annotations()
	oneMore := func(n *corev1.Node) { n.Annotations["5spot.finos.org/reclaim-requested"] = "true" }
	allowed := map[string]attempt{
		"the agent asks for its own Node":                     merge("the agent on own", own, requested),
		"the agent names the Node's UID":                      withUID(requested),
		"the agent asks again":                                after(merge("the agent on own", own, requested)),
		"the agent says another reason":                       after(merge("the agent on own", own, `{"metadata":{"annotations":{"5spot.finos.org/reclaim-reason":"x"}}}`)),
		"an agent with a token bound to the Node asks for it": merge("an agent whose token is bound to the Node", own, requested),
		"the other agent asks for the other Node":             merge("the agent on other", other, requested),
		"an administrator asks":                               merge("admin", own, requested),
		"an administrator clears":                             after(merge("admin", own, cleared)),
		"the manager clears":                                  after(merge("the manager", own, cleared)),
		"the manager asks":                                    merge("the manager", own, requested),
		"a kubelet reports its status":                        mergeStatus("the kubelet of own", own, `{"status":{"nodeInfo":{"kernelVersion":"x"}}}`),
		"a kubelet reports while a request stands":            after(mergeStatus("the kubelet of own", own, `{"status":{"nodeInfo":{"kernelVersion":"y"}}}`)),
		"a kubelet annotates its Node":                        merge("the kubelet of own", own, `{"metadata":{"annotations":{"volumes":"x"}}}`),
		"a kubelet registers its Node":                        create("the kubelet of new", "new", map[string]string{"volumes": "x"}),
		"an operator cordons":                                 merge("an operator", own, `{"spec":{"unschedulable":true}}`),
		"an operator labels while a request stands":           after(merge("an operator", own, `{"metadata":{"labels":{"x":"y"}}}`)),
		"an operator updates while a request stands":          after(update("an operator", own, func(n *corev1.Node) { n.Annotations["x"] = "y" })),
		"another service account annotates otherwise":         merge("another service account", own, `{"metadata":{"annotations":{"x":"y"}}}`),
		"the agent is armed":                                  merge("an operator", own, `{"metadata":{"labels":{"5spot.finos.org/reclaim-agent":"enabled"}}}`),
	}
	denied := map[string]struct {
		try attempt
		why string
	}{
		"the agent asks for another Node":                    {merge("the agent on own", other, requested), notOwnNode},
		"a token that is not bound":                          {merge("an agent whose token is not bound", own, requested), notOwnNode},
		"the agent removes the request":                      {after(merge("the agent on own", own, cleared)), notRemove},
		"the agent removes one annotation of it":             {after(merge("the agent on own", own, `{"metadata":{"annotations":{"5spot.finos.org/reclaim-reason":null}}}`)), notRemove},
		"the agent unsays the request by another value":      {after(merge("the agent on own", own, `{"metadata":{"annotations":{"5spot.finos.org/reclaim-requested":""}}}`)), onlyTrue},
		"the agent sets another annotation":                  {merge("the agent on own", own, `{"metadata":{"annotations":{"5spot.finos.org/cordoned-by":"x"}}}`), onlyThree},
		"the agent changes another annotation":               {merge("the agent on own", own, `{"metadata":{"annotations":{"c":"x"}}}`), onlyThree},
		"the agent removes another annotation":               {merge("the agent on own", own, `{"metadata":{"annotations":{"c":null}}}`), onlyThree},
		"the agent sets a label":                             {merge("the agent on own", own, `{"metadata":{"labels":{"x":"y"}}}`), onlyThree},
		"the agent removes a label":                          {merge("the agent on own", own, `{"metadata":{"labels":{"a":null}}}`), onlyThree},
		"the agent disarms itself":                           {merge("the agent on own", own, `{"metadata":{"labels":{"5spot.finos.org/reclaim-agent":null,"a":"c"}}}`), onlyThree},
		"the agent cordons":                                  {merge("the agent on own", own, `{"spec":{"unschedulable":true}}`), onlyThree},
		"the agent taints together with a request":           {merge("the agent on own", own, `{"metadata":{"annotations":{"5spot.finos.org/reclaim-requested":"true"}},"spec":{"taints":[{"key":"x","effect":"NoExecute"}]}}`), onlyThree},
		"the agent adds a finalizer":                         {merge("the agent on own", own, `{"metadata":{"finalizers":["x/y"]}}`), onlyThree},
		"the agent adds an owner":                            {merge("the agent on own", own, `{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Node","name":"x","uid":"y"}]}}`), onlyThree},
		"the agent asks through the status":                  {mergeStatus("the agent on own", own, requested), onlyThree},
		"the agent writes the status":                        {mergeStatus("the agent on own", own, `{"status":{"nodeInfo":{"kernelVersion":"z"}}}`), onlyThree},
		"the agent writes the status of another Node":        {mergeStatus("the agent on own", other, `{"status":{"nodeInfo":{"kernelVersion":"z"}}}`), notOwnNode},
		"the agent creates a Node":                           {create("the agent on own", own+"-2", nil), notOwnNode},
		"the agent creates a Node of its own name":           {create("the agent on own", own, annotations), onlyThree},
		"another service account asks":                       {merge("another service account", own, requested), onlyTheSome},
		"another service account asks through the status":    {mergeStatus("another service account", own, requested), onlyTheSome},
		"another service account creates a Node that asks":   {create("another service account", "new", annotations), onlyTheSome},
		"another service account asks by an update":          {update("another service account", own, oneMore), onlyTheSome},
		"an operator asks":                                   {merge("an operator", own, requested), onlyTheSome},
		"an operator clears":                                 {after(merge("an operator", own, cleared)), onlyTheSome},
		"an operator changes only the reason":                {after(merge("an operator", own, `{"metadata":{"annotations":{"5spot.finos.org/reclaim-reason":"x"}}}`)), onlyTheSome},
		"an operator asks without a value that counts":       {merge("an operator", own, `{"metadata":{"annotations":{"5spot.finos.org/reclaim-requested":""}}}`), onlyTheSome},
		"the kubelet asks for its own Node":                  {merge("the kubelet of own", own, requested), onlyTheSome},
		"the kubelet asks for its own Node through a status": {mergeStatus("the kubelet of own", own, requested), onlyTheSome},
		"the kubelet registers its Node with a request":      {create("the kubelet of new", "new", annotations), onlyTheSome},
	}
	for name, try := range allowed {
		t.Run("allowed: "+name, func(t *testing.T) {
			defer d.reset()
			NewWithT(t).Expect(try(d)).To(Succeed())
		})
	}
	for name, test := range denied {
		t.Run("denied: "+name, func(t *testing.T) {
			defer d.reset()
			g := NewWithT(t)
			err := test.try(d)
			g.Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
			g.Expect(err).To(MatchError(ContainSubstring(test.why)))
		})
	}
	t.Run("allowed: the agent applies its annotations", func(t *testing.T) {
		defer d.reset()
		node := &corev1.Node{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Node"}, ObjectMeta: metav1.ObjectMeta{Name: own, Annotations: annotations}}
		text, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": own, "annotations": annotations}})
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		patch := client.RawPatch(types.ApplyPatchType, text)
		NewWithT(t).Expect(d.users["the agent on own"].Patch(t.Context(), node, patch, client.FieldOwner(v1alpha1.FieldManagerAgent))).To(Succeed())
	})
	t.Run("allowed: kubectl cordons and taints", func(t *testing.T) { d.kubectl(t) })
}

// kubectl does what operators do to a Node that asks for its reclaim.
func (d *desks) kubectl(t *testing.T) {
	t.Helper()
	defer d.reset()
	g := NewWithT(t)
	g.Expect(merge("admin", own, requested)(d)).To(Succeed())
	user, err := server.Env.AddUser(envtest.User{Name: "ops"}, nil)
	g.Expect(err).NotTo(HaveOccurred())
	kubeconfig, err := server.WriteKubeconfig(user.Config(), "ops")
	g.Expect(err).NotTo(HaveOccurred())
	for _, args := range [][]string{
		{"cordon", own},
		{"uncordon", own},
		{"taint", "node", own, "x=y:NoSchedule"},
		{"label", "node", own, "z=z"},
		{"annotate", "node", own, "note=x"},
	} {
		out, err := exec.CommandContext(t.Context(), server.Kubectl(), append([]string{"--kubeconfig", kubeconfig}, args...)...).CombinedOutput()
		g.Expect(err).NotTo(HaveOccurred(), "%v: %s", args, out)
	}
	out, err := exec.CommandContext(t.Context(), server.Kubectl(), "--kubeconfig", kubeconfig, "annotate", "node", own, "5spot.finos.org/reclaim-requested-").CombinedOutput()
	g.Expect(err).To(HaveOccurred())
	g.Expect(string(out)).To(ContainSubstring(onlyTheSome))
}
