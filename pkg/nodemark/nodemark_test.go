package nodemark_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/nodemark"
)

const uid = "2f6c1b1e-0000-4000-8000-000000000001"

func node(change func(*corev1.Node)) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "desk-7", Annotations: map[string]string{"example.com/keep": "yes"}}}
	change(n)
	return n
}

func marked(n *corev1.Node) {
	n.Spec.Unschedulable = true
	n.Spec.Taints = []corev1.Taint{
		{Key: "spot", Value: "true", Effect: corev1.TaintEffectNoSchedule},
		{Key: "spot", Value: "true", Effect: corev1.TaintEffectNoExecute},
	}
	n.Annotations[v1alpha1.CordonedByAnnotation] = uid
	n.Annotations[v1alpha1.AppliedTaintsAnnotation] = `[{"key":"spot","value":"true","effect":"NoSchedule"}]`
	n.Annotations[v1alpha1.ReclaimRequestedAnnotation] = "true"
	n.Annotations[v1alpha1.ReclaimReasonAnnotation] = "process-match: java"
	n.Annotations[v1alpha1.ReclaimRequestedAtAnnotation] = "2026-03-02T09:00:00Z"
}

func TestClear(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		node    *corev1.Node
		kinds   nodemark.Kinds
		want    *corev1.Node
		changed bool
	}{
		"all marks of an earlier life go, and what others wrote stays": {
			node:  node(marked),
			kinds: nodemark.All(),
			want: node(func(n *corev1.Node) {
				n.Spec.Taints = []corev1.Taint{{Key: "spot", Value: "true", Effect: corev1.TaintEffectNoExecute}}
			}),
			changed: true,
		},
		"only the kinds that are asked for go": {
			node:  node(marked),
			kinds: nodemark.Kinds{Reclaim: true},
			want: node(func(n *corev1.Node) {
				marked(n)
				delete(n.Annotations, v1alpha1.ReclaimRequestedAnnotation)
				delete(n.Annotations, v1alpha1.ReclaimReasonAnnotation)
				delete(n.Annotations, v1alpha1.ReclaimRequestedAtAnnotation)
			}),
			changed: true,
		},
		"a cordon without our mark stays": {
			node:  node(func(n *corev1.Node) { n.Spec.Unschedulable = true }),
			kinds: nodemark.All(),
			want:  node(func(n *corev1.Node) { n.Spec.Unschedulable = true }),
		},
		"a taint with a reserved key stays, even if the list claims it": {
			node: node(func(n *corev1.Node) {
				n.Spec.Taints = []corev1.Taint{{Key: "node.kubernetes.io/unreachable", Effect: corev1.TaintEffectNoExecute}}
				n.Annotations[v1alpha1.AppliedTaintsAnnotation] = `[{"key":"node.kubernetes.io/unreachable","effect":"NoExecute"}]`
			}),
			kinds: nodemark.All(),
			want: node(func(n *corev1.Node) {
				n.Spec.Taints = []corev1.Taint{{Key: "node.kubernetes.io/unreachable", Effect: corev1.TaintEffectNoExecute}}
			}),
			changed: true,
		},
		"a list of taints that cannot be read owns no taint": {
			node: node(func(n *corev1.Node) {
				n.Spec.Taints = []corev1.Taint{{Key: "spot", Effect: corev1.TaintEffectNoSchedule}}
				n.Annotations[v1alpha1.AppliedTaintsAnnotation] = "nonsense"
			}),
			kinds: nodemark.All(),
			want: node(func(n *corev1.Node) {
				n.Spec.Taints = []corev1.Taint{{Key: "spot", Effect: corev1.TaintEffectNoSchedule}}
			}),
			changed: true,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			c := fake.NewClientBuilder().WithObjects(test.node).Build()
			read := &corev1.Node{}
			g.Expect(c.Get(t.Context(), client.ObjectKeyFromObject(test.node), read)).To(Succeed())

			returned, err := nodemark.Clear(t.Context(), c, read, test.kinds)
			g.Expect(err).NotTo(HaveOccurred())

			after := &corev1.Node{}
			g.Expect(c.Get(t.Context(), client.ObjectKeyFromObject(test.node), after)).To(Succeed())
			if test.changed {
				g.Expect(cmp.Diff(after, returned)).To(BeEmpty())
			} else {
				g.Expect(returned).To(BeNil())
			}
			g.Expect(cmp.Diff(test.want.Spec, after.Spec)).To(BeEmpty())
			g.Expect(cmp.Diff(test.want.Annotations, after.Annotations)).To(BeEmpty())
		})
	}
}

func TestClearWritesNothingWhereThereIsNoMark(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	bare := node(func(*corev1.Node) {})
	c := fake.NewClientBuilder().WithObjects(bare).WithInterceptorFuncs(interceptor.Funcs{
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			t.Error("wrote to a Node without marks")
			return nil
		},
	}).Build()

	after, err := nodemark.Clear(t.Context(), c, bare, nodemark.All())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(after).To(BeNil())
}

func TestClearFailsWhenTheNodeChangedMeanwhile(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	c := fake.NewClientBuilder().WithObjects(node(marked)).Build()
	old := &corev1.Node{}
	g.Expect(c.Get(t.Context(), client.ObjectKey{Name: "desk-7"}, old)).To(Succeed())
	newer := old.DeepCopy()
	newer.Spec.Taints = append(newer.Spec.Taints, corev1.Taint{Key: "foreign", Effect: corev1.TaintEffectNoSchedule})
	g.Expect(c.Update(t.Context(), newer)).To(Succeed())

	_, err := nodemark.Clear(t.Context(), c, old, nodemark.All())
	g.Expect(err).To(MatchError(ContainSubstring("failed to clear marks from Node desk-7")))
}

func TestAForgottenRequestNeedsNoLock(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	c := fake.NewClientBuilder().WithObjects(node(marked)).Build()
	old := &corev1.Node{}
	g.Expect(c.Get(t.Context(), client.ObjectKey{Name: "desk-7"}, old)).To(Succeed())
	newer := old.DeepCopy()
	newer.Labels = map[string]string{"example.com/rack": "7"}
	g.Expect(c.Update(t.Context(), newer)).To(Succeed())

	after, err := nodemark.Clear(t.Context(), c, old, nodemark.Kinds{Reclaim: true})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(after.Labels).To(HaveKey("example.com/rack"))
	g.Expect(nodemark.Find(after).Reclaim).To(BeFalse())
}
