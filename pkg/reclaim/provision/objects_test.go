package provision_test

import (
	"context"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// constraints installs the kind by which OpenShift is known. The returned function
// removes it.
func constraints(s *cluster) func() {
	s.t.Helper()
	crd := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "securitycontextconstraints.security.openshift.io"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: "security.openshift.io",
			Names: apiextensionsv1.CustomResourceDefinitionNames{Kind: "SecurityContextConstraints", ListKind: "SecurityContextConstraintsList", Plural: "securitycontextconstraints", Singular: "securitycontextconstraints"},
			Scope: apiextensionsv1.ClusterScoped,
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: new(true)}},
			}},
		},
	}
	installed := envtest.CRDInstallOptions{CRDs: []*apiextensionsv1.CustomResourceDefinition{crd}}
	_, err := envtest.InstallCRDs(server.Config, installed)
	s.Expect(err).NotTo(HaveOccurred())
	return func() {
		s.Expect(envtest.UninstallCRDs(server.Config, installed)).To(Succeed())
		s.Eventually(func() bool {
			_, err := s.as(server.Config).RESTMapper().RESTMapping(schema.GroupKind{Group: crd.Spec.Group, Kind: crd.Spec.Names.Kind})
			return meta.IsNoMatchError(err)
		}).WithTimeout(patience).Should(BeTrue())
	}
}

// uninstalled is that everything was removed in one call, since there were no Pods.
func (s *cluster) uninstalled() {
	s.t.Helper()
	done, err := s.provision.Uninstall(s.t.Context(), s.client, s.namespace)
	s.Expect(err).NotTo(HaveOccurred())
	s.Expect(done).To(BeTrue())
	s.Expect(s.left()).To(BeEmpty())
}

// left are the installed objects that exist.
func (s *cluster) left() []string {
	s.t.Helper()
	var left []string
	for _, object := range s.named() {
		err := admin.Get(context.WithoutCancel(s.t.Context()), client.ObjectKeyFromObject(object), object)
		s.Expect(client.IgnoreNotFound(err)).To(Succeed())
		if err == nil {
			left = append(left, object.GetObjectKind().GroupVersionKind().Kind+" "+object.GetName())
		}
	}
	return left
}
