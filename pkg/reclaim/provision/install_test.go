package provision_test

import (
	"maps"
	"testing"

	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/finos/five-spot/pkg/reclaim/provision"
)

func TestWhereTheAgentGoes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		workload, management, manager, want string
	}{
		"into its own namespace of another cluster":             {"w", "m", "5spot-system", "5spot-system"},
		"not into the manager's namespace":                      {"m", "m", "5spot-system", "5spot-agent"},
		"into its own namespace beside a manager in another":    {"m", "m", "operators", "5spot-system"},
		"into its own namespace beside another with its name":   {"m", "m", "5spot-agent", "5spot-system"},
		"into its own namespace of another cluster of any name": {"w", "m", "operators", "5spot-system"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := provision.Namespace(types.UID(test.workload), types.UID(test.management), test.manager)
			NewWithT(t).Expect(got).To(Equal(test.want))
		})
	}
}

func TestWithoutAdmissionPoliciesNothingIsInstalled(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	// It knows the kind, but not in version v1.
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(admissionregistrationv1.SchemeGroupVersion.WithKind("ValidatingWebhookConfiguration"), meta.RESTScopeRoot)
	old := admissionregistrationv1.SchemeGroupVersion.WithKind("ValidatingAdmissionPolicy")
	old.Version = "v1beta1"
	mapper.Add(old, meta.RESTScopeRoot)
	c := fake.NewClientBuilder().WithRESTMapper(mapper).Build()
	_, err := provision.New(options(version)).Install(t.Context(), c, "5spot-system")
	g.Expect(err).To(MatchError(provision.ErrPolicyUnsupported))
}

func TestANamespaceThatIsNoneIsRefused(t *testing.T) {
	s := newCluster(t)
	_, err := s.provision.Install(t.Context(), s.client, "a'b")
	s.Expect(err).To(MatchError(ContainSubstring("not the name of a namespace")))
	s.Expect(s.writes()).To(BeEmpty())
}

func TestInstallWritesThePolicyFirstAndTheDaemonSetLastAndNothingTwice(t *testing.T) {
	s := newCluster(t)
	s.install()
	writes := s.writes()
	s.Expect(writes[0].Path).To(HaveSuffix("/validatingadmissionpolicies/" + agent))
	s.Expect(writes[1].Path).To(HaveSuffix("/validatingadmissionpolicybindings/" + agent))
	s.Expect(writes[len(writes)-1].Path).To(HaveSuffix("/daemonsets/" + agent))
	s.Expect(writes).To(HaveLen(12), "one for each object, and the record of the Namespace")
	for _, object := range s.named() {
		s.get(object)
		s.Expect(object.GetLabels()).To(HaveKeyWithValue("app.kubernetes.io/managed-by", "five-spot"))
		s.Expect(object.GetAnnotations()).To(HaveKeyWithValue("5spot.finos.org/version", version))
	}
	s.settled()
	s.t.Logf("%d requests in a pass", len(s.requests.List(nil)))
	s.Expect(len(s.requests.List(nil))).To(BeNumerically("<=", 14))
}

func TestTheNamespaceIsPrivilegedAndKnownToBeOurs(t *testing.T) {
	s := newCluster(t)
	s.install()
	namespace := s.theNamespace()
	for _, mode := range []string{"enforce", "audit", "warn"} {
		s.Expect(namespace.Labels).To(HaveKeyWithValue("pod-security.kubernetes.io/"+mode, "privileged"))
	}
	s.Expect(namespace.Annotations).To(HaveKeyWithValue("5spot.finos.org/created-uid", string(namespace.UID)))
}

func TestThePodsHaveWhatTheyNeedAndNoMore(t *testing.T) {
	s := newCluster(t)
	s.install()
	daemonSet := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: agent}}
	s.get(daemonSet)
	pod := daemonSet.Spec.Template.Spec
	s.Expect(pod.HostPID).To(BeTrue())
	s.Expect(pod.HostNetwork).To(BeTrue())
	s.Expect(pod.HostIPC).To(BeFalse())
	s.Expect(pod.NodeSelector).To(Equal(map[string]string{"5spot.finos.org/reclaim-agent": "enabled", "kubernetes.io/os": "linux"}))
	s.Expect(pod.Tolerations).To(Equal([]corev1.Toleration{{Operator: corev1.TolerationOpExists}}))
	s.Expect(pod.PriorityClassName).To(Equal("system-node-critical"))
	s.Expect(pod.ImagePullSecrets).To(Equal([]corev1.LocalObjectReference{{Name: "pull"}}))
	s.Expect(pod.Containers).To(HaveLen(1))
	container := pod.Containers[0]
	s.Expect(container.Image).To(Equal("registry.example/agent:" + version))
	s.Expect(container.Resources.Requests.Cpu().String()).To(Equal("50m"))
	s.Expect(container.Resources.Limits.Cpu().String()).To(Equal("500m"))
	s.Expect(container.Resources.Limits.Memory().String()).To(Equal("64Mi"))
	s.Expect(container.SecurityContext).To(Equal(&corev1.SecurityContext{
		AllowPrivilegeEscalation: new(false),
		Privileged:               new(false),
		ReadOnlyRootFilesystem:   new(true),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}, Add: []corev1.Capability{"NET_ADMIN"}},
		SELinuxOptions:           &corev1.SELinuxOptions{Type: "spc_t"},
	}))
	s.Expect(pod.SecurityContext.RunAsUser).To(HaveValue(BeZero()))
	s.Expect(pod.SecurityContext.SeccompProfile.Type).To(Equal(corev1.SeccompProfileTypeRuntimeDefault))
	for _, mount := range container.VolumeMounts {
		s.Expect(mount.ReadOnly).To(BeTrue(), mount.Name)
	}
	paths := map[string]corev1.HostPathType{}
	for _, volume := range pod.Volumes {
		paths[volume.HostPath.Path] = *volume.HostPath.Type
	}
	s.Expect(paths).To(Equal(map[string]corev1.HostPathType{"/proc": corev1.HostPathDirectory, "/etc/machine-id": corev1.HostPathFile}))
}

func TestTheAgentGetsTheRightsThatItsPageTells(t *testing.T) {
	s := newCluster(t)
	s.install()
	nodes := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: agent}}
	s.get(nodes)
	s.Expect(nodes.Rules).To(Equal([]rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"get", "patch"}}}))
	own := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: agent}}
	s.get(own)
	s.Expect(own.Rules).To(Equal([]rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "list", "watch"}}}))
	events := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: eventsRole}}
	s.get(events)
	s.Expect(events.Rules).To(Equal([]rbacv1.PolicyRule{{APIGroups: []string{"events.k8s.io"}, Resources: []string{"events"}, Verbs: []string{"create"}}}))
}

func TestAnOlderManagerLeavesANewerOnesAgentAlone(t *testing.T) {
	s := newCluster(t)
	s.install()
	for _, older := range []string{"v0.1.0", "v0.2.0-rc.1"} {
		s.requests.Reset()
		_, err := provision.New(options(older)).Install(t.Context(), s.client, s.namespace)
		s.Expect(err).To(MatchError(provision.ErrNewerInstalled))
		s.Expect(err).To(MatchError(ContainSubstring(agent)), "the object is named")
		s.Expect(s.writes()).To(BeEmpty())
	}
	s.provision = provision.New(options("v0.10.0"))
	s.install()
	for _, object := range s.named() {
		s.get(object)
		s.Expect(object.GetAnnotations()).To(HaveKeyWithValue("5spot.finos.org/version", "v0.10.0"))
	}
	s.settled()
	// A developer's build says nothing of its age.
	s.provision = provision.New(options("(devel)"))
	s.install()
	s.settled()
}

func TestAnotherImageIsRolledOut(t *testing.T) {
	s := newCluster(t)
	s.install()
	other := options(version)
	other.Image, other.PullSecret = "registry.example/agent@sha256:0", ""
	s.provision = provision.New(other)
	s.requests.Reset()
	s.install()
	s.Expect(s.writes()).To(HaveLen(1))
	daemonSet := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: agent}}
	s.get(daemonSet)
	s.Expect(daemonSet.Spec.Template.Spec.Containers[0].Image).To(Equal(other.Image))
	s.Expect(daemonSet.Spec.Template.Spec.ImagePullSecrets).To(BeEmpty())
	s.settled()
}

func TestWhatIsNotOursIsNotWritten(t *testing.T) {
	for i := range newCluster(t).named() {
		s := newCluster(t)
		s.install()
		object := s.named()[i]
		s.get(object)
		name := object.GetObjectKind().GroupVersionKind().Kind
		labels := maps.Clone(object.GetLabels())
		labels["app.kubernetes.io/managed-by"] = "Helm"
		object.SetLabels(labels)
		s.Expect(admin.Update(t.Context(), object)).To(Succeed(), name)
		s.requests.Reset()
		other := options("v0.3.0")
		_, err := provision.New(other).Install(t.Context(), s.client, s.namespace)
		s.Expect(err).To(MatchError(provision.ErrForeign), name)
		s.Expect(err).To(MatchError(ContainSubstring(object.GetName())))
		s.Expect(s.writes()).To(BeEmpty(), name)
	}
}

func TestANamespaceThatIsNotOursIsUsedAndNotWritten(t *testing.T) {
	s := newCluster(t)
	before := s.createNamespace(map[string]string{"app.kubernetes.io/managed-by": "Helm"})
	s.install()
	s.Expect(s.theNamespace()).To(Equal(before))
	s.settled()
}

func TestANamespaceThatIsNotOursAndRestrictedIsRefused(t *testing.T) {
	s := newCluster(t)
	before := s.createNamespace(map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
	_, err := s.provision.Install(t.Context(), s.client, s.namespace)
	s.Expect(err).To(MatchError(provision.ErrRestrictedNamespace))
	s.Expect(s.writes()).To(BeEmpty())
	s.Expect(s.theNamespace()).To(Equal(before))
}

func TestOnOpenShiftTheAgentMayUseConstraintsThatFit(t *testing.T) {
	s := newCluster(t)
	s.install()
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: sccRole}}
	s.Expect(client.IgnoreNotFound(admin.Get(t.Context(), client.ObjectKeyFromObject(role), role))).To(Succeed())
	s.Expect(role.UID).To(BeEmpty())

	uninstall := constraints(s)
	defer uninstall()
	s.client = s.as(server.Config)
	s.install()
	s.get(role)
	s.Expect(role.Rules).To(Equal([]rbacv1.PolicyRule{{
		APIGroups: []string{"security.openshift.io"}, Resources: []string{"securitycontextconstraints"},
		ResourceNames: []string{"privileged"}, Verbs: []string{"use"},
	}}))
	binding := &rbacv1.RoleBinding{ObjectMeta: role.ObjectMeta}
	s.get(binding)
	s.Expect(binding.Subjects).To(Equal([]rbacv1.Subject{{Kind: "ServiceAccount", Namespace: s.namespace, Name: agent}}))
	s.settled()
	s.uninstalled()
	s.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(role), role)).NotTo(Succeed())
}
