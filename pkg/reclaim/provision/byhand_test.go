package provision_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/finos/five-spot/pkg/reclaim"
	"github.com/finos/five-spot/pkg/reclaim/provision"
)

// config is the folder of the manifests for people.
const config = "../../../config"

func (s *cluster) kubectl(args ...string) string {
	s.t.Helper()
	kubeconfig, err := server.WriteKubeconfig(server.Config, "admin")
	s.Expect(err).NotTo(HaveOccurred())
	out, err := exec.CommandContext(s.t.Context(), server.Kubectl(), append([]string{"--kubeconfig", kubeconfig}, args...)...).CombinedOutput()
	s.Expect(err).NotTo(HaveOccurred(), string(out))
	s.Expect(string(out)).NotTo(ContainSubstring("Warning"))
	return string(out)
}

// bodies are what the installed objects say, but for the image.
func (s *cluster) bodies() map[string]any {
	s.t.Helper()
	all := map[string]any{}
	for _, object := range s.named() {
		s.get(object)
		if daemonSet, ok := object.(*appsv1.DaemonSet); ok {
			daemonSet.Spec.Template.Spec.Containers[0].Image = ""
			daemonSet.Spec.Template.Spec.ImagePullSecrets = nil
		}
		text, err := json.Marshal(object)
		s.Expect(err).NotTo(HaveOccurred())
		body := map[string]any{}
		s.Expect(json.Unmarshal(text, &body)).To(Succeed())
		delete(body, "metadata")
		delete(body, "status")
		all[object.GetObjectKind().GroupVersionKind().Kind+" "+object.GetName()] = body
	}
	return all
}

func TestWhatIsInstalledByHandIsTheSameAndLeftAlone(t *testing.T) {
	s := newCluster(t)
	s.namespace = provision.DefaultNamespace
	s.kubectl("apply", "--server-side", "-k", filepath.Join(config, "agent"))
	byHand := s.bodies()
	namespace := s.theNamespace()
	s.Expect(namespace.Labels).To(HaveKeyWithValue("pod-security.kubernetes.io/enforce", "privileged"))

	_, err := s.provision.Install(t.Context(), s.client, s.namespace)
	s.Expect(err).To(MatchError(provision.ErrForeign))
	done, err := s.provision.Uninstall(t.Context(), s.client, s.namespace)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(done).To(BeTrue())
	s.Expect(s.writes()).To(BeEmpty())

	for _, object := range s.named() {
		// The API server may give up on an object that its controller writes meanwhile.
		s.Eventually(func() error { return admin.Delete(t.Context(), object) }).Should(Succeed())
	}
	s.install()
	s.Expect(cmp.Diff(byHand, s.bodies())).To(BeEmpty())
}

// The namespace is said in one place, from which it must reach the policy, too.
func TestTheNamespaceOfTheManifestsCanBeChosen(t *testing.T) {
	s := newCluster(t)
	root := t.TempDir()
	for _, folder := range []string{"config/agent", "config/agent-openshift", "pkg/reclaim/provision/manifests"} {
		s.Expect(os.CopyFS(filepath.Join(root, folder), os.DirFS(filepath.Join(config, "..", folder)))).To(Succeed())
	}
	edited := filepath.Join(root, "config/agent/kustomization.yaml")
	text, err := os.ReadFile(edited)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(strings.Count(string(text), "value: 5spot-system")).To(Equal(1))
	s.Expect(os.WriteFile(edited, []byte(strings.Replace(string(text), "value: 5spot-system", "value: 5spot-agent", 1)), 0o600)).To(Succeed())
	built := s.kubectl("kustomize", filepath.Join(root, "config/agent-openshift"))
	s.Expect(built).NotTo(ContainSubstring("5spot-system"))
	s.Expect(strings.Count(built, "system:serviceaccount:5spot-agent:"+agent)).To(Equal(2))
	s.Expect(strings.Count(built, "namespace: default")).To(Equal(2))
	s.Expect(built).To(ContainSubstring(sccRole))
}

// A kubeconfig of few rights needs nothing else for the agent.
func TestTheRoleForManagersWithFewRightsIsEnough(t *testing.T) {
	s := newCluster(t)
	s.namespace = provision.NamespaceBesideManager
	text, err := os.ReadFile(filepath.Join(config, "agent/rights/cluster_role.yaml"))
	s.Expect(err).NotTo(HaveOccurred())
	role := &rbacv1.ClusterRole{}
	s.Expect(yaml.UnmarshalStrict(text, role)).To(Succeed())
	s.Expect(admin.Create(t.Context(), role)).To(Succeed())
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "few-rights"}},
	}
	s.Expect(admin.Create(t.Context(), binding)).To(Succeed())
	t.Cleanup(func() {
		s.Expect(admin.Delete(context.WithoutCancel(t.Context()), binding)).To(Succeed())
		s.Expect(admin.Delete(context.WithoutCancel(t.Context()), role)).To(Succeed())
	})
	user, err := server.Env.AddUser(envtest.User{Name: "few-rights"}, nil)
	s.Expect(err).NotTo(HaveOccurred())
	defer constraints(s)()
	s.client = s.as(user.Config())
	s.Eventually(func() error { // The role is in force a moment later.
		_, err := s.provision.Install(t.Context(), s.client, s.namespace)
		return err
	}).WithTimeout(patience).Should(Succeed())
	s.settled()

	change(s, &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: agent}}, func(p *admissionregistrationv1.ValidatingAdmissionPolicy) {
		p.Spec.MatchConditions = append(p.Spec.MatchConditions, admissionregistrationv1.MatchCondition{Name: "never", Expression: "false"})
	})
	s.mend()
	d := &desk{s, s.node("few"), client.ObjectKey{Namespace: s.namespace, Name: "reclaim-agent-few"}}
	s.Expect(d.arm("idea")).To(BeTrue())
	s.Expect(d.arm("steam")).To(BeTrue())
	_, _, err = s.ready("few")
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(d.disarm()).To(BeTrue())
	_, err = s.provision.Arm(t.Context(), s.client, d.node, s.namespace, reclaim.ConfigFor([]string{"idea"}))
	s.Expect(err).NotTo(HaveOccurred())
	s.uninstalled()
	s.Expect(s.theNamespace().DeletionTimestamp).To(BeNil(), "that it is empty cannot be known")
}
