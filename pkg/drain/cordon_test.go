package drain_test

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/pkg/drain"
)

func cordoned(by string) func(*corev1.Node) {
	return func(node *corev1.Node) {
		node.Spec.Unschedulable = true
		if by != "" {
			node.Annotations = map[string]string{markKey: by}
		}
	}
}

func TestCordon(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		node     *corev1.Node
		wantMark string
		patches  int
	}{
		"a Node is cordoned and marked in one write":                        {node: aNode(), wantMark: string(owner), patches: 1},
		"our own cordon is not written again":                               {node: aNode(cordoned(string(owner))), wantMark: string(owner)},
		"a cordon of somebody else is not made ours":                        {node: aNode(cordoned("")), wantMark: ""},
		"a cordon of another owner stays that owner's":                      {node: aNode(cordoned("other")), wantMark: "other"},
		"a Node that somebody made schedulable in mid-drain is cordoned":    {node: aNode(cordoned(string(owner)), schedulable), wantMark: string(owner), patches: 1},
		"a mark that outlived its cordon does not make the next one theirs": {node: aNode(cordoned("other"), schedulable), wantMark: string(owner), patches: 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, test.node, aPod("web"))
			given := b.node(t.Context())
			request := b.request(t.Context())
			request.Node = given.DeepCopy()

			progress, err := b.drainer.Step(t.Context(), request)
			b.Expect(err).NotTo(HaveOccurred())
			b.Expect(request.Node).To(Equal(given), "the caller's Node is changed")
			b.Expect(progress.Cordoned).To(Equal(test.patches == 1))
			b.Expect(b.patches).To(Equal(test.patches))
			after := b.node(t.Context())
			b.Expect(after.Spec.Unschedulable).To(BeTrue())
			b.Expect(after.Annotations[markKey]).To(Equal(test.wantMark))
			b.Expect(b.evicted).To(ConsistOf("web"))
		})
	}
}

func schedulable(node *corev1.Node) { node.Spec.Unschedulable = false }

func TestACordonThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	resource := schema.GroupResource{Resource: "nodes"}
	tests := map[string]struct {
		spoil   func(ctx context.Context, b *bench, seen *corev1.Node)
		wantErr string
	}{
		"does not become ours when somebody was faster": {spoil: func(ctx context.Context, b *bench, seen *corev1.Node) {
			other := seen.DeepCopy()
			other.Spec.Unschedulable = true
			b.Expect(b.workload.Update(ctx, other)).To(Succeed())
		}},
		"waits for the next look when the Node is gone": {spoil: func(_ context.Context, _ *bench, seen *corev1.Node) {
			seen.Name = "gone"
		}},
		"is an error when the API server forbids it": {
			spoil: func(_ context.Context, b *bench, _ *corev1.Node) {
				b.workload = refusing(b.workload, apierrors.NewForbidden(resource, nodeName, nil))
			},
			wantErr: "failed to cordon Node desk-7",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, aNode(), aPod("web"))
			b.previous = drain.Progress{PodsTotal: 5, PodsRemaining: 3, BlockedBy: []string{"Pod shop/web: held"}}
			request := b.request(t.Context())
			test.spoil(t.Context(), b, request.Node)
			request.Workload = b.workload

			progress, err := b.drainer.Step(t.Context(), request)
			b.Expect(b.evicted).To(BeEmpty(), "evicted from a Node that is not cordoned")
			b.Expect(b.node(t.Context()).Annotations).NotTo(HaveKey(markKey))
			if test.wantErr != "" {
				b.Expect(err).To(MatchError(ContainSubstring(test.wantErr)))
				return
			}
			b.Expect(err).NotTo(HaveOccurred())
			b.Expect(progress.RetryAfter).To(BeNumerically(">", 0))
			progress.RetryAfter = 0
			b.Expect(progress).To(Equal(b.previous), "progress that was not made")
		})
	}
}

// refusingClient refuses every patch.
type refusingClient struct {
	client.WithWatch
	err error
}

func refusing(c client.WithWatch, err error) client.WithWatch {
	return refusingClient{WithWatch: c, err: err}
}

func (c refusingClient) Patch(context.Context, client.Object, client.Patch, ...client.PatchOption) error {
	return c.err
}
