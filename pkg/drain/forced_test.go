package drain_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/pkg/drain"
)

func (b *bench) force(ctx context.Context, remaining time.Duration) drain.Progress {
	progress, err := b.drainer.ForceStep(ctx, b.request(ctx), remaining)
	b.Expect(err).NotTo(HaveOccurred())
	b.previous = progress
	return progress
}

func waitForEnd(ctx context.Context, _ client.ObjectList, _ ...client.ListOption) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestAForcedDrainFromBeginningToEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t, append(pods(3), aNode())...)
	b.Expect(b.force(t.Context(), time.Minute)).To(Equal(drain.Progress{
		PodsTotal: 3, PodsRemaining: 3, RetryAfter: 2 * time.Second, Cordoned: true, Evictions: drain.Evictions{Accepted: 3},
	}))
	b.Expect(b.evicted).To(BeEmpty(), "an eviction would ask PodDisruptionBudgets")
	b.Expect(b.node(t.Context()).Annotations).To(HaveKeyWithValue(markKey, string(owner)))

	b.Expect(b.force(t.Context(), time.Minute).PodsRemaining).To(BeEquivalentTo(3))
	b.Expect(b.deleted).To(HaveLen(3), "Pods that are terminating are not hurried")
	b.end(t.Context())
	b.Expect(b.force(t.Context(), time.Minute)).To(Equal(drain.Progress{PodsTotal: 3, Drained: true}))
}

func TestForcedGracePeriod(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		own       *int64
		node      *corev1.Node
		remaining time.Duration
		want      int64
	}{
		"is the Pod's own when there is time":              {own: new(int64(20)), remaining: time.Minute, want: 20},
		"is the usual one when the Pod has none":           {remaining: time.Minute, want: 30},
		"is what remains when the Pod's own is longer":     {own: new(int64(600)), remaining: 59*time.Second + 900*time.Millisecond, want: 59},
		"is never zero because a Pod says so":              {own: new(int64(0)), remaining: time.Minute, want: 1},
		"is never zero because no time remains":            {own: new(int64(20)), remaining: 300 * time.Millisecond, want: 1},
		"is never negative because the time is over":       {own: new(int64(20)), remaining: -time.Minute, want: 1},
		"is the shortest where no kubelet ends anything":   {own: new(int64(20)), node: aNode(unreachable), remaining: time.Minute, want: 1},
		"is never negative because a Pod of old has it so": {own: new(int64(-5)), remaining: time.Minute, want: 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.node == nil {
				test.node = aNode()
			}
			b := newBench(t, test.node, aPod("web", func(p *corev1.Pod) { p.Spec.TerminationGracePeriodSeconds = test.own }))
			b.force(t.Context(), test.remaining)
			b.Expect(b.options["web"].GracePeriodSeconds).To(HaveValue(Equal(test.want)))
			b.Expect(b.options["web"].Preconditions.UID).To(HaveValue(BeEquivalentTo("uid-of-web")))
		})
	}
}

func TestWhichPodsAForcedDrainLeavesAlone(t *testing.T) {
	t.Parallel()
	tests := map[string]*corev1.Pod{
		"those of another Node":                   aPod("far", func(p *corev1.Pod) { p.Spec.NodeName = "desk-8" }),
		"those of a DaemonSet":                    aPod("logs", ofDaemonSet),
		"static ones":                             aPod("proxy", static),
		"those labelled to be skipped":            aPod("csi", labelled("Skip")),
		"those that nobody ends any more":         aPod("stuck", overdue),
		"those of a DaemonSet that is gone, too":  aPod("orphan", ofDaemonSet),
		"static ones that are terminating anyway": aPod("proxy", static, overdue),
	}
	for name, pod := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, aNode(unreachable), pod)
			b.Expect(b.force(t.Context(), time.Minute)).To(Equal(drain.Progress{Drained: true, Cordoned: true}))
			b.Expect(b.deleted).To(BeEmpty())
		})
	}
}

func TestAForcedDrainDoesNotWaitForCompletion(t *testing.T) {
	t.Parallel()
	b := newBench(t, aNode(), aPod("batch", labelled("wait-completed")))
	b.force(t.Context(), time.Minute)
	b.Expect(b.deleted).To(Equal([]string{"batch"}))
}

func TestAForcedDrainReadsEveryPage(t *testing.T) {
	t.Parallel()
	b := newBench(t, aNode())
	var continues []string
	b.workload = pagingClient{WithWatch: b.workload, pages: 3, continues: &continues}
	b.Expect(b.force(t.Context(), time.Minute).PodsTotal).To(BeEquivalentTo(3))
	b.Expect(continues).To(Equal([]string{"", "page-1", "page-2"}))
}

// pagingClient lists one Pod per page.
type pagingClient struct {
	client.WithWatch
	pages     int
	continues *[]string
}

func (c pagingClient) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	all := client.ListOptions{}
	all.ApplyOptions(opts)
	if all.FieldSelector.String() != "spec.nodeName="+nodeName || all.Limit == 0 {
		return fmt.Errorf("asked for all Pods: %v", all)
	}
	*c.continues = append(*c.continues, all.Continue)
	page := list.(*corev1.PodList)
	page.Items = []corev1.Pod{*aPod(fmt.Sprintf("pod-%d", len(*c.continues)), overdue)}
	if len(*c.continues) < c.pages {
		page.Continue = fmt.Sprintf("page-%d", len(*c.continues))
	}
	return nil
}

func TestAnswersToAForcedDeletion(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err     error
		blocked []string
		want    drain.Evictions
		gone    bool
	}{
		"a Pod that is gone is gone":                         {err: apierrors.NewNotFound(podResource, "web"), gone: true},
		"a Pod that is another one by now is looked at anew": {err: apierrors.NewConflict(podResource, "web", errors.New("UID")), want: drain.Evictions{Failed: 1}},
		"an admission webhook is quoted": {
			err: apierrors.NewForbidden(podResource, "web", errors.New("no")), blocked: []string{`Pod shop/web: pods "web" is forbidden: no`}, want: drain.Evictions{Refused: 1},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, aNode(), aPod("web"))
			b.remove = only(test.err, "web")
			progress := b.force(t.Context(), time.Minute)
			b.Expect(progress.BlockedBy).To(HaveExactElements(asAny(test.blocked)...))
			b.Expect(progress.Evictions).To(Equal(test.want))
			b.Expect(progress.Drained).To(Equal(test.gone))
		})
	}
}

func asAny(texts []string) []any {
	elements := make([]any, 0, len(texts))
	for _, text := range texts {
		elements = append(elements, text)
	}
	return elements
}

func TestPodsDoNotWaitForTheCordonInAnEmergency(t *testing.T) {
	t.Parallel()
	b := newBench(t, aNode(), aPod("web"))
	request := b.request(t.Context())
	request.Workload = refusing(b.workload, errors.New("webhook is down"))
	_, err := b.drainer.ForceStep(t.Context(), request, time.Minute)
	b.Expect(err).To(MatchError(ContainSubstring("failed to cordon Node desk-7")))
	b.Expect(b.deleted).To(Equal([]string{"web"}))
}

func TestAForcedDrainTakesOverFromOneThatIsBlocked(t *testing.T) {
	t.Parallel()
	b := newBench(t, aNode(), aPod("web"))
	b.evict = only(budgetExhausted("held"), "web")
	b.Expect(b.step(t.Context()).BlockedBy).To(HaveLen(1))
	b.Expect(b.force(t.Context(), time.Minute)).To(Equal(drain.Progress{
		PodsTotal: 1, PodsRemaining: 1, RetryAfter: 2 * time.Second, Evictions: drain.Evictions{Accepted: 1},
	}), "the back-off of a refused eviction holds back the deletion")
}

func TestAForcedStepIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, append(pods(35), aNode())...)
		b.remove = func(context.Context, *corev1.Pod) error {
			pass(400 * time.Millisecond)
			return nil
		}
		start := time.Now()
		progress := b.force(t.Context(), time.Minute)
		b.Expect(time.Since(start)).To(BeNumerically("<=", 1200*time.Millisecond))
		b.Expect(progress.RetryAfter).To(Equal(100 * time.Millisecond))
		synctest.Wait()
		b.Expect(b.deleted).To(HaveLen(30), "there was no time for more")
		b.force(t.Context(), time.Minute)
		synctest.Wait()
		b.Expect(b.deleted).To(HaveLen(35), "each is asked for once")

		b.list = waitForEnd
		start = time.Now()
		_, err := b.drainer.ForceStep(t.Context(), b.request(t.Context()), time.Minute)
		b.Expect(err).To(MatchError(context.DeadlineExceeded))
		b.Expect(time.Since(start)).To(Equal(1500 * time.Millisecond))
	})
}

func TestASlowAPIServerLeavesEveryPodTimeToEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, append(pods(100), aNode(cordoned(string(owner))))...)
		b.list = func(context.Context, client.ObjectList, ...client.ListOption) error {
			pass(900 * time.Millisecond)
			return nil
		}
		b.remove = func(context.Context, *corev1.Pod) error {
			pass(900 * time.Millisecond)
			return nil
		}
		start := time.Now()
		for len(b.deleted) < 100 && time.Since(start) < time.Minute {
			progress, err := b.drainer.ForceStep(t.Context(), b.request(t.Context()), time.Minute)
			b.Expect(err).NotTo(HaveOccurred())
			b.previous = progress
			pass(progress.RetryAfter)
			synctest.Wait()
		}
		b.Expect(time.Since(start)).To(BeNumerically("<", 20*time.Second))
		pass(5 * time.Second)
	})
}
