package manifests_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	auditinternal "k8s.io/apiserver/pkg/apis/audit"
	"k8s.io/apiserver/pkg/audit/policy"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

func TestTheAuditPolicyKeepsWhoActedAndNoSecret(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	file := filepath.Join(root, "config", "audit", "policy.yaml")
	text, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	page, err := os.ReadFile(filepath.Join(root, "docs", "security", "hardening.md"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(page)).To(ContainSubstring("```yaml\n"+string(text)+"```"), "the page shows the file")
	loaded, err := policy.LoadPolicyFromFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	evaluator := policy.NewPolicyRuleEvaluator(loaded)

	for sentence, test := range map[string]struct {
		verb, group, resource, subresource string
		level                              auditinternal.Level
	}{
		"an edit of a machine is kept":                     {"patch", "5spot.finos.org", "scheduledmachines", "", auditinternal.LevelRequest},
		"so is a new calendar":                             {"create", "5spot.finos.org", "machinecalendars", "", auditinternal.LevelRequest},
		"so is what becomes of the Machine":                {"delete", "cluster.x-k8s.io", "machines", "", auditinternal.LevelRequest},
		"a provider object may hold what a Secret held":    {"create", "infrastructure.cluster.x-k8s.io", "remotemachines", "", auditinternal.LevelMetadata},
		"a bootstrap config may, too":                      {"create", "bootstrap.cluster.x-k8s.io", "k0sworkerconfigs", "", auditinternal.LevelMetadata},
		"of a Secret nothing but that it was asked for":    {"get", "", "secrets", "", auditinternal.LevelMetadata},
		"nor of a token":                                   {"create", "", "serviceaccounts", "token", auditinternal.LevelMetadata},
		"nor of one that is reviewed":                      {"create", "authentication.k8s.io", "tokenreviews", "", auditinternal.LevelMetadata},
		"a change of the rules is kept, before and after":  {"update", "admissionregistration.k8s.io", "validatingadmissionpolicies", "", auditinternal.LevelRequestResponse},
		"a request of a reclaim is kept":                   {"patch", "", "nodes", "", auditinternal.LevelRequest},
		"reading machines is not: there is too much of it": {"list", "5spot.finos.org", "scheduledmachines", "", auditinternal.LevelNone},
		"nor is the status that the manager writes":        {"patch", "5spot.finos.org", "scheduledmachines", "status", auditinternal.LevelNone},
		"nor the heartbeat of a kubelet":                   {"patch", "", "nodes", "status", auditinternal.LevelNone},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			got := evaluator.EvaluatePolicyRule(authorizer.AttributesRecord{
				User: &user.DefaultInfo{Name: "jane"}, Verb: test.verb, Namespace: "default", Name: "x",
				APIGroup: test.group, APIVersion: "v1", Resource: test.resource, Subresource: test.subresource, ResourceRequest: true,
			})
			g := NewWithT(t)
			g.Expect(got.Level).To(Equal(test.level))
			g.Expect(slices.Contains(got.OmitStages, auditinternal.StageRequestReceived)).To(BeTrue(), "each request is kept once")
		})
	}
}
