package check

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/operator-framework/api/pkg/manifests"
	"github.com/operator-framework/api/pkg/validation"
	interfaces "github.com/operator-framework/api/pkg/validation/interfaces"

	"github.com/finos/five-spot/tools/bundle/generate"
)

// validators are all that judge a bundle, but for the deprecated ones and for that of
// several architectures, which calls docker.
var validators = map[string]interfaces.Validator{
	"csv":                   validation.ClusterServiceVersionValidator,
	"crd":                   validation.CustomResourceDefinitionValidator,
	"bundle":                validation.BundleValidator,
	"object":                validation.ObjectValidator,
	"operatorhub/v2":        validation.OperatorHubV2Validator,
	"standardcapabilities":  validation.StandardCapabilitiesValidator,
	"standardcategories":    validation.StandardCategoriesValidator,
	"good-practices":        validation.GoodPracticesValidator,
	"alpha-deprecated-apis": validation.AlphaDeprecatedAPIsValidator,
}

// newestRemovals is the latest release of Kubernetes whose removals the validators know.
const newestRemovals = "1.26"

// explained are warnings that stay, with the reason.
var explained = map[*regexp.Regexp]string{
	regexp.MustCompile(`removed in v1\.25\..* for events: \(\["[\w.]+\.ClusterPermissions\[\d+\]\.Rules\[\d+\]"\]\)$`): "a right names no version, " +
		"and it was events.k8s.io/v1beta1 that was removed, while the manager writes v1",
}

// Validate runs the validators. A warning counts as an error does.
func Validate(bundle *manifests.Bundle) []Finding {
	objects := []any{map[string]string{"k8s-version": newestRemovals}, bundle, bundle.CSV}
	for _, crd := range bundle.V1CRDs {
		objects = append(objects, crd)
	}
	for _, object := range bundle.Objects {
		objects = append(objects, object)
	}
	var findings []Finding
	for name, validator := range validators {
		for _, result := range validator.Validate(objects...) {
			for _, err := range slices.Concat(result.Errors, result.Warnings) {
				finding := Finding{Check: name, Text: err.Error()}
				finding.Explanation = explain(finding.Text)
				findings = append(findings, finding)
			}
		}
	}
	return findings
}

func explain(text string) string {
	for pattern, why := range explained {
		if pattern.MatchString(text) {
			return why
		}
	}
	return ""
}

// objectKinds looks at what no validator does: whether OLM creates such objects at all.
func objectKinds(bundle *manifests.Bundle) []string {
	var complaints []string
	for _, object := range bundle.Objects {
		if !slices.Contains(generate.Kinds(), object.GetKind()) {
			complaints = append(complaints, fmt.Sprintf("%s %s: a bundle must not have this kind", object.GetKind(), object.GetName()))
		}
		if object.GetNamespace() != "" && object.GetKind() != "ClusterServiceVersion" {
			complaints = append(complaints, fmt.Sprintf("%s %s: metadata.namespace must be empty, because OLM chooses it", object.GetKind(), object.GetName()))
		}
	}
	return complaints
}
