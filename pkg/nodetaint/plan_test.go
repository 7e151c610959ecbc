package nodetaint

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/finos/five-spot/api/v1alpha1"
)

// A taint is written in these tests as kubectl does: key=value:Effect.
func parse(text string) v1alpha1.NodeTaint {
	name, effect, _ := strings.Cut(text, ":")
	key, value, _ := strings.Cut(name, "=")
	return v1alpha1.NodeTaint{Key: key, Value: value, Effect: corev1.TaintEffect(effect)}
}

func format(taint v1alpha1.NodeTaint) string {
	return taint.Key + "=" + taint.Value + ":" + string(taint.Effect)
}

func taintsOf(texts string) []v1alpha1.NodeTaint {
	var taints []v1alpha1.NodeTaint
	for text := range strings.FieldsSeq(texts) {
		taints = append(taints, parse(text))
	}
	return taints
}

func formatAll(taints []v1alpha1.NodeTaint) string {
	texts := make([]string, 0, len(taints))
	for _, taint := range taints {
		texts = append(texts, format(taint))
	}
	return strings.Join(texts, " ")
}

func onNode(node *corev1.Node) string {
	texts := make([]string, 0, len(node.Spec.Taints))
	for _, taint := range node.Spec.Taints {
		texts = append(texts, format(v1alpha1.NodeTaint{Key: taint.Key, Value: taint.Value, Effect: taint.Effect}))
	}
	return strings.Join(texts, " ")
}

const noRecord = "none"

// nodeWith returns a Node with the taints and the annotation, which noRecord leaves out.
func nodeWith(taints, record string) *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "desk-7", ResourceVersion: "1"}}
	for _, taint := range taintsOf(taints) {
		node.Spec.Taints = append(node.Spec.Taints, corev1.Taint{Key: taint.Key, Value: taint.Value, Effect: taint.Effect})
	}
	if record != noRecord {
		node.Annotations = map[string]string{v1alpha1.AppliedTaintsAnnotation: record}
	}
	return node
}

func recorded(taints string) string { return recordOf(taintsOf(taints)) }

func TestPlan(t *testing.T) {
	t.Parallel()
	const (
		spot    = "spot=true:NoSchedule"
		evict   = "spot=true:NoExecute"
		foreign = "gpu=a100:NoSchedule"
	)
	type changes struct{ add, change, remove, conflicts, owned, node string }

	for name, c := range map[string]struct {
		node   string // the taints on the Node
		record string // the Node's annotation
		status string // the taints that the status lists
		wanted string
		want   changes
		writes bool
	}{
		"nothing wanted and nothing there": {
			record: noRecord,
		},
		"a wanted taint is added behind the foreign ones": {
			node: foreign, record: noRecord, wanted: spot, writes: true,
			want: changes{add: spot, owned: spot, node: foreign + " " + spot},
		},
		"several are added in the order of key and effect": {
			record: noRecord, wanted: "z=1:NoSchedule spot=true:NoSchedule spot=true:NoExecute", writes: true,
			want: changes{
				add:   "spot=true:NoExecute spot=true:NoSchedule z=1:NoSchedule",
				owned: "spot=true:NoExecute spot=true:NoSchedule z=1:NoSchedule",
				node:  "spot=true:NoExecute spot=true:NoSchedule z=1:NoSchedule",
			},
		},
		"what is there and ours is not written again": {
			node: spot, record: recorded(spot), status: spot, wanted: spot,
			want: changes{owned: spot, node: spot},
		},
		"another order of the spec is no change": {
			node: spot + " " + evict, record: recorded(evict + " " + spot), status: evict + " " + spot, wanted: spot + " " + evict,
			want: changes{owned: evict + " " + spot, node: spot + " " + evict},
		},
		"of a taint that is wanted twice the first counts": {
			record: noRecord, wanted: "spot=1:NoSchedule spot=2:NoSchedule", writes: true,
			want: changes{add: "spot=1:NoSchedule", owned: "spot=1:NoSchedule", node: "spot=1:NoSchedule"},
		},
		"a new value in the spec changes the taint in its place": {
			node: spot + " " + foreign, record: recorded(spot), status: spot, wanted: "spot=later:NoSchedule", writes: true,
			want: changes{change: "spot=later:NoSchedule", owned: "spot=later:NoSchedule", node: "spot=later:NoSchedule " + foreign},
		},
		"a new effect in the spec replaces the taint": {
			node: spot, record: recorded(spot), status: spot, wanted: evict, writes: true,
			want: changes{add: evict, remove: spot, owned: evict, node: evict},
		},
		"a taint taken out of the spec is removed": {
			node: spot + " " + foreign + " " + evict, record: recorded(spot + " " + evict), status: spot + " " + evict, wanted: evict, writes: true,
			want: changes{remove: spot, owned: evict, node: foreign + " " + evict},
		},
		"several taken out of the spec are removed in the order of key and effect": {
			node: "z=1:NoSchedule " + spot + " " + evict, record: recorded(evict + " " + spot + " z=1:NoSchedule"), writes: true,
			want: changes{remove: evict + " " + spot + " z=1:NoSchedule"},
		},
		"the last taint taken out of the spec takes the record along": {
			node: spot + " " + foreign, record: recorded(spot), status: spot, writes: true,
			want: changes{remove: spot, node: foreign},
		},

		"a taint removed by hand is put back": {
			node: foreign, record: recorded(spot), status: spot, wanted: spot, writes: true,
			want: changes{add: spot, owned: spot, node: foreign + " " + spot},
		},
		"a value changed by hand is repaired": {
			node: "spot=mine:NoSchedule", record: recorded(spot), status: spot, wanted: spot, writes: true,
			want: changes{change: spot, owned: spot, node: spot},
		},
		"a value changed by hand does not keep the taint from being removed": {
			node: "spot=mine:NoSchedule", record: recorded(spot), status: spot, writes: true,
			want: changes{remove: "spot=mine:NoSchedule"},
		},
		"an effect changed by hand is a foreign taint and one of ours missing": {
			node: evict, record: recorded(spot), status: spot, wanted: spot, writes: true,
			want: changes{add: spot, owned: spot, node: evict + " " + spot},
		},

		"a foreign taint with another value is a conflict": {
			node: "spot=theirs:NoSchedule", record: noRecord, wanted: spot + " " + evict, writes: true,
			want: changes{add: evict, conflicts: spot, owned: evict, node: "spot=theirs:NoSchedule " + evict},
		},
		"a foreign taint with the same value is a conflict": {
			node: spot, record: noRecord, wanted: spot,
			want: changes{conflicts: spot, node: spot},
		},
		"a conflict taken out of the spec leaves the foreign taint": {
			node: spot, record: noRecord,
			want: changes{node: spot},
		},
		"a conflict is over when the others remove their taint": {
			record: noRecord, wanted: spot, writes: true,
			want: changes{add: spot, owned: spot, node: spot},
		},
		"the same key with another effect is no conflict": {
			node: evict, record: noRecord, wanted: spot, writes: true,
			want: changes{add: spot, owned: spot, node: evict + " " + spot},
		},

		"after a crash behind the write that added, the annotation knows": {
			node: spot, record: recorded(spot), wanted: spot,
			want: changes{owned: spot, node: spot},
		},
		"after a crash behind the write that added, the taint can be taken out of the spec": {
			node: spot, record: recorded(spot), writes: true,
			want: changes{remove: spot},
		},
		"after a crash behind the write that changed, the old value is not put back": {
			node: "spot=later:NoSchedule", record: recorded("spot=later:NoSchedule"), status: spot, wanted: "spot=later:NoSchedule",
			want: changes{owned: "spot=later:NoSchedule", node: "spot=later:NoSchedule"},
		},
		"after a crash behind the write that removed, somebody else's taint of that name stays": {
			node: spot + " " + evict, record: recorded(evict), status: spot + " " + evict, wanted: evict,
			want: changes{owned: evict, node: spot + " " + evict},
		},
		"after a crash behind the write that removed the last, the status keeps what it describes": {
			record: noRecord, status: spot,
		},

		"with an annotation that cannot be read the status proves": {
			node: spot + " " + evict, record: "nonsense", status: spot + " " + evict, wanted: spot, writes: true,
			want: changes{remove: evict, owned: spot, node: spot},
		},
		"with an annotation removed by hand the status proves, and the record is made good": {
			node: spot, record: noRecord, status: spot, wanted: spot, writes: true,
			want: changes{owned: spot, node: spot},
		},
		"the status proves nothing about a taint with another value": {
			node: "spot=theirs:NoSchedule", record: noRecord, status: spot, wanted: spot,
			want: changes{conflicts: spot, node: "spot=theirs:NoSchedule"},
		},
		"without any proof an annotation that cannot be read goes, and the taints stay": {
			node: spot, record: "{", writes: true,
			want: changes{node: spot},
		},
		"an empty annotation is one that cannot be read": {
			node: spot, record: "", status: spot, writes: true,
			want: changes{remove: spot},
		},
		"an empty annotation goes where nothing is owned": {
			node: foreign, record: "", writes: true,
			want: changes{node: foreign},
		},
		"an annotation that lists a taint no longer disowns it": {
			node: spot, record: "[]", status: spot, wanted: spot, writes: true,
			want: changes{conflicts: spot, node: spot},
		},
		"an annotation formatted by hand is written in our form": {
			node: spot, record: `[{"effect": "NoSchedule", "key": "spot", "value": "true"}]`, status: spot, wanted: spot, writes: true,
			want: changes{owned: spot, node: spot},
		},
		"an annotation that lists what is not on the Node is corrected": {
			node: spot, record: recorded(evict + " " + spot), status: spot, wanted: spot, writes: true,
			want: changes{owned: spot, node: spot},
		},
		"a new Node of the same name gets its taints": {
			node: "node.kubernetes.io/not-ready=:NoSchedule", record: noRecord, wanted: spot, writes: true,
			want: changes{add: spot, owned: spot, node: "node.kubernetes.io/not-ready=:NoSchedule " + spot},
		},

		"taints of Kubernetes stay even if the annotation claims them": {
			node:   "node.kubernetes.io/unreachable=:NoExecute node-role.kubernetes.io/control-plane=:NoSchedule",
			record: recorded("node-role.kubernetes.io/control-plane=:NoSchedule node.kubernetes.io/unreachable=:NoExecute"), writes: true,
			want: changes{node: "node.kubernetes.io/unreachable=:NoExecute node-role.kubernetes.io/control-plane=:NoSchedule"},
		},
		"taints of Kubernetes stay even if the status claims them": {
			node:   "node.kubernetes.io/unreachable=:NoExecute",
			record: noRecord, status: "node.kubernetes.io/unreachable=:NoExecute",
			want: changes{node: "node.kubernetes.io/unreachable=:NoExecute"},
		},
		"a reserved key is never added": {
			record: noRecord, wanted: "node.kubernetes.io/unschedulable=:NoSchedule",
			want: changes{conflicts: "node.kubernetes.io/unschedulable=:NoSchedule"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			node := nodeWith(c.node, c.record)
			before := node.DeepCopy()

			plan := Plan(node, taintsOf(c.wanted), taintsOf(c.status))
			after := withChanges(node, plan)
			got := changes{
				formatAll(plan.Add), formatAll(plan.Change), formatAll(plan.Remove),
				formatAll(plan.Conflicts), formatAll(plan.Owned), onNode(after),
			}
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(changes{})); diff != "" {
				t.Errorf("unexpected plan (-want +got):\n%s", diff)
			}
			if plan.IsEmpty() == c.writes {
				t.Errorf("writes %t, want %t", !plan.IsEmpty(), c.writes)
			}
			if diff := cmp.Diff(before, node); diff != "" {
				t.Errorf("the Node that was passed is not as it was:\n%s", diff)
			}
			again := Plan(after, taintsOf(c.wanted), plan.Owned)
			if !again.IsEmpty() || formatAll(again.Owned) != c.want.owned || formatAll(again.Conflicts) != c.want.conflicts {
				t.Errorf("the second plan is %+v", again)
			}
		})
	}
}

func TestTheTimeAtWhichATaintWasAddedIsKept(t *testing.T) {
	t.Parallel()
	node := nodeWith("gpu=a100:NoExecute spot=mine:NoExecute old=1:NoExecute", recorded("old=1:NoExecute spot=true:NoExecute"))
	added := metav1.NewTime(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	for i := range node.Spec.Taints {
		node.Spec.Taints[i].TimeAdded = &added
	}

	after := withChanges(node, Plan(node, taintsOf("spot=true:NoExecute"), nil))
	want := []corev1.Taint{
		{Key: "gpu", Value: "a100", Effect: corev1.TaintEffectNoExecute, TimeAdded: &added},
		{Key: "spot", Value: "true", Effect: corev1.TaintEffectNoExecute, TimeAdded: &added},
	}
	if diff := cmp.Diff(want, after.Spec.Taints); diff != "" {
		t.Errorf("unexpected taints (-want +got):\n%s", diff)
	}
}

func TestTheRecordIsAListOfKeyValueAndEffect(t *testing.T) {
	t.Parallel()
	node := nodeWith("", noRecord)
	after := withChanges(node, Plan(node, taintsOf("spot=true:NoSchedule bare=:NoExecute"), nil))
	want := `[{"key":"bare","effect":"NoExecute"},{"key":"spot","value":"true","effect":"NoSchedule"}]`
	if got := after.Annotations[v1alpha1.AppliedTaintsAnnotation]; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
