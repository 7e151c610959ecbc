package nodetaint

import (
	"cmp"
	"encoding/json"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/finos/five-spot/api/v1alpha1"
)

// Changes are what a Node lacks to have the wanted taints. Each list is in the order
// of key and effect, and names a key with an effect at most once.
type Changes struct {
	// Add are wanted taints that are not on the Node.
	Add []v1alpha1.NodeTaint

	// Change are taints of ours whose value on the Node is not the wanted one, with
	// the wanted value.
	Change []v1alpha1.NodeTaint

	// Remove are taints of ours that are no longer wanted, with the value that they
	// have on the Node.
	Remove []v1alpha1.NodeTaint

	// Conflicts are wanted taints whose key and effect are somebody else's, whatever
	// the value: they are neither written nor owned.
	Conflicts []v1alpha1.NodeTaint

	// Owned are the taints on the Node that are ours once the changes are written:
	// the wanted ones without the conflicts.
	Owned []v1alpha1.NodeTaint

	// record is whether the Node's annotation does not list Owned.
	record bool
}

// IsEmpty is whether there is nothing to write. Conflicts may remain.
func (c Changes) IsEmpty() bool {
	return len(c.Add) == 0 && len(c.Change) == 0 && len(c.Remove) == 0 && !c.record
}

// Plan returns what has to change so that the Node has the wanted taints. owned are
// the taints that the status lists for this very Node, by UID; none when the status
// is about an earlier Node of that name. They count only where the Node's own
// annotation is missing or cannot be read.
//
// A taint on the Node that is not ours stays as it is. If it has key and effect of a
// wanted one, that one is a conflict even if the values agree: to count it as ours
// would mean to remove it one day. Reserved keys are never ours.
func Plan(node *corev1.Node, wanted, owned []v1alpha1.NodeTaint) Changes {
	ours := proofOf(node, owned)
	var changes Changes
	for _, want := range normalized(wanted) {
		changes.consider(want, node.Spec.Taints, ours)
	}
	for _, taint := range node.Spec.Taints {
		if find(wanted, taint) < 0 && ours(taint) {
			changes.Remove = append(changes.Remove, v1alpha1.NodeTaint{Key: taint.Key, Value: taint.Value, Effect: taint.Effect})
		}
	}
	changes.Remove = normalized(changes.Remove)

	recorded, exists := node.Annotations[v1alpha1.AppliedTaintsAnnotation]
	changes.record = recorded != recordOf(changes.Owned) || exists != (len(changes.Owned) > 0)
	return changes
}

// Owned returns the taints that are on the Node and ours, with the value that they have
// there, in the order of key and effect. For owned see Plan.
func Owned(node *corev1.Node, owned []v1alpha1.NodeTaint) []v1alpha1.NodeTaint {
	return Plan(node, nil, owned).Remove
}

// consider adds what has to be done about one wanted taint.
func (c *Changes) consider(want v1alpha1.NodeTaint, onNode []corev1.Taint, ours func(corev1.Taint) bool) {
	i := slices.IndexFunc(onNode, func(t corev1.Taint) bool { return t.Key == want.Key && t.Effect == want.Effect })
	if isReserved(want.Key) || i >= 0 && !ours(onNode[i]) {
		c.Conflicts = append(c.Conflicts, want)
		return
	}
	c.Owned = append(c.Owned, want)
	switch {
	case i < 0:
		c.Add = append(c.Add, want)
	case onNode[i].Value != want.Value:
		c.Change = append(c.Change, want)
	}
}

// proofOf returns what tells whether a taint on the Node is ours. The annotation was
// written together with the taints, so where it can be read it alone decides, and a
// value that differs was changed by hand. The status is written later and may be out
// of date; it proves only what it describes to the letter.
func proofOf(node *corev1.Node, owned []v1alpha1.NodeTaint) func(corev1.Taint) bool {
	var recorded []v1alpha1.NodeTaint
	readable := json.Unmarshal([]byte(node.Annotations[v1alpha1.AppliedTaintsAnnotation]), &recorded) == nil

	return func(taint corev1.Taint) bool {
		if isReserved(taint.Key) {
			return false
		}
		if readable {
			return find(recorded, taint) >= 0
		}
		return slices.Contains(owned, v1alpha1.NodeTaint{Key: taint.Key, Value: taint.Value, Effect: taint.Effect})
	}
}

// recordOf returns the annotation that lists the taints; empty when there are none.
func recordOf(owned []v1alpha1.NodeTaint) string {
	if len(owned) == 0 {
		return ""
	}
	// A list of strings cannot fail to marshal.
	record, _ := json.Marshal(owned) //nolint:errchkjson // see above
	return string(record)
}

// normalized returns a copy in the order of key and effect. Of several taints with the
// same key and effect the first counts.
func normalized(taints []v1alpha1.NodeTaint) []v1alpha1.NodeTaint {
	sorted := slices.Clone(taints)
	slices.SortStableFunc(sorted, func(a, b v1alpha1.NodeTaint) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Effect, b.Effect))
	})
	return slices.CompactFunc(sorted, func(a, b v1alpha1.NodeTaint) bool { return identityOf(a) == identityOf(b) })
}

// identity tells taints apart; a Node has at most one of each.
type identity struct {
	key    string
	effect corev1.TaintEffect
}

func identityOf(taint v1alpha1.NodeTaint) identity { return identity{taint.Key, taint.Effect} }
