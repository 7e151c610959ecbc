package nodemark

import (
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/finos/five-spot/api/v1alpha1"
)

// FuzzFind clears the marks of Nodes that anybody has written to: nothing of ours stays,
// and nothing else goes.
func FuzzFind(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"metadata":{"annotations":{"5spot.finos.org/cordoned-by":"u"}},"spec":{"unschedulable":true}}`,
		`{"metadata":{"annotations":{"5spot.finos.org/reclaim-requested":"","other":"x"}}}`,
		`{"metadata":{"annotations":{"5spot.finos.org/applied-taints":"[{\"key\":\"a\",\"effect\":\"NoSchedule\"}]"}},"spec":{"taints":[{"key":"a","effect":"NoSchedule"},{"key":"b","effect":"NoExecute"}]}}`,
		`{"metadata":{"annotations":{"5spot.finos.org/applied-taints":"garbled"}},"spec":{"taints":[{"key":"a","effect":"NoSchedule"}]}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		node := &corev1.Node{}
		if json.Unmarshal([]byte(text), node) != nil {
			t.Skip()
		}
		found := Find(node)
		after := without(node, All())
		if found.Any() != (after != nil) {
			t.Fatalf("found %+v, but without it is %v", found, after)
		}
		if after == nil {
			return
		}
		if left := Find(after); left.Any() {
			t.Errorf("%+v stays of %+v", left, found)
		}
		ours := map[string]bool{
			v1alpha1.CordonedByAnnotation: true, v1alpha1.AppliedTaintsAnnotation: true,
			v1alpha1.ReclaimRequestedAnnotation: true, v1alpha1.ReclaimReasonAnnotation: true, v1alpha1.ReclaimRequestedAtAnnotation: true,
		}
		for key, value := range node.Annotations {
			if got, still := after.Annotations[key]; !ours[key] && (!still || got != value) {
				t.Errorf("the annotation %q is gone", key)
			}
		}
		if !found.Cordon && node.Spec.Unschedulable != after.Spec.Unschedulable {
			t.Error("somebody else's cordon is gone")
		}
		if !found.Taints && len(node.Spec.Taints) != len(after.Spec.Taints) {
			t.Error("somebody else's taint is gone")
		}
	})
}
