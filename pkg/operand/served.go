package operand

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// Served is whether the CRD is established and serves the version.
func Served(crd *apiextensionsv1.CustomResourceDefinition, version string) bool {
	established := false
	for i := range crd.Status.Conditions {
		if crd.Status.Conditions[i].Type == apiextensionsv1.Established {
			established = crd.Status.Conditions[i].Status == apiextensionsv1.ConditionTrue
		}
	}
	for i := range crd.Spec.Versions {
		if crd.Spec.Versions[i].Name == version && crd.Spec.Versions[i].Served {
			return established
		}
	}
	return false
}
