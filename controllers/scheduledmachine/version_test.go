package scheduledmachine

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/finos/five-spot/api/v1alpha1"
)

func TestTheStatusNamesTheManagerThatChangedItAndAnUpgradeAloneWritesNothing(t *testing.T) {
	t.Parallel()
	sm := deskSM(active)
	h := newHarness(t, clusterAPI{known: true, ready: true}, nil, sm, tradingCluster(), runningMachine(sm))
	settle := func(version string) *v1alpha1.ScheduledMachine {
		h.version = version
		for range 3 {
			_, err := h.reconcile()
			h.g.Expect(err).NotTo(HaveOccurred())
		}
		return h.read()
	}
	older := settle("v0.1.0")
	h.g.Expect(older.Status.ManagerVersion).To(Equal("v0.1.0"))
	h.g.Expect(settle("v0.2.0").ResourceVersion).To(Equal(older.ResourceVersion), "nothing but the manager changed")

	h.clock.Step(12 * time.Hour) // The window closes.
	h.g.Expect(settle("v0.2.0").Status.ManagerVersion).To(Equal("v0.2.0"))
}
