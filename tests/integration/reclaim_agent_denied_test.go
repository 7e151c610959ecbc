package integration_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

var _ = Describe("The token of a reclaim agent", func() {
	It("is good for the three annotations of its own Node, and for nothing else", func(ctx context.Context) {
		sm := armedMachine(ctx)
		own, other := nodeName(sm), spareNode(ctx, "bystander")
		token, err := testenv.PodToken(ctx, world.WorkloadClient, agentPod(ctx, own))
		Expect(err).NotTo(HaveOccurred())
		agent := clientFor(accessWith(token))
		request := annotationsPatch(requestAnnotations())

		By("asking for a reclaim, when the API server heeds the policy")
		Eventually(try(ctx, agent, other, request)).Should(beRefused("not bound to Node " + other))
		Expect(try(ctx, agent, own, request)()).To(Succeed())
		for name, patch := range map[string]string{
			"another annotation":       annotationsPatch(map[string]string{"example.com/note": "x"}),
			"a mark of the controller": annotationsPatch(map[string]string{v1alpha1.CordonedByAnnotation: "x"}),
			"a label":                  `{"metadata":{"labels":{"node-role.kubernetes.io/control-plane":""}}}`,
			"a taint":                  `{"spec":{"taints":[{"key":"a","effect":"NoExecute"}]}}`,
			"a cordon":                 `{"spec":{"unschedulable":true}}`,
			"a finalizer":              `{"metadata":{"finalizers":["example.com/hold"]}}`,
			"the request and a label":  strings.Replace(request, `{"metadata":{`, `{"metadata":{"labels":{"a":"b"},`, 1),
		} {
			Expect(try(ctx, agent, own, patch)()).To(beRefused("may change nothing on a Node but the three reclaim annotations"), name)
		}
		requestedBefore := `{"metadata":{"annotations":{"` + v1alpha1.ReclaimRequestedAnnotation + `":"false"}}}`
		Expect(try(ctx, world.WorkloadClient, own, requestedBefore)()).To(Succeed(), "an administrator may")
		annotateNode(ctx, own, map[string]string{v1alpha1.ReclaimReasonAnnotation: "none"})
		Expect(try(ctx, agent, own, annotationsPatch(map[string]string{v1alpha1.ReclaimReasonAnnotation: ""}))()).To(Succeed())
		Expect(try(ctx, agent, own, `{"metadata":{"annotations":{"`+v1alpha1.ReclaimReasonAnnotation+`":null}}}`)()).To(
			beRefused("may set but not remove the reclaim annotations"))

		By("using other rights")
		Expect(agent.List(ctx, &corev1.NodeList{})).To(beRefused("cannot list"))
		Expect(agent.List(ctx, &corev1.SecretList{}, client.InNamespace(agentNamespace))).To(beRefused("cannot list"))
		Expect(agent.Delete(ctx, nodeNamed(own), client.DryRunAll)).To(beRefused("cannot delete"))
		Expect(agent.Status().Patch(ctx, nodeNamed(own), client.RawPatch(mergePatch, []byte(request)))).To(beRefused("nodes/status"))

		By("being bound to no Pod")
		Expect(try(ctx, clientFor(accessWith(unboundToken(ctx))), own, request)()).To(beRefused("not bound to Node " + own))
	})

	It("is not what kubelets and others have, who go on as before but cannot ask", func(ctx context.Context) {
		sm := armedMachine(ctx)
		own := nodeName(sm)
		request := annotationsPatch(requestAnnotations())
		kubelet := clientFor(userAccess("system:node:"+own, "system:nodes"))
		Eventually(try(ctx, kubelet, own, request)).Should(beRefused("may change its reclaim annotations"))
		Expect(kubelet.Status().Patch(ctx, nodeNamed(own), client.RawPatch(mergePatch, []byte(request)))).To(beRefused("may change its reclaim annotations"))
		Expect(try(ctx, kubelet, own, annotationsPatch(map[string]string{"example.com/note": "x"}))()).To(Succeed())
		Expect(kubelet.Status().Patch(ctx, nodeNamed(own), client.RawPatch(mergePatch, []byte(`{"status":{"nodeInfo":{"bootID":"x"}}}`)))).To(Succeed())
		node := testNode("newcomer", requestAnnotations())
		Expect(clientFor(userAccess("system:node:newcomer", "system:nodes")).Create(ctx, node, client.DryRunAll)).To(beRefused("may change its reclaim annotations"))

		operator := clientFor(userAccess("nodes-without-requests"))
		grant(ctx, "nodes-without-requests", []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"get", "patch"}}})
		Expect(try(ctx, operator, own, `{"metadata":{"labels":{"a":"b"}}}`)()).To(Succeed())
		Expect(try(ctx, operator, own, request)()).To(beRefused("may change its reclaim annotations"))
	})
})

var _ = Describe("A reclaim agent that may not ask for its Node", func() {
	It("sends nothing when the Node is another machine, and asks when it is this one", func(ctx context.Context) {
		sm := armedMachine(ctx)
		path := machineIDFile(strings.Repeat("f", 32))
		agent := startAgent(ctx, sm, "MACHINE_ID_PATH="+path)
		run(sm.Spec.KillIfCommands[0])
		Eventually(agent.log).Should(ContainSubstring("the Node reports another machine-id than this machine has"))
		Eventually(func() string { return agent.figures(ctx) }).Should(MatchRegexp(`(?m)^fivespot_agent_requests_total\{result="wrong_host"\} [3-9]`))
		Expect(agent.figures(ctx)).To(And(
			ContainSubstring("\nfivespot_agent_requests_total{result=\"failed\"} 0\n"), ContainSubstring("\nfivespot_agent_requests_total{result=\"written\"} 0\n")))
		node := &corev1.Node{}
		Expect(world.WorkloadClient.Get(ctx, client.ObjectKey{Name: nodeName(sm)}, node)).To(Succeed())
		for _, entry := range node.ManagedFields {
			Expect(entry.Manager).NotTo(Equal(v1alpha1.FieldManagerAgent))
		}
		Expect(phase(ctx, sm)()).To(Equal(v1alpha1.PhaseActive))

		Expect(os.WriteFile(path, []byte(machineID(ctx, nodeName(sm))+"\n"), 0o600)).To(Succeed())
		expectPhase(ctx, sm, v1alpha1.PhaseDisabled)
	})

	It("is refused with a token that is not bound to its Pod, says so and goes on", func(ctx context.Context) {
		sm := armedMachine(ctx)
		token := unboundToken(ctx)
		// An API server needs a moment to heed a policy that is new.
		Eventually(try(ctx, clientFor(accessWith(token)), nodeName(sm), annotationsPatch(requestAnnotations()))).Should(beRefused("not bound"))
		agent := startAgentAs(ctx, agentPod(ctx, nodeName(sm)), token)
		run(sm.Spec.KillIfCommands[0])
		Eventually(agent.log).Should(ContainSubstring("the reclaim agent token is not bound to Node " + nodeName(sm)))
		Expect(requestOf(ctx, sm)()).To(BeEmpty())
		Expect(phase(ctx, sm)()).To(Equal(v1alpha1.PhaseActive))
	})
})

var _ = Describe("A kubeconfig with the rights of config/agent/rights", func() {
	It("is enough to install and arm the agent, and to clear a request", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		removeAgentAfterwards()
		grantOnly(ctx, namespace, slices.Concat(readOnly, agentRights(ctx)))
		startOperator(ctx, insideWindow, withAgent)
		sm := apply(ctx, namespace, businessHours, killIf(programFor(namespace, "idea")))
		joined(ctx, sm)
		expectArmed(ctx, sm, sm.Spec.KillIfCommands...)
		Expect(agentObjectsLeft(ctx)()).To(HaveLen(len(agentObjects())))

		behave(namespace, testenv.Behaviour{KeepMarks: true})
		keepNode(ctx, nodeName(sm))
		requestReclaim(ctx, nodeName(sm))
		expectPhase(ctx, sm, v1alpha1.PhaseDisabled)
		Eventually(requestOf(ctx, sm)).Should(BeEmpty())

		change(ctx, sm, `{"spec":{"killIfCommands":null}}`)
		Eventually(daemonSet).WithArguments(ctx).Should(BeNil())
	})
})

// armedMachine is a machine of which the agent watches the Node for one program.
func armedMachine(ctx context.Context) *v1alpha1.ScheduledMachine {
	GinkgoHelper()
	namespace := newNamespace(ctx)
	removeAgentAfterwards()
	startOperator(ctx, insideWindow, withAgent)
	sm := apply(ctx, namespace, businessHours, killIf(programFor(namespace, "idea")))
	joined(ctx, sm)
	expectArmed(ctx, sm, sm.Spec.KillIfCommands...)
	return sm
}

func requestAnnotations() map[string]string {
	return map[string]string{
		v1alpha1.ReclaimRequestedAnnotation:   v1alpha1.ReclaimRequestedValue,
		v1alpha1.ReclaimReasonAnnotation:      "process-match: idea",
		v1alpha1.ReclaimRequestedAtAnnotation: "2037-11-23T09:30:00Z",
	}
}

func annotationsPatch(annotations map[string]string) string {
	var fields []string
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		fields = append(fields, fmt.Sprintf("%q:%q", key, annotations[key]))
	}
	return `{"metadata":{"annotations":{` + strings.Join(fields, ",") + `}}}`
}

// mergePatch is the content type of the patches here.
const mergePatch = "application/merge-patch+json"

// try asks for a patch of the Node without making it, for Eventually.
func try(ctx context.Context, c client.Client, node, patch string) func() error {
	return func() error {
		return c.Patch(ctx, nodeNamed(node), client.RawPatch(mergePatch, []byte(patch)), client.DryRunAll)
	}
}

// beRefused matches the error of a request that was forbidden for the reason.
func beRefused(why string) OmegaMatcher {
	return And(MatchError(apierrors.IsForbidden, "Forbidden"), MatchError(ContainSubstring(why)))
}

func clientFor(access *rest.Config) client.Client {
	GinkgoHelper()
	c, err := client.New(access, client.Options{Scheme: world.Scheme})
	Expect(err).NotTo(HaveOccurred())
	return c
}

func userAccess(name string, groups ...string) *rest.Config {
	GinkgoHelper()
	user, err := world.Workload.Env.AddUser(envtest.User{Name: name, Groups: groups}, nil)
	Expect(err).NotTo(HaveOccurred())
	return user.Config()
}

// unboundToken is a token of the agent's ServiceAccount that is bound to no Pod.
func unboundToken(ctx context.Context) string {
	GinkgoHelper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: agentNamespace, Name: agentName}}
	token := &authenticationv1.TokenRequest{}
	Expect(world.WorkloadClient.SubResource("token").Create(ctx, account, token)).To(Succeed())
	return token.Status.Token
}

// grant gives a user of the workload cluster rights, until the end of the spec.
func grant(ctx context.Context, user string, rules []rbacv1.PolicyRule) {
	GinkgoHelper()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: user}, Rules: rules}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: user},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
	for _, obj := range []client.Object{role, binding} {
		Expect(world.WorkloadClient.Create(ctx, obj)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(world.WorkloadClient.Delete(ctx, obj)).To(Succeed()) }, NodeTimeout(soon))
	}
}

// agentRights are those that the documentation asks for.
func agentRights(ctx context.Context) []rbacv1.PolicyRule {
	GinkgoHelper()
	root, err := testenv.SourceRoot(ctx)
	Expect(err).NotTo(HaveOccurred())
	content, err := os.ReadFile(filepath.Join(root, "config", "agent", "rights", "cluster_role.yaml"))
	Expect(err).NotTo(HaveOccurred())
	role := &rbacv1.ClusterRole{}
	Expect(yaml.UnmarshalStrict(content, role)).To(Succeed())
	return role.Rules
}

func testNode(name string, annotations map[string]string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations}}
}
