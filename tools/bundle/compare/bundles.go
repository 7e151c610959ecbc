// Package compare compares a bundle with the one that operator-sdk makes of the same
// objects: what they say, not how it is written.
package compare

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/finos/five-spot/tools/bundle/generate"
)

// signed are annotations of the ClusterServiceVersion by which operator-sdk says that, and
// when, it made the bundle.
var signed = []string{"createdAt", "operators.operatorframework.io/builder", "operators.operatorframework.io/project_layout"}

// signedMetadata begins the annotations by which it says so in metadata/annotations.yaml.
const signedMetadata = "operators.operatorframework.io.metrics."

// openShift is an annotation that it does not know.
const openShift = "com.redhat.openshift.versions"

// Bundles is an error for each file in which the bundles in the two folders differ.
func Bundles(ours, theirs string) error {
	a, err := generate.Load(ours)
	if err != nil {
		return err
	}
	b, err := generate.Load(theirs)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if b[name] == nil {
			errs = append(errs, fmt.Errorf("%s: operator-sdk does not make it", name))
		} else if err := equal(a[name], b[name]); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b)) {
		if a[name] == nil {
			errs = append(errs, fmt.Errorf("%s: only operator-sdk makes it", name))
		}
	}
	return errors.Join(errs...)
}

func equal(ours, theirs []byte) error {
	a, err := read(ours)
	if err != nil {
		return err
	}
	b, err := read(theirs)
	if err != nil {
		return err
	}
	var errs []error
	for _, field := range differences("", a, b) {
		errs = append(errs, fmt.Errorf("%s: is not what operator-sdk makes of it", field))
	}
	return errors.Join(errs...)
}

// read reads an object without what makes no difference.
func read(text []byte) (map[string]any, error) {
	object := map[string]any{}
	if err := yaml.Unmarshal(text, &object); err != nil {
		return nil, fmt.Errorf("failed to read it: %w", err)
	}
	if err := forgive(object); err != nil {
		return nil, err
	}
	pruned, _ := prune(object).(map[string]any)
	return pruned, nil
}

// forgive takes out what operator-sdk adds or leaves out by design.
func forgive(object map[string]any) error {
	delete(object, "status")
	if annotations, ok := object["annotations"].(map[string]any); ok {
		delete(annotations, openShift)
		maps.DeleteFunc(annotations, func(key string, _ any) bool { return strings.HasPrefix(key, signedMetadata) })
	}
	if object["kind"] != "ClusterServiceVersion" {
		return nil
	}
	metadata, _ := object["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	for _, key := range signed {
		delete(annotations, key)
	}
	var examples any
	if text, ok := annotations["alm-examples"].(string); ok {
		if err := json.Unmarshal([]byte(text), &examples); err != nil {
			return fmt.Errorf("failed to read the annotation alm-examples: %w", err)
		}
		annotations["alm-examples"] = examples
	}
	if spec, ok := object["spec"].(map[string]any); ok {
		// It writes them only where it also pins them.
		delete(spec, "relatedImages")
		if reflect.DeepEqual(spec["cleanup"], map[string]any{"enabled": false}) {
			delete(spec, "cleanup")
		}
	}
	return nil
}

// prune takes out what is empty: types write some fields that were not set.
func prune(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, item := range value {
			if value[key] = prune(item); value[key] == nil {
				delete(value, key)
			}
		}
		if len(value) == 0 {
			return nil
		}
	case []any:
		for i := range value {
			value[i] = prune(value[i])
		}
		if len(value) == 0 {
			return nil
		}
	}
	return value
}

// differences are the paths of the fields that differ.
func differences(path string, a, b any) []string {
	left, ok := a.(map[string]any)
	right, both := b.(map[string]any)
	if !ok || !both {
		if reflect.DeepEqual(a, b) {
			return nil
		}
		return []string{strings.TrimPrefix(path, ".")}
	}
	keys := maps.Clone(left)
	maps.Copy(keys, right)
	var fields []string
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		fields = append(fields, differences(path+"."+key, left[key], right[key])...)
	}
	return fields
}
