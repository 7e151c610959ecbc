package machine

import (
	"errors"
	"fmt"

	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/finos/five-spot/api/v1alpha1"
)

var (
	errSpecNotObject = errors.New("spec is not a JSON object")

	// errSecretNotObject stands for every flaw of a Secret's value: what a parser has
	// to say about it may quote it.
	errSecretNotObject = errors.New("the value of the Secret is not a YAML or JSON object")

	errSecretNamesHost = errors.New("the value of the Secret has a " + providerIDField)
)

// mergedSpec is obj's spec with secretValue merged over it.
func mergedSpec(obj v1alpha1.ProviderObject, secretValue []byte) (map[string]any, error) {
	spec, err := jsonObject(rawSpec(obj))
	if err != nil {
		return nil, errSpecNotObject
	}
	if obj.SecretRef == nil {
		return spec, nil
	}
	decoded, err := yaml.YAMLToJSONStrict(secretValue)
	if err != nil {
		return nil, errSecretNotObject
	}
	patch, err := jsonObject(decoded)
	if err != nil {
		return nil, errSecretNotObject
	}
	built := mergePatch(spec, patch)
	if built[providerIDField] != nil {
		return nil, errSecretNamesHost
	}
	return built, nil
}

// mergePatch applies a merge patch of RFC 7386. It is not that of json-patch, which also
// drops nulls in the objects of a list, where they are values.
func mergePatch(target any, patch map[string]any) map[string]any {
	object, ok := target.(map[string]any)
	if !ok {
		object = make(map[string]any, len(patch))
	}
	for name, value := range patch {
		switch value := value.(type) {
		case nil:
			delete(object, name)
		case map[string]any:
			object[name] = mergePatch(object[name], value)
		default:
			object[name] = value
		}
	}
	return object
}

func jsonObject(raw []byte) (map[string]any, error) {
	var value any
	if err := utiljson.Unmarshal(raw, &value); err != nil {
		return nil, fmt.Errorf("failed to decode: %w", err)
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, errSpecNotObject
	}
	return object, nil
}

// rawSpec is obj's spec as JSON; an absent one is empty.
func rawSpec(obj v1alpha1.ProviderObject) []byte {
	if obj.Spec == nil || len(obj.Spec.Raw) == 0 {
		return []byte("{}")
	}
	return obj.Spec.Raw
}

// secretKey is the key of ref, or its default.
func secretKey(ref *v1alpha1.SecretReference) string {
	if ref.Key == "" {
		return "spec"
	}
	return ref.Key
}
