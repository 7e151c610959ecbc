package olm_test

import (
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/admission"
	"github.com/finos/five-spot/pkg/reclaim/provision"
)

// guardName is the policy that keeps the CRDs.
const guardName = "five-spot-crd-guard"

// operands are what a manager has installed in both clusters, as far as it differs
// between the versions.
type operands struct {
	Policies map[string]policy
	Agent    agent
}

type policy struct {
	Version    string
	Spec       admissionv1.ValidatingAdmissionPolicySpec
	Generation int64
}

type agent struct {
	Version, Image string
	Generation     int64
}

// operands reads them. One that is missing is an error.
func (m *machines) operands() (*operands, error) {
	all := &operands{Policies: map[string]policy{}}
	for _, name := range admission.Names() {
		live := &admissionv1.ValidatingAdmissionPolicy{}
		if err := m.admin.Get(m.Context(), client.ObjectKey{Name: name}, live); err != nil {
			return nil, err
		}
		all.Policies[name] = policy{live.Annotations[v1alpha1.VersionAnnotation], live.Spec, live.Generation}
	}
	set := &appsv1.DaemonSet{}
	if err := m.world.WorkloadClient.Get(m.Context(), provision.DaemonSetKey(provision.DefaultNamespace), set); err != nil {
		return nil, err
	}
	all.Agent = agent{set.Annotations[v1alpha1.VersionAnnotation], set.Spec.Template.Spec.Containers[0].Image, set.Generation}
	return all, nil
}

// operandsOf waits until the manager of a Pod has installed all operands as its version has them.
func (m *machines) operandsOf(release *release, p *pod) *operands {
	m.Helper()
	var all *operands
	m.Eventually(func(g Gomega) {
		var err error
		all, err = m.operands()
		g.Expect(err).NotTo(HaveOccurred())
		for name := range all.Policies {
			g.Expect(all.Policies[name].Version).To(Equal(release.version), name)
		}
		g.Expect(all.Agent).To(And(HaveField("Version", release.version), HaveField("Image", p.environment["RELATED_IMAGE_RECLAIM_AGENT"])))
	}).Should(Succeed())
	return all
}

// touchAgent has a manager look at the agent's DaemonSet, whose spec it leaves alone.
func (m *machines) touchAgent() {
	m.Helper()
	key, set := provision.DaemonSetKey(provision.DefaultNamespace), &appsv1.DaemonSet{}
	set.Namespace, set.Name = key.Namespace, key.Name
	patch := client.RawPatch(mergePatch, []byte(`{"metadata":{"annotations":{"example.com/touched":"true"}}}`))
	m.Expect(m.world.WorkloadClient.Patch(m.Context(), set, patch)).To(Succeed())
}

// fieldsOf are all fields of a ScheduledMachine, as its CRD has them.
func (c *cluster) fieldsOf(crd string) []string {
	c.Helper()
	live := &apiextensionsv1.CustomResourceDefinition{}
	c.Expect(c.admin.Get(c.Context(), client.ObjectKey{Name: crd}, live)).To(Succeed())
	return fields("", live.Spec.Versions[0].Schema.OpenAPIV3Schema)
}

func fields(path string, props *apiextensionsv1.JSONSchemaProps) []string {
	all := []string{path}
	for name, property := range props.Properties {
		all = append(all, fields(path+"."+name, &property)...)
	}
	if props.Items != nil && props.Items.Schema != nil {
		all = append(all, fields(path+"[]", props.Items.Schema)...)
	}
	return all
}

// areShown waits until the objects of the Prometheus operator's and of the console's kinds
// are there, as the version has them.
func (i *installation) areShown(release *release) {
	i.Helper()
	monitoring, console := schema.GroupVersion{Group: "monitoring.coreos.com", Version: "v1"}, schema.GroupVersion{Group: "console.openshift.io", Version: "v1"}
	for _, shown := range []struct {
		kind            schema.GroupVersionKind
		namespace, name string
	}{
		{monitoring.WithKind("ServiceMonitor"), i.namespace, managerName},
		{monitoring.WithKind("PrometheusRule"), i.namespace, managerName},
		{console.WithKind("ConsoleYAMLSample"), "", "five-spot-business-hours"},
		{console.WithKind("ConsoleYAMLSample"), "", "five-spot-weekend"},
		{console.WithKind("ConsoleYAMLSample"), "", "five-spot-workstation"},
		{console.WithKind("ConsoleQuickStart"), "", "five-spot-scheduled-machine"},
	} {
		object := &metav1.PartialObjectMetadata{}
		object.SetGroupVersionKind(shown.kind)
		i.Eventually(func() (string, error) {
			err := i.admin.Get(i.Context(), client.ObjectKey{Namespace: shown.namespace, Name: shown.name}, object)
			return object.Annotations[v1alpha1.VersionAnnotation], client.IgnoreNotFound(err)
		}).Should(Equal(release.version), shown.kind.Kind)
	}
}
