// Package check tells whether a bundle is as the Operator Lifecycle Manager, OperatorHub
// and the console want it: by the validators of operator-framework/api, and by the checks
// of "operator-sdk scorecard", which needs a cluster, made over again.
package check

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/operator-framework/api/pkg/manifests"
	operatorsv1alpha1 "github.com/operator-framework/api/pkg/operators/v1alpha1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// Finding is something that a check has to say.
type Finding struct {
	// Check is its name, as operator-sdk has it.
	Check string

	// Text names the field and what it should be.
	Text string

	// Explanation is why it stays so, for the few that do.
	Explanation string
}

func (f Finding) String() string {
	if f.Explanation != "" {
		return fmt.Sprintf("%s: %s (left so: %s)", f.Check, f.Text, f.Explanation)
	}
	return f.Check + ": " + f.Text
}

// All runs all checks over the bundle in the folder.
func All(folder string) ([]Finding, error) {
	bundle, err := manifests.GetBundleFromDir(folder)
	if err != nil {
		return nil, fmt.Errorf("failed to load the bundle: %w", err)
	}
	examples, err := examplesOf(bundle.CSV)
	if err != nil {
		return nil, err
	}
	findings := Validate(bundle)
	for name, check := range scorecard {
		for _, text := range check(bundle.CSV, bundle.V1CRDs, examples) {
			findings = append(findings, Finding{Check: name, Text: text})
		}
	}
	for _, text := range objectKinds(bundle) {
		findings = append(findings, Finding{Check: "object-kinds", Text: text})
	}
	slices.SortFunc(findings, func(a, b Finding) int { return strings.Compare(a.String(), b.String()) })
	return findings, nil
}

// example is an object of alm-examples.
type example struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
	fields map[string]any
}

func examplesOf(csv *operatorsv1alpha1.ClusterServiceVersion) ([]example, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal([]byte(csv.Annotations["alm-examples"]), &raw); err != nil {
		return nil, fmt.Errorf("failed to read the annotation alm-examples: %w", err)
	}
	examples := make([]example, len(raw))
	for i, text := range raw {
		if err := json.Unmarshal(text, &examples[i]); err != nil {
			return nil, fmt.Errorf("failed to read alm-examples[%d]: %w", i, err)
		}
		if err := json.Unmarshal(text, &examples[i].fields); err != nil {
			return nil, fmt.Errorf("failed to read alm-examples[%d]: %w", i, err)
		}
	}
	return examples, nil
}

// schemaOf is the schema of the CRD's version, or nil.
func schemaOf(crds []*apiextensionsv1.CustomResourceDefinition, name, version string) *apiextensionsv1.JSONSchemaProps {
	for _, crd := range crds {
		for i := range crd.Spec.Versions {
			if crd.Name == name && crd.Spec.Versions[i].Name == version && crd.Spec.Versions[i].Schema != nil {
				return crd.Spec.Versions[i].Schema.OpenAPIV3Schema
			}
		}
	}
	return nil
}
