package scheduledmachine

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/finos/five-spot/api/v1alpha1"
)

var noon = time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)

func TestCreations(t *testing.T) {
	t.Parallel()

	t.Run("the first attempt is free", func(t *testing.T) {
		t.Parallel()
		NewWithT(t).Expect(newCreations().NotBefore("a", noon)).To(BeZero())
	})

	t.Run("each further attempt waits twice as long, up to a limit", func(t *testing.T) {
		t.Parallel()
		g := NewWithT(t)
		c, now := newCreations(), noon
		var waits []time.Duration
		for range 10 {
			c.Count("a", now, "")
			next := c.NotBefore("a", now)
			waits = append(waits, next.Sub(now))
			now = next
		}
		g.Expect(waits).To(HaveExactElements(
			5*time.Second, 10*time.Second, 20*time.Second, 40*time.Second, 80*time.Second, 160*time.Second,
			maxCreateDelay, maxCreateDelay, maxCreateDelay, maxCreateDelay,
		))
	})

	t.Run("a wait that is over is no wait", func(t *testing.T) {
		t.Parallel()
		c := newCreations()
		c.Count("a", noon, "")
		NewWithT(t).Expect(c.NotBefore("a", noon.Add(5*time.Second))).To(BeZero())
	})

	t.Run("a Machine that was there for long is created again at once", func(t *testing.T) {
		t.Parallel()
		g := NewWithT(t)
		c := newCreations()
		for range 5 {
			c.Count("a", noon, "")
		}
		later := noon.Add(forgetCreationsAfter + time.Second)
		g.Expect(c.NotBefore("a", later)).To(BeZero())
		c.Count("a", later, "")
		g.Expect(c.NotBefore("a", later)).To(Equal(later.Add(firstCreateDelay)))
	})

	t.Run("a foreign object is remembered until the next attempt", func(t *testing.T) {
		t.Parallel()
		g := NewWithT(t)
		c := newCreations()
		c.Count("a", noon, `RemoteMachine "desk-7"`)
		g.Expect(c.Foreign("a", noon)).To(Equal(`RemoteMachine "desk-7"`))
		g.Expect(c.Foreign("a", noon.Add(firstCreateDelay))).To(BeEmpty())
		c.Count("a", noon.Add(firstCreateDelay), "")
		g.Expect(c.Foreign("a", noon.Add(firstCreateDelay))).To(BeEmpty())
	})

	t.Run("objects do not wait for each other, and forgetting ends a wait", func(t *testing.T) {
		t.Parallel()
		g := NewWithT(t)
		c := newCreations()
		c.Count("a", noon, "")
		g.Expect(c.NotBefore("b", noon)).To(BeZero())
		c.Forget("a")
		g.Expect(c.NotBefore("a", noon)).To(BeZero())
	})
}

func TestWritten(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	at := func(version string) *v1alpha1.ScheduledMachine {
		sm := &v1alpha1.ScheduledMachine{}
		sm.UID, sm.ResourceVersion = "a", version
		return sm
	}
	w := newWritten()
	g.Expect(w.Stale(at("1"))).To(BeFalse(), "nothing was written")

	w.Remember("a", "1", "2")
	w.Remember("a", "2", "3")
	g.Expect(w.Stale(at("1"))).To(BeTrue(), "the cache is two writes behind")
	g.Expect(w.Stale(at("2"))).To(BeTrue(), "the cache is one write behind")
	g.Expect(w.Stale(at("3"))).To(BeFalse(), "the cache has caught up")
	g.Expect(w.replaced).To(BeEmpty(), "nothing is kept for an object that the cache shows as it is")

	w.Remember("a", "3", "3")
	g.Expect(w.Stale(at("3"))).To(BeFalse(), "a write that changed nothing replaces nothing")

	w.Doubt("a")
	g.Expect(w.Stale(at("3"))).To(BeTrue(), "somebody else wrote meanwhile")
	g.Expect(w.Stale(at("3"))).To(BeFalse(), "one look at the API server settles it")
}
