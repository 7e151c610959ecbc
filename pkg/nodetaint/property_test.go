package nodetaint

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/finos/five-spot/api/v1alpha1"
)

// walk is a Node whose taints 5-Spot and others change in turn, and who put which on.
type walk struct {
	*testing.T
	dice   *rand.Rand
	node   *corev1.Node
	wanted []v1alpha1.NodeTaint
	status []v1alpha1.NodeTaint
	last   string
}

// TestTaintsOfOthersNeverChange lets random things happen to a Node and asserts after
// each that the reconcile that follows leaves alone what others put on, ends with what
// is wanted and free, and has nothing left to do. Others use values of their own.
func TestTaintsOfOthersNeverChange(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		w := &walk{T: t, dice: rand.New(rand.NewPCG(seed, 5)), node: nodeWith("", noRecord)}
		for range 25 {
			happens := w.happens()
			event := happens[w.dice.IntN(len(happens))]
			w.last = fmt.Sprintf("seed %d, %s", seed, event.name)
			event.do()
			w.reconcile()
			if t.Failed() {
				return
			}
		}
	}
}

type event struct {
	name string
	do   func()
}

func (w *walk) happens() []event {
	return []event{
		{"the spec changes", func() { w.wanted = w.someTaints() }},
		{"others add a taint", w.addForeign},
		{"others add a reserved taint", func() {
			w.put(corev1.Taint{Key: "node.kubernetes.io/unreachable", Effect: corev1.TaintEffectNoExecute})
		}},
		{"a taint is removed by hand", func() {
			if n := len(w.node.Spec.Taints); n > 0 {
				i := w.dice.IntN(n)
				w.node.Spec.Taints = slices.Delete(w.node.Spec.Taints, i, i+1)
			}
		}},
		{"the value of a taint of ours is changed by hand", func() {
			for i, taint := range w.node.Spec.Taints {
				if find(w.status, taint) >= 0 && w.isReadable() {
					w.node.Spec.Taints[i].Value = "by-hand"
				}
			}
		}},
		{"the annotation is garbled", func() { w.annotate("[{") }},
		{"the annotation is removed", func() { delete(w.node.Annotations, v1alpha1.AppliedTaintsAnnotation) }},
		{"the annotation claims a reserved taint", func() {
			if w.isReadable() {
				w.annotate(recordOf(append(slices.Clone(w.status), parse("node.kubernetes.io/unreachable=:NoExecute"))))
			}
		}},
		{"the controller stops before the status is written", func() {
			before := w.status
			w.wanted = w.someTaints()
			w.reconcile()
			w.status = before
		}},
	}
}

func (w *walk) reconcile() {
	before := w.node
	foreign := slices.DeleteFunc(slices.Clone(before.Spec.Taints), func(t corev1.Taint) bool { return w.isOurs(t) })
	changes := Plan(before, w.wanted, w.status)
	w.node = withChanges(before, changes)
	w.status = changes.Owned

	// The taints of others are still there, in their order, and nothing else but ours.
	rest := slices.DeleteFunc(slices.Clone(w.node.Spec.Taints), func(t corev1.Taint) bool { return find(changes.Owned, t) >= 0 })
	if !slices.Equal(foreign, rest) {
		w.Errorf("%s: foreign taints were %v and are %v", w.last, foreign, rest)
	}
	for _, want := range w.wanted {
		conflicts, owned := slices.Contains(changes.Conflicts, want), slices.Contains(changes.Owned, want)
		isForeign := slices.ContainsFunc(foreign, func(t corev1.Taint) bool { return t.Key == want.Key && t.Effect == want.Effect })
		if conflicts != isForeign || owned == isForeign {
			w.Errorf("%s: %s is foreign %t, conflict %t, owned %t", w.last, format(want), isForeign, conflicts, owned)
		}
	}
	if len(changes.Owned)+len(changes.Conflicts) != len(w.wanted) {
		w.Errorf("%s: owned %v and conflicts %v of wanted %v", w.last, changes.Owned, changes.Conflicts, w.wanted)
	}
	for _, own := range changes.Owned {
		if !slices.Contains(w.node.Spec.Taints, corev1.Taint{Key: own.Key, Value: own.Value, Effect: own.Effect}) {
			w.Errorf("%s: %s is owned and not on the Node", w.last, format(own))
		}
	}
	if again := Plan(w.node, w.wanted, w.status); !again.IsEmpty() {
		w.Errorf("%s: the second plan is %+v", w.last, again)
	}
}

// isOurs is the truth that Plan has to find: only we put on values of ours, and one
// changed by hand stays ours. A taint whose every record was lost is nobody's.
func (w *walk) isOurs(taint corev1.Taint) bool {
	if taint.Value != "a" && taint.Value != "b" && taint.Value != "by-hand" {
		return false
	}
	return proofOf(w.node, w.status)(taint)
}

func (w *walk) isReadable() bool {
	return len(w.status) > 0 && w.node.Annotations[v1alpha1.AppliedTaintsAnnotation] == recordOf(w.status)
}

// addForeign puts on a taint that we neither have nor miss; on one that we miss, others
// would only change its value.
func (w *walk) addForeign() {
	taint := w.someTaint()
	if find(w.status, corev1.Taint{Key: taint.Key, Effect: taint.Effect}) < 0 {
		w.put(corev1.Taint{Key: taint.Key, Value: "theirs", Effect: taint.Effect})
	}
}

func (w *walk) put(taint corev1.Taint) {
	if !slices.ContainsFunc(w.node.Spec.Taints, func(t corev1.Taint) bool { return t.MatchTaint(&taint) }) {
		w.node.Spec.Taints = slices.Insert(w.node.Spec.Taints, w.dice.IntN(len(w.node.Spec.Taints)+1), taint)
	}
}

func (w *walk) annotate(value string) {
	w.node.Annotations = map[string]string{v1alpha1.AppliedTaintsAnnotation: value}
}

func (w *walk) someTaints() []v1alpha1.NodeTaint {
	var taints []v1alpha1.NodeTaint
	for range w.dice.IntN(5) {
		taint := w.someTaint()
		if find(taints, corev1.Taint{Key: taint.Key, Effect: taint.Effect}) < 0 {
			taints = append(taints, taint)
		}
	}
	return taints
}

func (w *walk) someTaint() v1alpha1.NodeTaint {
	pick := func(texts ...string) string { return texts[w.dice.IntN(len(texts))] }
	return parse(pick("spot", "gpu", "example.com/team") + "=" + pick("a", "b") + ":" + pick("NoSchedule", "NoExecute"))
}
