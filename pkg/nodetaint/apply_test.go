package nodetaint

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/finos/five-spot/api/v1alpha1"
)

// request is one write as the API server receives it.
type request struct {
	manager string
	body    string
}

// world is a workload cluster with one Node, and what was written to it.
type world struct {
	client.Client
	requests []request
	refuse   error
}

func newWorld(node *corev1.Node) *world {
	w := &world{}
	node.ResourceVersion = ""
	w.Client = fake.NewClientBuilder().WithObjects(node).WithInterceptorFuncs(interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			body, err := patch.Data(obj)
			if err != nil {
				return err
			}
			applied := (&client.PatchOptions{}).ApplyOptions(opts)
			w.requests = append(w.requests, request{manager: applied.FieldManager, body: string(body)})
			if w.refuse != nil {
				return w.refuse
			}
			return c.Patch(ctx, obj, patch, opts...)
		},
	}).Build()
	return w
}

func (w *world) read(t *testing.T) *corev1.Node {
	t.Helper()
	node := &corev1.Node{}
	NewWithT(t).Expect(w.Get(t.Context(), client.ObjectKey{Name: "desk-7"}, node)).To(Succeed())
	return node
}

func TestReconcileWritesTaintsAndRecordInOneLockedMergePatch(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	w := newWorld(nodeWith("gpu=a100:NoSchedule", noRecord))
	node := w.read(t)

	result, err := Reconcile(t.Context(), w, node, taintsOf("spot=true:NoSchedule gpu=h100:NoSchedule"), nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(result).To(Equal(Result{
		Owned:     taintsOf("spot=true:NoSchedule"),
		Conflicts: taintsOf("gpu=h100:NoSchedule"),
		Changed:   true,
	}))

	g.Expect(w.requests).To(HaveLen(1))
	g.Expect(w.requests[0].manager).To(Equal("5spot-controller-node-taints"))
	var body map[string]map[string]any
	g.Expect(json.Unmarshal([]byte(w.requests[0].body), &body)).To(Succeed())
	g.Expect(body).To(HaveLen(2), "nothing but metadata and spec is written: %s", w.requests[0].body)
	g.Expect(body["metadata"]).To(Equal(map[string]any{
		"resourceVersion": node.ResourceVersion,
		"annotations":     map[string]any{v1alpha1.AppliedTaintsAnnotation: recorded("spot=true:NoSchedule")},
	}))
	g.Expect(body["spec"]).To(HaveLen(1))
	g.Expect(onNode(w.read(t))).To(Equal("gpu=a100:NoSchedule spot=true:NoSchedule"))
}

func TestReconcileWritesNothingWhereNothingChanges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ node, record, wanted string }{
		"no taints":      {"", noRecord, ""},
		"all are there":  {"spot=true:NoSchedule", recorded("spot=true:NoSchedule"), "spot=true:NoSchedule"},
		"all conflict":   {"spot=theirs:NoSchedule", noRecord, "spot=true:NoSchedule"},
		"only foreigns":  {"spot=theirs:NoSchedule", noRecord, ""},
		"reserved taint": {"node.kubernetes.io/unreachable=:NoExecute", noRecord, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			w := newWorld(nodeWith(c.node, c.record))
			result, err := Reconcile(t.Context(), w, w.read(t), taintsOf(c.wanted), nil)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(result.Changed).To(BeFalse())
			g.Expect(w.requests).To(BeEmpty())
		})
	}
}

func TestReconcileKeepsOtherAnnotations(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	node := nodeWith("", noRecord)
	node.Annotations = map[string]string{"example.com/keep": "yes"}
	w := newWorld(node)

	_, err := Reconcile(t.Context(), w, w.read(t), taintsOf("spot=true:NoSchedule"), nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(w.read(t).Annotations).To(Equal(map[string]string{
		"example.com/keep":               "yes",
		v1alpha1.AppliedTaintsAnnotation: recorded("spot=true:NoSchedule"),
	}))
}

func TestReconcileNeverOverwritesATaintThatItHasNotSeen(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	w := newWorld(nodeWith("", noRecord))
	stale := w.read(t)
	newer := stale.DeepCopy()
	newer.Spec.Taints = nodeWith("quarantine=yes:NoExecute", noRecord).Spec.Taints
	g.Expect(w.Update(t.Context(), newer)).To(Succeed())

	before := taintsOf("earlier=1:NoSchedule")
	result, err := Reconcile(t.Context(), w, stale, taintsOf("spot=true:NoSchedule"), before)
	g.Expect(apierrors.IsConflict(err)).To(BeTrue(), "got %v", err)
	g.Expect(err).To(MatchError(ContainSubstring("failed to write the taints of Node desk-7")))
	g.Expect(result.Owned).To(Equal(before), "the status forgets nothing")
	g.Expect(onNode(w.read(t))).To(Equal("quarantine=yes:NoExecute"))

	result, err = Reconcile(t.Context(), w, w.read(t), taintsOf("spot=true:NoSchedule"), before)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(result.Changed).To(BeTrue())
	g.Expect(onNode(w.read(t))).To(Equal("quarantine=yes:NoExecute spot=true:NoSchedule"))
}

func TestReconcileDoesNotTakeANewNodeOfTheNameForTheOldOne(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	w := newWorld(nodeWith("spot=true:NoSchedule", recorded("spot=true:NoSchedule")))
	old := w.read(t)
	g.Expect(w.Delete(t.Context(), old.DeepCopy())).To(Succeed())
	reborn := nodeWith("spot=true:NoSchedule", noRecord)
	reborn.ResourceVersion = ""
	g.Expect(w.Create(t.Context(), reborn)).To(Succeed())
	// A real API server never gives a version twice; the fake client begins anew.
	reborn.Labels = map[string]string{"reborn": "yes"}
	g.Expect(w.Update(t.Context(), reborn)).To(Succeed())

	_, err := Reconcile(t.Context(), w, old, nil, nil)
	g.Expect(apierrors.IsConflict(err)).To(BeTrue(), "got %v", err)
	g.Expect(onNode(w.read(t))).To(Equal("spot=true:NoSchedule"))
}

func TestReconcileOfANodeThatIsGoneIsDone(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	w := newWorld(nodeWith("", noRecord))
	node := w.read(t)
	g.Expect(w.Delete(t.Context(), node.DeepCopy())).To(Succeed())

	result, err := Reconcile(t.Context(), w, node, taintsOf("spot=true:NoSchedule"), taintsOf("spot=true:NoSchedule"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(result).To(Equal(Result{}))
}

func TestReconcileReportsARefusedWrite(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	w := newWorld(nodeWith("gpu=a100:NoSchedule", noRecord))
	w.refuse = errors.New("the webhook says no")

	result, err := Reconcile(t.Context(), w, w.read(t), taintsOf("spot=true:NoSchedule gpu=h100:NoSchedule"), nil)
	g.Expect(err).To(MatchError(w.refuse))
	g.Expect(result).To(Equal(Result{Conflicts: taintsOf("gpu=h100:NoSchedule")}))
}

func TestACrashBetweenTheNodeAndTheStatusLosesNoTaint(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status string // what was owned before the crash, and is still in the status after it
		wanted string // what the write before the crash was to bring about
		now    string // what the spec wants after the crash
		after  string
	}{
		"the taint was added and is still wanted": {
			wanted: "spot=true:NoSchedule", now: "spot=true:NoSchedule",
			after: "gpu=a100:NoSchedule spot=true:NoSchedule",
		},
		"the taint was added and is no longer wanted": {
			wanted: "spot=true:NoSchedule",
			after:  "gpu=a100:NoSchedule",
		},
		"the taint was removed": {
			status: "spot=true:NoSchedule",
			after:  "gpu=a100:NoSchedule",
		},
		"the taint was removed and is wanted again": {
			status: "spot=true:NoSchedule", now: "spot=true:NoSchedule",
			after: "gpu=a100:NoSchedule spot=true:NoSchedule",
		},
		"the value was changed and is to be another one": {
			status: "spot=1:NoSchedule", wanted: "spot=2:NoSchedule", now: "spot=3:NoSchedule",
			after: "gpu=a100:NoSchedule spot=3:NoSchedule",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			record := noRecord
			if c.status != "" {
				record = recorded(c.status)
			}
			w := newWorld(nodeWith("gpu=a100:NoSchedule "+c.status, record))
			_, err := Reconcile(t.Context(), w, w.read(t), taintsOf(c.wanted), taintsOf(c.status))
			g.Expect(err).NotTo(HaveOccurred())

			result, err := Reconcile(t.Context(), w, w.read(t), taintsOf(c.now), taintsOf(c.status))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(onNode(w.read(t))).To(Equal(c.after))
			g.Expect(formatAll(result.Owned)).To(Equal(c.now))
			g.Expect(result.Conflicts).To(BeEmpty())
		})
	}
}

func TestWithTheLastTaintTheRecordGoes(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	node := nodeWith("spot=true:NoSchedule", recorded("spot=true:NoSchedule"))
	node.Annotations["example.com/keep"] = "yes"
	w := newWorld(node)

	result, err := Reconcile(t.Context(), w, w.read(t), nil, taintsOf("spot=true:NoSchedule"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(result).To(Equal(Result{Changed: true}))
	g.Expect(w.read(t).Annotations).To(Equal(map[string]string{"example.com/keep": "yes"}))
	g.Expect(w.read(t).Spec.Taints).To(BeEmpty())
}
