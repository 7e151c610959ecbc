package annotate_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/finos/five-spot/agent/annotate"
	"github.com/finos/five-spot/pkg/reclaim"
)

const nodeName = "desk-7"

var (
	errWrong  = errors.New("machine-id differs")
	errRefuse = errors.New("refused")
	request   = reclaim.Matched("idea", time.Date(2026, 11, 23, 8, 30, 0, 0, time.UTC))
	requested = map[string]string{
		"5spot.finos.org/reclaim-requested":    "true",
		"5spot.finos.org/reclaim-reason":       "process-match: idea",
		"5spot.finos.org/reclaim-requested-at": "2026-11-23T08:30:00Z",
	}
)

// nodes is an API server with one Node, or none.
type nodes struct {
	node     *corev1.Node
	getErr   error
	patchErr error
	patches  []string
}

func (n *nodes) Node(_ context.Context, name string) (*corev1.Node, error) {
	if n.getErr != nil {
		return nil, n.getErr
	}
	if n.node == nil || n.node.Name != name {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "nodes"}, name)
	}
	return n.node.DeepCopy(), nil
}

func (n *nodes) NodeMetadata(ctx context.Context, name string) (*metav1.PartialObjectMetadata, error) {
	node, err := n.Node(ctx, name)
	if err != nil {
		return nil, err
	}
	return &metav1.PartialObjectMetadata{ObjectMeta: node.ObjectMeta}, nil
}

func (n *nodes) PatchNode(_ context.Context, _ string, patch []byte) error {
	n.patches = append(n.patches, string(patch))
	return n.patchErr
}

func node(annotations map[string]string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: nodeName, UID: "uid-7", Annotations: annotations},
		Status:     corev1.NodeStatus{NodeInfo: corev1.NodeSystemInfo{MachineID: "0123"}},
	}
}

func TestRequest(t *testing.T) {
	t.Parallel()
	already := maps.Clone(requested)
	already["5spot.finos.org/reclaim-reason"] = "process-match: somebody else"
	for name, test := range map[string]struct {
		server  *nodes
		hostErr error
		want    annotate.Result
		err     error
		patched bool
	}{
		"a Node that does not ask is annotated":            {server: &nodes{node: node(nil)}, want: annotate.Written, patched: true},
		"other annotations do not count":                   {server: &nodes{node: node(map[string]string{"a": "b"})}, want: annotate.Written, patched: true},
		"a value that does not count is replaced":          {server: &nodes{node: node(map[string]string{"5spot.finos.org/reclaim-requested": "false"})}, want: annotate.Written, patched: true},
		"a Node that asks already is left alone":           {server: &nodes{node: node(requested)}, want: annotate.AlreadyRequested},
		"the first reason stays":                           {server: &nodes{node: node(already)}, want: annotate.AlreadyRequested},
		"a Node of another machine is never patched":       {server: &nodes{node: node(nil)}, hostErr: errWrong, err: annotate.ErrWrongHost},
		"nor is one that asks already reported as handled": {server: &nodes{node: node(requested)}, hostErr: errWrong, err: annotate.ErrWrongHost},
		"the reason of a wrong host is told":               {server: &nodes{node: node(nil)}, hostErr: errWrong, err: errWrong},
		"a Node that cannot be read is not patched":        {server: &nodes{node: node(nil), getErr: errRefuse}, err: errRefuse},
		"a refused patch is an error":                      {server: &nodes{node: node(nil), patchErr: errRefuse}, err: errRefuse, patched: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			annotator := annotate.New(test.server, nodeName, func(machineID string) error {
				g.Expect(machineID).To(Equal("0123"))
				return test.hostErr
			})
			result, err := annotator.Request(t.Context(), request)
			g.Expect(result).To(Equal(test.want))
			if test.err == nil {
				g.Expect(err).NotTo(HaveOccurred())
			} else {
				g.Expect(err).To(MatchError(test.err))
			}
			g.Expect(test.server.patches).To(HaveLen(map[bool]int{true: 1}[test.patched]))
		})
	}
}

func TestThePatchHoldsTheRequestAndTheNodeThatWasChecked(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	server := &nodes{node: node(nil)}
	_, err := annotate.New(server, nodeName, func(string) error { return nil }).Request(t.Context(), request)
	g.Expect(err).NotTo(HaveOccurred())
	want, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": "uid-7", "annotations": requested}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(server.patches).To(HaveLen(1))
	g.Expect(server.patches[0]).To(MatchJSON(want))
}

func TestTheHostIsCheckedBeforeEveryPatch(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	server := &nodes{node: node(nil), patchErr: errRefuse}
	checks := 0
	annotator := annotate.New(server, nodeName, func(string) error { checks++; return nil })
	for range 3 {
		_, err := annotator.Request(t.Context(), request)
		g.Expect(err).To(HaveOccurred())
	}
	g.Expect(checks).To(Equal(3))
	g.Expect(server.patches).To(HaveLen(3))
}

func TestRequested(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		server *nodes
		want   bool
		err    error
	}{
		"a Node that asks":                        {server: &nodes{node: node(requested)}, want: true},
		"a Node that does not":                    {server: &nodes{node: node(nil)}},
		"a Node that is gone asks for nothing":    {server: &nodes{}},
		"a Node that cannot be read is not known": {server: &nodes{getErr: errRefuse}, err: errRefuse},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			got, err := annotate.New(test.server, nodeName, nil).Requested(t.Context())
			g.Expect(got).To(Equal(test.want))
			if test.err == nil {
				g.Expect(err).NotTo(HaveOccurred())
			} else {
				g.Expect(err).To(MatchError(test.err))
			}
		})
	}
}
