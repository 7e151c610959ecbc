package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	operatorsv1alpha1 "github.com/operator-framework/api/pkg/operators/v1alpha1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// scorecard are the checks of "operator-sdk scorecard", but for olm-bundle-validation:
// that runs the validators.
var scorecard = map[string]func(*operatorsv1alpha1.ClusterServiceVersion, []*apiextensionsv1.CustomResourceDefinition, []example) []string{
	"basic-check-spec":         everyKindHasExampleWithSpec,
	"olm-crds-have-validation": everyFieldHasSchema,
	"olm-crds-have-resources":  everyCRDHasResources,
	"olm-spec-descriptors":     specDescriptors,
	"olm-status-descriptors":   statusDescriptors,
}

func everyKindHasExampleWithSpec(csv *operatorsv1alpha1.ClusterServiceVersion, _ []*apiextensionsv1.CustomResourceDefinition, examples []example) []string {
	var complaints []string
	for i := range csv.Spec.CustomResourceDefinitions.Owned {
		owned := &csv.Spec.CustomResourceDefinitions.Owned[i]
		if !slices.ContainsFunc(examples, func(e example) bool { return e.is(owned) }) {
			complaints = append(complaints, owned.Kind+": alm-examples has none of this kind")
		}
	}
	for _, example := range examples {
		if spec, _ := example.fields["spec"].(map[string]any); len(spec) == 0 {
			complaints = append(complaints, example.String()+": spec is missing")
		}
	}
	return complaints
}

// everyFieldHasSchema is that each version says what its objects are, and that this is
// true of the examples.
func everyFieldHasSchema(csv *operatorsv1alpha1.ClusterServiceVersion, crds []*apiextensionsv1.CustomResourceDefinition, examples []example) []string {
	var complaints []string
	for _, crd := range crds {
		for _, version := range crd.Spec.Versions {
			if schema := schemaOf(crds, crd.Name, version.Name); schema == nil || len(schema.Properties["spec"].Properties) == 0 {
				complaints = append(complaints, crd.Name+": version "+version.Name+" has no schema for spec")
			}
		}
	}
	for _, example := range examples {
		for i := range csv.Spec.CustomResourceDefinitions.Owned {
			if owned := &csv.Spec.CustomResourceDefinitions.Owned[i]; example.is(owned) {
				schema := schemaOf(crds, owned.Name, owned.Version)
				for _, field := range unknownFields(schema, "spec", example.fields["spec"]) {
					complaints = append(complaints, example.String()+": "+field+" is not in the schema")
				}
			}
		}
	}
	return complaints
}

func unknownFields(parent *apiextensionsv1.JSONSchemaProps, path string, value any) []string {
	name := path[strings.LastIndex(path, ".")+1:]
	if parent == nil {
		return []string{path}
	}
	schema, ok := parent.Properties[name]
	if !ok {
		return []string{path}
	}
	return unknownBelow(&schema, path, value)
}

func unknownBelow(schema *apiextensionsv1.JSONSchemaProps, path string, value any) []string {
	if schema.XPreserveUnknownFields != nil && *schema.XPreserveUnknownFields || schema.AdditionalProperties != nil {
		return nil
	}
	var unknown []string
	switch value := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			if _, ok := schema.Properties[key]; !ok {
				unknown = append(unknown, path+"."+key)
				continue
			}
			property := schema.Properties[key]
			unknown = append(unknown, unknownBelow(&property, path+"."+key, value[key])...)
		}
	case []any:
		for i, item := range value {
			if schema.Items != nil && schema.Items.Schema != nil {
				unknown = append(unknown, unknownBelow(schema.Items.Schema, fmt.Sprintf("%s[%d]", path, i), item)...)
			}
		}
	}
	return unknown
}

func everyCRDHasResources(csv *operatorsv1alpha1.ClusterServiceVersion, _ []*apiextensionsv1.CustomResourceDefinition, _ []example) []string {
	var complaints []string
	for _, owned := range csv.Spec.CustomResourceDefinitions.Owned {
		if len(owned.Resources) == 0 {
			complaints = append(complaints, owned.Name+": resources is empty")
		}
		for i, resource := range owned.Resources {
			if resource.Kind == "" || resource.Version == "" {
				complaints = append(complaints, fmt.Sprintf("%s: resources[%d] must have kind and version", owned.Name, i))
			}
		}
	}
	return complaints
}

func (e example) is(owned *operatorsv1alpha1.CRDDescription) bool {
	_, group, _ := strings.Cut(owned.Name, ".")
	return e.Kind == owned.Kind && e.APIVersion == group+"/"+owned.Version
}

func (e example) String() string { return e.Kind + " " + e.Metadata.Name + " of alm-examples" }
