package machine

import (
	"errors"
	"fmt"

	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/finos/five-spot/api/v1alpha1"
)

var errSpecNotObject = errors.New("spec is not a JSON object")

// mergedSpec is obj's spec with secretValue merged over it.
func mergedSpec(obj v1alpha1.ProviderObject, secretValue []byte) (map[string]any, error) {
	spec, err := jsonObject(rawSpec(obj))
	if err != nil {
		return nil, errSpecNotObject
	}
	if obj.SecretRef == nil {
		return spec, nil
	}
	patch, err := secretObject(secretValue)
	if err != nil {
		return nil, err
	}
	return mergePatch(spec, patch), nil
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
