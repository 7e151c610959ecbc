package machine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"

	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/finos/five-spot/api/v1alpha1"
)

// hashed is what a SpecHash covers. Its JSON form is part of the contract between
// releases: changing it would show every running machine as changed.
type hashed struct {
	Bootstrap      hashedProviderObject `json:"bootstrap"`
	Infrastructure hashedProviderObject `json:"infrastructure"`
	Labels         map[string]string    `json:"labels,omitempty"`
	Annotations    map[string]string    `json:"annotations,omitempty"`
}

type hashedProviderObject struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Spec       any    `json:"spec,omitempty"`
	SecretName string `json:"secretName,omitempty"`
	SecretKey  string `json:"secretKey,omitempty"`
}

// SpecHash is a hash over what a change of the spec would make different about
// the objects: bootstrapSpec, infrastructureSpec and machineTemplate. The order
// of keys, blanks and defaults do not count, nor does the content of Secrets. The
// two timeouts are left out, since a shutdown reads them from the spec.
func SpecHash(sm *v1alpha1.ScheduledMachine) string {
	labels, annotations := templateMetadata(sm)
	document, err := json.Marshal(hashed{
		Bootstrap:      hashedObject(sm.Spec.BootstrapSpec),
		Infrastructure: hashedObject(sm.Spec.InfrastructureSpec),
		Labels:         labels,
		Annotations:    annotations,
	})
	if err != nil {
		// Everything in there came out of a JSON decoder or is a string.
		panic(err)
	}
	sum := sha256.Sum256(document)
	return hex.EncodeToString(sum[:16])
}

func hashedObject(obj v1alpha1.ProviderObject) hashedProviderObject {
	hashedObj := hashedProviderObject{APIVersion: obj.APIVersion, Kind: obj.Kind, Spec: canonical(obj)}
	if obj.SecretRef != nil {
		hashedObj.SecretName, hashedObj.SecretKey = obj.SecretRef.Name, secretKey(obj.SecretRef)
	}
	return hashedObj
}

// canonical is the spec as a value that encodes in one way only. A spec that is
// not JSON stands for itself: it is refused elsewhere.
func canonical(obj v1alpha1.ProviderObject) any {
	raw := rawSpec(obj)
	var value any
	if err := utiljson.Unmarshal(raw, &value); err != nil {
		return string(raw)
	}
	if object, ok := value.(map[string]any); ok && len(object) == 0 {
		return nil
	}
	return value
}

// templateMetadata are the labels and annotations of machineTemplate that go onto
// the Machine.
func templateMetadata(sm *v1alpha1.ScheduledMachine) (labels, annotations map[string]string) {
	if sm.Spec.MachineTemplate == nil {
		return nil, nil
	}
	labels = stringMap(sm.Spec.MachineTemplate.Labels)
	annotations = stringMap(sm.Spec.MachineTemplate.Annotations)
	delete(annotations, v1alpha1.ScheduledByAnnotation)
	return labels, annotations
}

func stringMap[V ~string](in map[string]V) map[string]string {
	return maps.Collect(func(yield func(string, string) bool) {
		for key, value := range in {
			if !yield(key, string(value)) {
				return
			}
		}
	})
}
