package check

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	operatorsv1alpha1 "github.com/operator-framework/api/pkg/operators/v1alpha1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// The x-descriptors that say how the console shows a field. Others of its are deprecated,
// or are for fields that we do not have.
const (
	inputText   = "urn:alm:descriptor:com.tectonic.ui:text"
	inputNumber = "urn:alm:descriptor:com.tectonic.ui:number"
	inputSwitch = "urn:alm:descriptor:com.tectonic.ui:booleanSwitch"
	inputSelect = "urn:alm:descriptor:com.tectonic.ui:select:"
	advanced    = "urn:alm:descriptor:com.tectonic.ui:advanced"

	showText       = "urn:alm:descriptor:text"
	showConditions = "urn:alm:descriptor:io.kubernetes.conditions"
	showPhase      = "urn:alm:descriptor:io.kubernetes.phase"
	showReason     = "urn:alm:descriptor:io.kubernetes.phase:reason"

	// link goes before a kind, and before group:version:kind. The object is in the same cluster.
	link = "urn:alm:descriptor:io.kubernetes:"
)

// descriptor is one of either list.
type descriptor struct {
	path, displayName, description string
	x                              []string
}

func specDescriptors(csv *operatorsv1alpha1.ClusterServiceVersion, crds []*apiextensionsv1.CustomResourceDefinition, _ []example) []string {
	var complaints []string
	for _, owned := range csv.Spec.CustomResourceDefinitions.Owned {
		var list []descriptor
		for _, d := range owned.SpecDescriptors {
			list = append(list, descriptor{d.Path, d.DisplayName, d.Description, d.XDescriptors})
		}
		complaints = append(complaints, describe(owned, crds, "spec", list, wantedForSpec)...)
	}
	return complaints
}

func statusDescriptors(csv *operatorsv1alpha1.ClusterServiceVersion, crds []*apiextensionsv1.CustomResourceDefinition, _ []example) []string {
	var complaints []string
	for _, owned := range csv.Spec.CustomResourceDefinitions.Owned {
		var list []descriptor
		for _, d := range owned.StatusDescriptors {
			list = append(list, descriptor{d.Path, d.DisplayName, d.Description, d.XDescriptors})
		}
		complaints = append(complaints, describe(owned, crds, "status", list, wantedForStatus)...)
	}
	return complaints
}

// describe compares the descriptors with the fields of the schema, one by one.
func describe(owned operatorsv1alpha1.CRDDescription, crds []*apiextensionsv1.CustomResourceDefinition, part string, list []descriptor,
	wanted func(*apiextensionsv1.JSONSchemaProps) []string,
) []string {
	fields := map[string]*apiextensionsv1.JSONSchemaProps{}
	if schema := schemaOf(crds, owned.Name, owned.Version); schema != nil {
		if part, ok := schema.Properties[part]; ok {
			addFields(fields, "", &part)
		}
	}
	var complaints []string
	complain := func(path, text string) {
		complaints = append(complaints, fmt.Sprintf("%s: %sDescriptors: %s: %s", owned.Name, part, path, text))
	}
	described := map[string]bool{}
	for _, d := range list {
		schema, ok := fields[d.path]
		switch {
		case !ok:
			complain(d.path, "the CRD has no such field")
			continue
		case described[d.path]:
			complain(d.path, "is there twice")
		case d.displayName == "" || d.description == "":
			complain(d.path, "must have displayName and description")
		}
		described[d.path] = true
		if text := fit(d.x, wanted(schema)); text != "" {
			complain(d.path, text)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(fields)) {
		if !described[path] {
			complain(path, "the field is not described")
		}
	}
	return complaints
}

// addFields adds all fields below the schema by their paths in the form of descriptors,
// such as windows[0].days, and days[0] for the texts in such a list. The console itself
// knows what is in conditions.
func addFields(fields map[string]*apiextensionsv1.JSONSchemaProps, prefix string, schema *apiextensionsv1.JSONSchemaProps) {
	for name := range schema.Properties {
		property := schema.Properties[name]
		fields[prefix+name] = &property
		switch {
		case isConditions(&property):
		case property.Items != nil && property.Items.Schema != nil:
			if len(property.Items.Schema.Properties) == 0 {
				fields[prefix+name+"[0]"] = property.Items.Schema
			}
			addFields(fields, prefix+name+"[0].", property.Items.Schema)
		default:
			addFields(fields, prefix+name+".", &property)
		}
	}
}

func isConditions(schema *apiextensionsv1.JSONSchemaProps) bool {
	if schema.Items == nil || schema.Items.Schema == nil {
		return false
	}
	_, status := schema.Items.Schema.Properties["status"]
	_, transition := schema.Items.Schema.Properties["lastTransitionTime"]
	return status && transition
}

// fit is what is wrong with x-descriptors. Any is enough of those that are wanted, unless
// they are the values of a choice, which must all be there.
func fit(got, wanted []string) string {
	got = slices.DeleteFunc(slices.Clone(got), func(x string) bool { return x == advanced })
	if len(wanted) > 0 && strings.HasPrefix(wanted[0], inputSelect) {
		if !slices.Equal(got, wanted) {
			return "x-descriptors must be " + strings.Join(wanted, ", ")
		}
		return ""
	}
	if len(wanted) == 0 {
		if len(got) > 0 {
			return "x-descriptors must be empty: the console shows what is in it"
		}
		return ""
	}
	for _, one := range wanted {
		if len(got) == 1 && (got[0] == one || one == link && strings.HasPrefix(got[0], link)) {
			return ""
		}
	}
	return "x-descriptors must be one of " + strings.Join(wanted, ", ")
}

// wantedForSpec are the ways in which a field can be entered. What consists of other
// fields has none, and neither has what the schema leaves open. A list has none either: the
// console would offer one input for all of it, and send what is entered as a text.
func wantedForSpec(schema *apiextensionsv1.JSONSchemaProps) []string {
	switch {
	case schema.Type == "boolean":
		return []string{inputSwitch}
	case schema.Type == "integer":
		return []string{inputNumber}
	case len(schema.Enum) > 0:
		var values []string
		for _, value := range schema.Enum {
			text := ""
			// What is no string has been a boolean or an integer.
			_ = json.Unmarshal(value.Raw, &text)
			values = append(values, inputSelect+text)
		}
		return values
	case schema.Type == "string":
		return []string{inputText, link}
	}
	return nil
}

// wantedForStatus are the ways in which a field can be shown.
func wantedForStatus(schema *apiextensionsv1.JSONSchemaProps) []string {
	switch {
	case isConditions(schema):
		return []string{showConditions}
	case schema.Type == "object", schema.Type == "array":
		return nil
	}
	return []string{showText, showPhase, showReason, link}
}
