package uninstall

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

// waiting is a clock on which nothing is awaited: during happens meanwhile.
type waiting struct {
	*clocktesting.FakePassiveClock
	during func(time.Duration)
}

func (w waiting) After(d time.Duration) <-chan time.Time {
	w.during(d)
	over := make(chan time.Time)
	close(over)
	return over
}

func TestALeaseThatIsHeldTellsOfAManager(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for sentence, c := range map[string]struct {
		name, holder string
		renewed      time.Duration
		renews       bool
		refused      bool
	}{
		"one that was renewed a moment ago":      {"5spot-leader", "pod-a", time.Second, false, true},
		"that of the third instance":             {"5spot-leader-2", "pod-c", time.Second, false, true},
		"one that was given back":                {"5spot-leader", "", time.Second, false, false},
		"one of a manager that was killed":       {"5spot-leader", "pod-a", 16 * time.Second, false, false},
		"one of a manager whose clock is behind": {"5spot-leader", "pod-a", time.Hour, true, true},
		"that of somebody with a similar name":   {"5spot-leader-election", "pod-a", time.Second, false, false},
		"one whose name begins in the same way":  {"5spot-leaders", "pod-a", time.Second, false, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			lease := &coordinationv1.Lease{
				ObjectMeta: metav1.ObjectMeta{Namespace: "operators", Name: c.name},
				Spec: coordinationv1.LeaseSpec{
					HolderIdentity: &c.holder, LeaseDurationSeconds: new(int32(15)), RenewTime: &metav1.MicroTime{Time: now.Add(-c.renewed)},
				},
			}
			reader := fake.NewClientBuilder().WithObjects(lease).Build()
			clock := waiting{clocktesting.NewFakePassiveClock(now), func(time.Duration) {
				if renewed := lease.DeepCopy(); c.renews {
					renewed.Spec.RenewTime = &metav1.MicroTime{Time: renewed.Spec.RenewTime.Add(2 * time.Second)}
					g.Expect(reader.Update(t.Context(), renewed)).To(Succeed())
				}
			}}
			r := &run{Options: Options{Client: reader, LeaseName: "5spot-leader", Clock: clock}}
			if c.refused {
				g.Expect(r.refuseWhileAManagerActs(t.Context())).To(MatchError(errManagerActs))
			} else {
				g.Expect(r.refuseWhileAManagerActs(t.Context())).To(Succeed())
			}
		})
	}
}
