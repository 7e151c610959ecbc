package operand

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/finos/five-spot/api/v1alpha1"
)

// Parse reads the manifest of one object, and notes on it which version of the manager
// wants it so. Its numbers are as in the answers of an API server.
func Parse(manifest []byte, version string) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(manifest, &object.Object); err != nil {
		return nil, fmt.Errorf("failed to parse a manifest: %w", err)
	}
	object.Object, _ = wholeNumbers(object.Object).(map[string]any)
	stamp(object, version)
	return object, nil
}

// stamp notes on an object which version of the manager wants it so.
func stamp(object *unstructured.Unstructured, version string) {
	object.SetAnnotations(Merged(object.GetAnnotations(), map[string]string{v1alpha1.VersionAnnotation: version}))
}

// Name is how an object is called in messages.
func Name(object *unstructured.Unstructured) string {
	if object.GetNamespace() == "" {
		return object.GetKind() + " " + object.GetName()
	}
	return object.GetKind() + " " + client.ObjectKeyFromObject(object).String()
}

func wholeNumbers(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key := range value {
			value[key] = wholeNumbers(value[key])
		}
	case []any:
		for i := range value {
			value[i] = wholeNumbers(value[i])
		}
	case float64:
		return int64(value)
	}
	return value
}
