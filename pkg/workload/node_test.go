package workload_test

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/cluster-api/controllers/clustercache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/finos/five-spot/pkg/workload"
)

var cluster = client.ObjectKey{Namespace: "bank", Name: "trading"}

func desk(change func(*corev1.Node)) *corev1.Node {
	n := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "desk-7"},
		Spec:       corev1.NodeSpec{ProviderID: "remote://10.0.0.7:22"},
		Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}},
	}
	if change != nil {
		change(n)
	}
	return n
}

func TestNode(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		nodes      []client.Object
		providerID string
		found      bool
	}{
		"is the one of the name": {nodes: []client.Object{desk(nil)}, providerID: "remote://10.0.0.7:22", found: true},
		"is not there":           {providerID: "remote://10.0.0.7:22"},
		"is another machine's when its providerID is another": {nodes: []client.Object{desk(nil)}, providerID: "remote://10.0.0.8:22"},
		"counts before the Machine knows its providerID":      {nodes: []client.Object{desk(nil)}, found: true},
		"is nobody's as long as it has no providerID":         {nodes: []client.Object{desk(func(n *corev1.Node) { n.Spec.ProviderID = "" })}, providerID: "remote://10.0.0.7:22"},
		"is not the one of a name that only begins like it":   {nodes: []client.Object{desk(func(n *corev1.Node) { n.Name = "desk-70" })}, providerID: "remote://10.0.0.7:22"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			clusters := workload.NewFor(clustercache.NewFakeClusterCache(fake.NewClientBuilder().WithObjects(test.nodes...).Build(), cluster))
			node, err := clusters.Node(t.Context(), cluster, "desk-7", test.providerID)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(node != nil).To(Equal(test.found))
		})
	}
}

func TestAClusterThatIsNotConnectedIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	clusters := workload.NewFor(clustercache.NewFakeEmptyClusterCache())
	_, err := clusters.Node(t.Context(), cluster, "desk-7", "")
	g.Expect(err).To(MatchError(workload.ErrNotConnected))
	_, err = clusters.Client(t.Context(), cluster)
	g.Expect(err).To(MatchError(workload.ErrNotConnected))
	g.Expect(clusters.WatchNodes(t.Context(), cluster, nil, nil)).To(MatchError(workload.ErrNotConnected))
}

func TestNodeChanged(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*corev1.Node)
		want   bool
	}{
		"a heartbeat is dropped": {change: func(n *corev1.Node) {
			n.Status.Conditions[0].LastHeartbeatTime = metav1.Now()
			n.Status.Allocatable = corev1.ResourceList{}
			n.ResourceVersion = "2"
		}},
		"a Node that stops being Ready passes": {change: func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown }, want: true},
		"a cordon passes":                      {change: func(n *corev1.Node) { n.Spec.Unschedulable = true }, want: true},
		"a taint passes":                       {change: func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: "x"}} }, want: true},
		"an annotation passes":                 {change: func(n *corev1.Node) { n.Annotations = map[string]string{"5spot.finos.org/reclaim-requested": "true"} }, want: true},
		"a label passes":                       {change: func(n *corev1.Node) { n.Labels = map[string]string{"a": "b"} }, want: true},
		"a deletion passes":                    {change: func(n *corev1.Node) { n.DeletionTimestamp = &metav1.Time{}; *n.DeletionTimestamp = metav1.Now() }, want: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := workload.NodeChanged().Update(event.UpdateEvent{ObjectOld: desk(nil), ObjectNew: desk(test.change)})
			NewWithT(t).Expect(got).To(Equal(test.want))
		})
	}
}
