package nodetaint

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/finos/five-spot/api/v1alpha1"
)

// FuzzPlan has anybody write the Node's annotation and taints, and the spec and status
// say anything.
func FuzzPlan(f *testing.F) {
	const taint = `[{"key":"example.com/team","value":"a","effect":"NoSchedule"}]`
	const unreachable = `[{"key":"node.kubernetes.io/unreachable","effect":"NoExecute"}]`
	for _, seed := range [][4]string{
		{"", "[]", "[]", "[]"},
		{taint, taint, taint, taint},
		{"[{", taint, "[]", taint},
		{unreachable, unreachable, "[]", unreachable},
		{"null", taint, unreachable, "[]"},
		{taint, strings.Replace(taint, `"a"`, `"b"`, 1), taint, "[]"},
		{`{"key":1}`, taint, taint, taint},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	f.Fuzz(func(t *testing.T, annotation, onNode, inSpec, inStatus string) {
		node := &corev1.Node{}
		node.Annotations = map[string]string{v1alpha1.AppliedTaintsAnnotation: annotation}
		var wanted, owned []v1alpha1.NodeTaint
		if json.Unmarshal([]byte(onNode), &node.Spec.Taints) != nil || json.Unmarshal([]byte(inSpec), &wanted) != nil || json.Unmarshal([]byte(inStatus), &owned) != nil {
			t.Skip()
		}
		for _, err := range Validate(wanted, field.NewPath("nodeTaints")) {
			if text := err.Error(); len(text) > 1024 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
				t.Errorf("unfit error: %q", text)
			}
		}
		if hasTwice(node.Spec.Taints) {
			t.Skip() // The API server lets no Node have them.
		}
		changes := Plan(node, wanted, owned)
		for _, ours := range slices.Concat(changes.Add, changes.Change, changes.Remove, changes.Owned) {
			if isReserved(ours.Key) {
				t.Errorf("%v is taken for ours", ours)
			}
		}
		after := withChanges(node, changes)
		for _, taint := range node.Spec.Taints {
			if isReserved(taint.Key) && !slices.Contains(after.Spec.Taints, taint) {
				t.Errorf("%v was touched", taint)
			}
		}
		if again := Plan(after, wanted, changes.Owned); !again.IsEmpty() {
			t.Errorf("the second plan is %+v", again)
		}
	})
}

func hasTwice(taints []corev1.Taint) bool {
	seen := map[identity]bool{}
	for _, taint := range taints {
		id := identity{taint.Key, taint.Effect}
		if seen[id] {
			return true
		}
		seen[id] = true
	}
	return false
}
