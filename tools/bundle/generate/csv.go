package generate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	operatorsv1alpha1 "github.com/operator-framework/api/pkg/operators/v1alpha1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	strictjson "sigs.k8s.io/json"

	"github.com/finos/five-spot/tools/bundle/rendered"
)

// clusterServiceVersion fills in the base. It stays untyped, because the type writes
// fields that were not set, such as spec.cleanup.
func clusterServiceVersion(objects *rendered.Objects, rights *rights, options Options) (*unstructured.Unstructured, error) {
	csv := objects.CSV.DeepCopy()
	images, err := objects.Images()
	if err != nil {
		return nil, err
	}
	if len(images) == 0 {
		return nil, errors.New("there is no Deployment, and so nothing to install")
	}
	examples, err := almExamples(objects.Examples)
	if err != nil {
		return nil, err
	}
	csv.SetName(Package + ".v" + options.Version)
	annotations := csv.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations["alm-examples"] = examples
	annotations["containerImage"] = images[0].Image
	if options.CreatedAt != "" {
		annotations["createdAt"] = options.CreatedAt
	}
	if _, err := time.Parse(time.RFC3339, annotations["createdAt"]); err != nil {
		return nil, fmt.Errorf("createdAt %q: %w", annotations["createdAt"], err)
	}
	csv.SetAnnotations(annotations)
	for _, field := range []struct {
		value any
		path  []string
	}{
		{options.Version, []string{"spec", "version"}},
		{relatedImages(images), []string{"spec", "relatedImages"}},
		{deployments(objects.Deployments), []string{"spec", "install", "spec", "deployments"}},
		{rights.permissions(rights.rules), []string{"spec", "install", "spec", "permissions"}},
		{rights.permissions(rights.clusterRules), []string{"spec", "install", "spec", "clusterPermissions"}},
	} {
		if err := unstructured.SetNestedField(csv.Object, field.value, field.path...); err != nil {
			return nil, fmt.Errorf("failed to fill in the ClusterServiceVersion: %w", err)
		}
	}
	return csv, fits(csv)
}

// fits is an error when a field is not one of a ClusterServiceVersion. An API server would
// drop it in silence.
func fits(csv *unstructured.Unstructured) error {
	text, err := json.Marshal(csv.Object)
	if err != nil {
		return fmt.Errorf("failed to write the ClusterServiceVersion: %w", err)
	}
	unknown, err := strictjson.UnmarshalStrict(text, &operatorsv1alpha1.ClusterServiceVersion{})
	if err := errors.Join(append(unknown, err)...); err != nil {
		return fmt.Errorf("the ClusterServiceVersion is none: %w", err)
	}
	return nil
}

// almExamples are what the console offers when somebody creates an object.
func almExamples(examples []*unstructured.Unstructured) (string, error) {
	list := make([]any, 0, len(examples))
	for _, example := range examples {
		list = append(list, example.Object)
	}
	text := bytes.Buffer{}
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(list); err != nil {
		return "", fmt.Errorf("failed to write the examples: %w", err)
	}
	return string(bytes.TrimSpace(text.Bytes())), nil
}

func relatedImages(images []rendered.Image) []any {
	list := make([]any, 0, len(images))
	for _, image := range images {
		list = append(list, map[string]any{"name": image.Name, "image": image.Image})
	}
	return list
}

func deployments(found []*unstructured.Unstructured) []any {
	list := make([]any, 0, len(found))
	for _, deployment := range found {
		labels := map[string]any{}
		for key, value := range deployment.GetLabels() {
			labels[key] = value
		}
		list = append(list, map[string]any{"name": deployment.GetName(), "label": labels, "spec": deployment.DeepCopy().Object["spec"]})
	}
	return list
}
