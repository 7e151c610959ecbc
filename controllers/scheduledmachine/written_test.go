package scheduledmachine

import (
	"context"
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/cluster-api/controllers/clustercache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/workload"
)

func TestConflictsInARowAreTriedLaterAndLater(t *testing.T) {
	t.Parallel()
	sm := deskSM(func(sm *v1alpha1.ScheduledMachine) { sm.Status.Phase = v1alpha1.PhasePending })
	h := newHarness(t, clusterAPI{known: true, ready: true}, nil, sm, tradingCluster(), runningMachine(sm))
	marked := readyNode(func(n *corev1.Node) {
		n.Annotations = map[string]string{v1alpha1.ReclaimRequestedAnnotation: "true"}
	})
	conflicting := true
	stale := interceptor.NewClient(fake.NewClientBuilder().WithObjects(marked).Build(), interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			if conflicting {
				return apierrors.NewConflict(corev1.Resource("nodes"), obj.GetName(), errors.New("changed"))
			}
			return c.Patch(ctx, obj, patch, opts...)
		},
	})
	h.clusters = workload.NewFor(clustercache.NewFakeClusterCache(stale, clusterKey(sm), "scheduledmachine-watchNodes", "scheduledmachine-fillNamespaces", "scheduledmachine-fillDaemonSets"))
	waits := func(times int) []time.Duration {
		var all []time.Duration
		for range times {
			result, err := h.reconcile()
			h.g.Expect(err).NotTo(HaveOccurred())
			all = append(all, result.RequeueAfter)
		}
		return all
	}
	h.g.Expect(waits(4)).To(Equal([]time.Duration{50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond}))
	h.g.Expect(waits(20)).To(HaveEach(BeNumerically("<=", lastConflictRetry)))

	conflicting = false
	h.g.Expect(waits(1)[0]).To(BeNumerically(">", time.Minute))
	h.g.Expect(h.written.refused).To(BeEmpty())
}
