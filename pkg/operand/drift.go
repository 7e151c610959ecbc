package operand

import (
	"maps"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Differs is whether the live object is not as it is wanted: an object may have labels,
// annotations and owners of others, and nothing else of others.
func Differs(live, wanted *unstructured.Unstructured) bool {
	return !Contains(live.GetLabels(), wanted.GetLabels()) ||
		!Contains(live.GetAnnotations(), wanted.GetAnnotations()) ||
		bodyDiffers(live, wanted)
}

// bodyDiffers is Differs for all but the metadata.
func bodyDiffers(live, wanted *unstructured.Unstructured) bool {
	for key := range wanted.Object {
		if key != "metadata" && !same(live.Object[key], wanted.Object[key]) {
			return true
		}
	}
	if openEnded(wanted) {
		return false
	}
	for key := range live.Object {
		if _, ok := wanted.Object[key]; !ok && key != "status" {
			return true
		}
	}
	return false
}

// openEnded is whether others write the body of the object, too: OpenShift adds pull
// secrets to each ServiceAccount, and a Namespace has finalizers.
func openEnded(object *unstructured.Unstructured) bool {
	return slices.Contains([]string{"Namespace", "ServiceAccount"}, object.GetKind())
}

// immutableDiffers is whether it takes another object to make the live one as it is
// wanted.
func immutableDiffers(live, wanted *unstructured.Unstructured) bool {
	for _, path := range [][]string{{"roleRef"}, {"spec", "selector"}} {
		want, ok, _ := unstructured.NestedFieldNoCopy(wanted.Object, path...)
		have, _, _ := unstructured.NestedFieldNoCopy(live.Object, path...)
		if ok && !same(have, want) {
			return true
		}
	}
	return false
}

// Contains is whether the live labels or annotations have all that are wanted.
func Contains(live, wanted map[string]string) bool {
	for key, value := range wanted {
		if got, ok := live[key]; !ok || got != value {
			return false
		}
	}
	return true
}

// Merged are the live labels or annotations with those that are wanted.
func Merged(live, wanted map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, live)
	maps.Copy(all, wanted)
	return all
}

// defaulted are fields that the API server sets where the manifests do not, and that
// give nobody any power. Of annotations of a Pod template "kubectl rollout restart"
// makes use.
var defaulted = []string{
	"annotations", "creationTimestamp",
	"restartPolicy", "revisionHistoryLimit", "schedulerName", "serviceAccount",
	"terminationMessagePath", "terminationMessagePolicy",
}

// same compares two values of JSON, and of objects in it the fields that are not
// defaulted. Lists keep their order.
func same(live, wanted any) bool {
	switch wanted := wanted.(type) {
	case map[string]any:
		live, ok := live.(map[string]any)
		return ok && sameObject(live, wanted)
	case []any:
		live, ok := live.([]any)
		return ok && slices.EqualFunc(live, wanted, same)
	default:
		return reflect.DeepEqual(live, wanted)
	}
}

func sameObject(live, wanted map[string]any) bool {
	for key := range wanted {
		if value, ok := live[key]; !ok || !same(value, wanted[key]) {
			return false
		}
	}
	for key := range live {
		if _, ok := wanted[key]; !ok && !slices.Contains(defaulted, key) {
			return false
		}
	}
	return true
}
