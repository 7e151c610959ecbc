package manifests_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/nodemark"
	"github.com/finos/five-spot/pkg/reclaim"
	"github.com/finos/five-spot/pkg/reclaim/provision"
	"github.com/finos/five-spot/tests/rights"
	"github.com/finos/five-spot/tests/testenv"
)

const (
	// withAgent is the user of a kubeconfig that may also see to the reclaim agent.
	withAgent = "five-spot-with-the-agents-rights"

	// withoutAgent is one that may only drain and taint.
	withoutAgent = "five-spot-without-the-agents-rights"

	// enforcement is more than it takes until a policy is in force.
	enforcement = time.Minute

	agentNamespace = provision.DefaultNamespace
)

// clearRight is not the right to any request: the agent's policy asks for it.
var clearRight = rights.Right{Verb: "update", Group: v1alpha1.GroupVersion.Group, Resource: "reclaimrequests"}

// All that the manager does about the reclaim agent is done by a user with the two roles
// that the page on installing names, in a cluster that passes for OpenShift, where it
// takes most.
func TestTheRolesForTheReclaimAgentAreEnoughAndNotMore(t *testing.T) {
	t.Parallel()
	needServer(t)
	g := NewWithT(t)
	passForOpenShift(t)
	role := agentRole(t)
	few := clientOf(t, userWith(t, withAgent, workloadRole(t), role))
	provisioner := provision.New(provision.Options{Image: "example.com/agent:1", Version: "v1.0.0"})

	installAndRepair(t, provisioner, few)
	armAndDisarm(t, provisioner, few)
	requestAndClear(t, few, clientOf(t, userWith(t, withoutAgent, workloadRole(t))))
	done, err := provisioner.Uninstall(t.Context(), few, agentNamespace)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(done).To(BeTrue())

	used := slices.Concat(rightsUsed(t, withAgent), rightsOfTheAgent(t), []rights.Right{clearRight})
	for _, right := range rights.In(role.Rules, "") {
		if right.Name == provision.NamespaceBesideManager {
			// It takes the place of the other where the manager has that, with the same rights.
			right.Name = agentNamespace
		}
		if !right.UsedIn(used) {
			t.Errorf("the right to %s is granted, not used, and not one that the agent gets", right)
		}
	}
}

// installAndRepair installs the agent, and again after somebody has changed everything
// that applying cannot put right.
func installAndRepair(t *testing.T, provisioner *provision.Provisioner, few client.Client) {
	t.Helper()
	g := NewWithT(t)
	for _, before := range []func(*testing.T){func(*testing.T) {}, meddle} {
		before(t)
		changed, err := provisioner.Install(t.Context(), few, agentNamespace)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(changed).To(BeTrue())
	}
	changed, err := provisioner.Install(t.Context(), few, agentNamespace)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(changed).To(BeFalse())
}

// meddle adds to objects what takes a replacement to remove. Of the agent's roles and
// bindings there is nothing that this user could remove so.
func meddle(t *testing.T) {
	t.Helper()
	for resource, patch := range map[string]string{
		"daemonset":                        `{"spec":{"template":{"spec":{"hostIPC":true}}}}`,
		"validatingadmissionpolicy":        `{"spec":{"auditAnnotations":[{"key":"a","valueExpression":"'b'"}]}}`,
		"validatingadmissionpolicybinding": `{"spec":{"matchResources":{"objectSelector":{"matchLabels":{"a":"b"}}}}}`,
	} {
		kubectl(t, "", "-n", agentNamespace, "patch", resource, "five-spot-reclaim-agent", "--type=merge", "-p", patch)
	}
}

func armAndDisarm(t *testing.T, provisioner *provision.Provisioner, few client.Client) {
	t.Helper()
	g := NewWithT(t)
	node := createNode(t, "few-rights-armed")
	for _, command := range []string{"idea", "steam"} { // The second one changes the ConfigMap.
		changed, err := provisioner.Arm(t.Context(), few, node, agentNamespace, reclaim.ConfigFor([]string{command}))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(changed).To(BeTrue())
	}
	_, why, err := provisioner.Ready(t.Context(), few, node, agentNamespace, time.Now())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(why).To(ContainSubstring("has no Pod on Node few-rights-armed yet"))
	g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(node), node)).To(Succeed())
	changed, err := provisioner.Disarm(t.Context(), few, node, agentNamespace)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(changed).To(BeTrue())
}

// requestAndClear shows that the policy lets a request be cleared with the right that it
// asks for, and not without it.
func requestAndClear(t *testing.T, with, without client.Client) {
	t.Helper()
	g := NewWithT(t)
	node := createNode(t, "few-rights-requested")
	g.Eventually(func(ctx context.Context) error {
		node.Annotations, node.ResourceVersion = reclaim.Matched("idea", time.Now()).Annotations(), ""
		if err := admin.Update(ctx, node); err != nil {
			return err
		}
		_, err := nodemark.Clear(ctx, without, node, nodemark.Kinds{Reclaim: true})
		return err
	}).WithContext(t.Context()).WithTimeout(enforcement).Should(MatchError(apierrors.IsForbidden, "a refusal"))
	after, err := nodemark.Clear(t.Context(), with, node, nodemark.Kinds{Reclaim: true})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(after.Annotations).NotTo(HaveKey(v1alpha1.ReclaimRequestedAnnotation))
}

// passForOpenShift installs the kind by which OpenShift is known.
func passForOpenShift(t *testing.T) {
	t.Helper()
	_, err := envtest.InstallCRDs(server.Config, envtest.CRDInstallOptions{CRDs: []*apiextensionsv1.CustomResourceDefinition{
		testenv.MinimalCRD(schema.GroupVersionKind{Group: "security.openshift.io", Version: "v1", Kind: "SecurityContextConstraints"},
			"securitycontextconstraints", apiextensionsv1.ClusterScoped),
	}})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
}

func clientOf(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	c, err := client.New(config, client.Options{Scheme: testenv.NewScheme()})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return c
}

// agentRole is the ClusterRole for whoever sees to the agent.
func agentRole(t *testing.T) *rbacv1.ClusterRole {
	t.Helper()
	role := &rbacv1.ClusterRole{}
	readManifest(t, filepath.Join(root, "config", "agent", "rights", "cluster_role.yaml"), role)
	return role
}

// rightsOfTheAgent are what one has to have to let the agent have it.
func rightsOfTheAgent(t *testing.T) []rights.Right {
	t.Helper()
	var granted []rights.Right
	for _, file := range []string{"cluster_role.yaml", "role.yaml", "events_role.yaml", "openshift/role.yaml"} {
		role := struct {
			Rules []rbacv1.PolicyRule `json:"rules"`
		}{}
		text, err := os.ReadFile(filepath.Join(root, "pkg", "reclaim", "provision", "manifests", filepath.FromSlash(file)))
		if err == nil {
			err = yaml.Unmarshal(text, &role)
		}
		if err != nil {
			t.Fatal(err)
		}
		granted = append(granted, rights.In(role.Rules, "")...)
	}
	return granted
}

func readManifest(t *testing.T, path string, into client.Object) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = yaml.UnmarshalStrict(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}
