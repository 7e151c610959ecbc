package drain_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/pkg/drain"
)

func ended(phase corev1.PodPhase) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { pod.Status.Phase = phase }
}

// The Pods of a Job stay in the API when they have done their work.
func TestAPodThatHasCompletedIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	for _, phase := range []corev1.PodPhase{corev1.PodSucceeded, corev1.PodFailed} {
		t.Run(string(phase), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, aNode(), aPod("batch", labelled("wait-completed"), ended(phase)))
			b.Expect(b.step(t.Context())).To(Equal(drain.Progress{Drained: true, Cordoned: true}))
			b.Expect(b.evicted).To(BeEmpty(), "what it has to tell stays")
		})
	}
}

func TestAPodThatStillWorksIsWaitedForBesideOneThatHasCompleted(t *testing.T) {
	t.Parallel()
	b := newBench(t, aNode(),
		aPod("done", labelled("wait-completed"), ended(corev1.PodSucceeded)),
		aPod("busy", labelled("wait-completed")), aPod("web"), aPod("held"))
	b.evict = only(budgetExhausted("no"), "held")
	b.Expect(b.step(t.Context())).To(Equal(drain.Progress{
		PodsTotal: 3, PodsRemaining: 3, RetryAfter: time.Second, Cordoned: true,
		BlockedBy: []string{
			"Pod shop/busy: it is not evicted, but waited for until it completes",
			"Pod shop/held: no",
		},
		Evictions: drain.Evictions{Accepted: 1, Refused: 1},
	}), "each is counted and named once")
	b.Expect(b.evicted).To(ConsistOf("web", "held"))
}

func TestPodsOfALaterOrderDoNotWaitForOneThatHasCompleted(t *testing.T) {
	t.Parallel()
	b := newBench(t, aNode(), aPod("batch", labelled("wait-completed"), ended(corev1.PodSucceeded)), aPod("database"))
	b.Expect(b.management.Create(t.Context(), &clusterv1.MachineDrainRule{
		ObjectMeta: metav1.ObjectMeta{Namespace: "bank", Name: "last"},
		Spec: clusterv1.MachineDrainRuleSpec{
			Drain: clusterv1.MachineDrainRuleDrainConfig{Behavior: clusterv1.MachineDrainRuleDrainBehaviorDrain, Order: new(int32(10))},
			Pods:  []clusterv1.MachineDrainRulePodSelector{{Selector: &metav1.LabelSelector{MatchLabels: client.MatchingLabels{"name": "database"}}}},
		},
	})).To(Succeed())
	b.Expect(b.step(t.Context()).PodsTotal).To(BeEquivalentTo(1))
	b.Expect(b.evicted).To(Equal([]string{"database"}))
}

// A step has no time for many pages where each takes most of a second.
func TestASlowAPIServerIsAskedForAllPodsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		done := aPod("batch", labelled("wait-completed"), ended(corev1.PodSucceeded))
		b := newBench(t, append(pods(150), aNode(cordoned(string(owner))), done)...)
		b.list = func(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
			if _, isPods := list.(*corev1.PodList); isPods {
				limit := (&client.ListOptions{}).ApplyOptions(opts).Limit // 100 is what the library asks for.
				pass(900 * time.Millisecond * time.Duration((150+limit)/limit))
			}
			return nil
		}
		progress := b.step(t.Context())
		b.Expect(progress.PodsTotal).To(BeEquivalentTo(150))
		b.Expect(progress.Evictions.Accepted).To(BeEquivalentTo(150))
	})
}
