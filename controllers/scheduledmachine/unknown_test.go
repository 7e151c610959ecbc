package scheduledmachine

import (
	"context"
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/controllers/clustercache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/workload"
)

func TestARunningMachineIsNotShownAsWaitingWhileAStartHasNotLookedForClusterAPI(t *testing.T) {
	t.Parallel()
	sm := deskSM(active)
	h := newHarness(t, clusterAPI{}, []client.Object{readyNode(nil)}, sm, tradingCluster(), runningMachine(sm))
	result, err := h.reconcile()
	h.g.Expect(err).NotTo(HaveOccurred())
	h.g.Expect(result.RequeueAfter).To(Equal(capiRetry))
	h.g.Expect(h.read().Status).To(Equal(sm.Status))
	h.g.Expect(h.told()).To(BeEmpty())
}

func TestAWorkloadClusterThatAnswersWithErrorsHoldsNothingUp(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		get  func(ctx context.Context) error
		want string
	}{
		"a refusal to read Nodes": {get: func(context.Context) error {
			return apierrors.NewForbidden(corev1.Resource("nodes"), "desk-7-node", errors.New("no"))
		}},
		"a cache that never fills": {get: func(ctx context.Context) error {
			<-ctx.Done()
			return apierrors.NewTimeoutError("failed waiting for Node informer to sync", 0)
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sm := deskSM(active)
			sm.Spec.KillSwitch = true
			h := newHarness(t, clusterAPI{known: true, ready: true}, nil, sm, tradingCluster(), runningMachine(sm))
			broken := interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{
				Get: func(ctx context.Context, _ client.WithWatch, _ client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
					return test.get(ctx)
				},
			})
			h.clusters = workload.NewFor(clustercache.NewFakeClusterCache(broken, clusterKey(sm), "scheduledmachine-watchNodes", "scheduledmachine-fillNamespaces", "scheduledmachine-fillDaemonSets"))

			_, err := h.reconcile()
			h.g.Expect(err).NotTo(HaveOccurred())
			err = h.api.Get(h.t.Context(), deskKey, &clusterv1.Machine{})
			h.g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "the kill switch removes the Machine")
		})
	}
}

func TestANodeThatCannotBeReadIsLookedAtAgainSoon(t *testing.T) {
	t.Parallel()
	sm := deskSM(active)
	h := newHarness(t, clusterAPI{known: true, ready: true}, nil, sm, tradingCluster(), runningMachine(sm))
	h.clusters = workload.NewFor(clustercache.NewFakeEmptyClusterCache())
	before := h.read().Status

	result, err := h.reconcile()
	h.g.Expect(err).NotTo(HaveOccurred())
	h.g.Expect(result.RequeueAfter).To(Equal(settleRetry), "that it was not tried yet to connect is no news at first")
	h.g.Expect(h.read().Status).To(Equal(before))

	h.clock.Step(settleTime)
	result, err = h.reconcile()
	h.g.Expect(err).NotTo(HaveOccurred())
	h.g.Expect(result.RequeueAfter).To(Equal(nodeRetry))
	reachable := meta.FindStatusCondition(h.read().Status.Conditions, v1alpha1.WorkloadClusterReachableCondition)
	h.g.Expect(reachable.Status).To(Equal(metav1.ConditionFalse))
}

func TestAProviderWhoseKindCannotBeReadHoldsNothingUp(t *testing.T) {
	t.Parallel()
	sm := deskSM(active)
	sm.Spec.KillSwitch = true
	h := newHarness(t, clusterAPI{known: true, ready: true}, []client.Object{readyNode(nil)}, sm, tradingCluster(), runningMachine(sm))
	h.refuse = func(request string) error {
		if request == "get RemoteMachine" {
			return apierrors.NewInternalError(errors.New("conversion webhook failed"))
		}
		return nil
	}
	_, err := h.reconcile()
	h.g.Expect(h.requests).To(ContainElement("delete Machine"), "%v", err)
}
