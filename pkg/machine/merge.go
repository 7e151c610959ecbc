package machine

import (
	"errors"
	"fmt"

	jsonpatch "github.com/evanphx/json-patch/v5"
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
	merged, err := jsonpatch.MergePatch(rawSpec(obj), patch)
	if err != nil {
		return nil, errSecretNotObject
	}
	return jsonObject(merged)
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
