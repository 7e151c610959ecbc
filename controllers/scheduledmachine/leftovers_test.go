package scheduledmachine

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"github.com/finos/five-spot/api/v1alpha1"
)

func forbidden() error {
	return apierrors.NewForbidden(schema.GroupResource{Group: remoteKind.Group, Resource: "remotemachines"}, "desk-7", errors.New("no"))
}

// deleted is an object that was deleted an hour ago, whose Machine is gone and whose
// infrastructure object is not.
func deleted(sm *v1alpha1.ScheduledMachine) {
	hourAgo := metav1.NewTime(inWindow.Add(-time.Hour))
	sm.DeletionTimestamp = &hourAgo
	sm.Status.Phase = v1alpha1.PhaseShuttingDown
	sm.Status.Shutdown = &v1alpha1.ShutdownStatus{StartedAt: hourAgo, Reason: v1alpha1.ShutdownDeleted}
	sm.Status.InfrastructureRef = &v1alpha1.ObjectReference{
		APIVersion: remoteKind.GroupVersion().String(), Kind: remoteKind.Kind, Name: sm.Name, UID: remoteKind.Kind,
	}
}

func TestTheFinalizerTimeoutEndsTheWaitForAnObjectThatCannotBeRemoved(t *testing.T) {
	t.Parallel()
	for name, refused := range map[string]func(request string) bool{
		"when it may not be deleted":                 func(r string) bool { return r == "delete RemoteMachine" },
		"when it may neither be read nor be deleted": func(r string) bool { return strings.HasSuffix(r, " RemoteMachine") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sm := deskSM(deleted)
			h := newHarness(t, clusterAPI{known: true, ready: true}, nil, sm, tradingCluster(), providerObject(sm, remoteKind))
			h.refuse = func(request string) error {
				if refused(request) {
					return forbidden()
				}
				return nil
			}
			_, err := h.reconcile()
			h.g.Expect(err).To(MatchError(ContainSubstring("forbidden")))
			err = h.api.Get(h.t.Context(), deskKey, &v1alpha1.ScheduledMachine{})
			h.g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "the finalizer is released")
			h.g.Expect(h.told()).To(ContainElement(eventFinalizerCleanupTimedOut))
			h.g.Expect(h.requests).To(ContainElement("delete RemoteMachine"), "and it is tried to the last")
		})
	}
}

func TestAnObjectThatMayNoLongerBeReadIsNamedInTheStatus(t *testing.T) {
	t.Parallel()
	sm := deskSM(func(sm *v1alpha1.ScheduledMachine) {
		deleted(sm)
		sm.DeletionTimestamp = new(metav1.NewTime(inWindow.Add(-time.Minute)))
		sm.Status.Shutdown.StartedAt = *sm.DeletionTimestamp
	})
	h := newHarness(t, clusterAPI{known: true, ready: true}, nil, sm, tradingCluster(), providerObject(sm, remoteKind))
	h.refuse = func(request string) error {
		if strings.HasSuffix(request, " RemoteMachine") {
			return forbidden()
		}
		return nil
	}
	_, err := h.reconcile()
	h.g.Expect(err).To(MatchError(ContainSubstring("forbidden")))
	h.g.Expect(h.read().Status.Message).To(ContainSubstring(`RemoteMachine "desk-7"`))
}

func TestPartsAreRemovedAlsoWhereSomebodyElsesMachineHasTakenTheName(t *testing.T) {
	t.Parallel()
	sm := deskSM(func(sm *v1alpha1.ScheduledMachine) {
		sm.Status.Phase = v1alpha1.PhasePending
		sm.Spec.Schedule.Enabled = new(false)
	})
	foreign := runningMachine(sm)
	foreign.OwnerReferences = nil
	delete(foreign.Annotations, v1alpha1.OwnerUIDAnnotation)
	h := newHarness(t, clusterAPI{known: true, ready: true}, nil, sm, tradingCluster(), foreign,
		providerObject(sm, configKind), providerObject(sm, remoteKind))
	for range 3 {
		_, err := h.reconcile()
		h.g.Expect(err).NotTo(HaveOccurred())
	}
	h.g.Expect(h.read().Status.Phase).To(Equal(v1alpha1.PhaseDisabled))
	h.g.Expect(h.api.Get(h.t.Context(), deskKey, &clusterv1.Machine{})).To(Succeed())
	for _, gvk := range []schema.GroupVersionKind{configKind, remoteKind} {
		part := &metav1.PartialObjectMetadata{}
		part.SetGroupVersionKind(gvk)
		err := h.api.Get(h.t.Context(), deskKey, part)
		h.g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), gvk.Kind)
	}
}

func TestAPartThatIsLongInGoingIsAskedForLessAndLessOften(t *testing.T) {
	t.Parallel()
	sm := deskSM(func(sm *v1alpha1.ScheduledMachine) {
		deleted(sm)
		sm.DeletionTimestamp = nil
		sm.Spec.Schedule.Enabled = new(false)
		sm.Status.Shutdown.Reason = v1alpha1.ShutdownDisabled
	})
	stuck := providerObject(sm, remoteKind)
	stuck.SetFinalizers([]string{"infrastructure.cluster.x-k8s.io/remotemachine"})
	h := newHarness(t, clusterAPI{known: true, ready: true}, nil, sm, tradingCluster(), stuck)
	result, err := h.reconcile()
	h.g.Expect(err).NotTo(HaveOccurred())
	h.g.Expect(result.RequeueAfter).To(Equal(30*time.Second), "an hour after the shutdown began")
	h.g.Expect(slices.Contains(h.requests, "delete RemoteMachine")).To(BeTrue())
}
