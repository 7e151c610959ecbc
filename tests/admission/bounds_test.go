package admission_test

import (
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// unbounded are the places of a schema that have no bound, and why.
var unbounded = map[string]string{
	".apiVersion": "it can only be the CRD's",
	".kind":       "it can only be the CRD's",
	".metadata":   "the API server bounds metadata itself",
}

// walk visits every place of a schema.
func walk(path string, schema *apiextensionsv1.JSONSchemaProps, visit func(string, *apiextensionsv1.JSONSchemaProps)) {
	visit(path, schema)
	for name := range schema.Properties {
		child := schema.Properties[name]
		walk(path+"."+name, &child, visit)
	}
	if schema.Items != nil {
		walk(path+"[]", schema.Items.Schema, visit)
	}
	if schema.AdditionalProperties != nil {
		walk(path+"{}", schema.AdditionalProperties.Schema, visit)
	}
}

// lack is the bound that the place lacks.
func lack(schema *apiextensionsv1.JSONSchemaProps) string {
	open := schema.AdditionalProperties != nil || schema.XPreserveUnknownFields != nil && *schema.XPreserveUnknownFields || len(schema.Properties) == 0
	boundedFormat := slices.Contains([]string{"date-time", "date"}, schema.Format)
	switch {
	case schema.Type == "string" && schema.MaxLength == nil && len(schema.Enum) == 0 && !boundedFormat:
		return "maxLength"
	case schema.Type == "array" && schema.MaxItems == nil:
		return "maxItems"
	case schema.Type == "object" && open && schema.MaxProperties == nil:
		return "maxProperties"
	case schema.Type == "integer" && (schema.Format == "" && (schema.Minimum == nil || schema.Maximum == nil)):
		return "minimum and maximum"
	case schema.Type == "" || schema.Type == "number" || schema.XIntOrString:
		return "a type that can be bounded"
	}
	return ""
}

func TestEverythingIsBounded(t *testing.T) {
	t.Parallel()
	for _, plural := range []string{"scheduledmachines", "machinecalendars"} {
		crd, err := readCRD(plural)
		if err != nil {
			t.Fatal(err)
		}
		places := 0
		walk("", crd.Spec.Versions[0].Schema.OpenAPIV3Schema, func(path string, schema *apiextensionsv1.JSONSchemaProps) {
			places++
			if lacking := lack(schema); lacking != "" && unbounded[path] == "" {
				t.Errorf("%s%s lacks %s", plural, path, lacking)
			}
			if schema.Type == "integer" && strings.HasPrefix(path, ".spec") && (schema.Minimum == nil || schema.Maximum == nil) {
				t.Errorf("%s%s lacks minimum and maximum", plural, path)
			}
		})
		if places < 10 {
			t.Errorf("%s: the walk saw %d places only", plural, places)
		}
	}
}

func TestEveryRuleHasAMessage(t *testing.T) {
	t.Parallel()
	found := 0
	for _, plural := range []string{"scheduledmachines", "machinecalendars"} {
		crd, err := readCRD(plural)
		if err != nil {
			t.Fatal(err)
		}
		walk("", crd.Spec.Versions[0].Schema.OpenAPIV3Schema, func(path string, schema *apiextensionsv1.JSONSchemaProps) {
			for _, rule := range schema.XValidations {
				found++
				if rule.Message == "" || strings.Contains(rule.Message, "self.") {
					t.Errorf("%s%s: the rule %s has the message %q", plural, path, rule.Rule, rule.Message)
				}
			}
		})
	}
	if found < 10 {
		t.Errorf("the walk saw %d rules only", found)
	}
}
