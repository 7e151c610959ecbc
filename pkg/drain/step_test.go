package drain_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/pkg/drain"
)

func TestADrainFromBeginningToEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t, append(pods(3), aNode())...)

	b.Expect(b.step(t.Context())).To(Equal(drain.Progress{
		PodsTotal: 3, PodsRemaining: 3, RetryAfter: 2 * time.Second,
		Cordoned: true, Evictions: drain.Evictions{Accepted: 3},
	}), "Pods on their way are still there, and nothing blocks them")
	b.Expect(b.step(t.Context())).To(Equal(drain.Progress{PodsTotal: 3, PodsRemaining: 3, RetryAfter: 2 * time.Second}))
	b.Expect(b.evicted).To(Equal([]string{"pod-00", "pod-01", "pod-02"}), "Pods on their way are not evicted again")

	b.end(t.Context())
	b.Expect(b.step(t.Context())).To(Equal(drain.Progress{PodsTotal: 3, Drained: true}))
}

func TestWhichPodsAreEvicted(t *testing.T) {
	t.Parallel()
	rule := func(behavior clusterv1.MachineDrainRuleDrainBehavior, selected string) *clusterv1.MachineDrainRule {
		return &clusterv1.MachineDrainRule{
			ObjectMeta: metav1.ObjectMeta{Namespace: "bank", Name: "rule-" + selected},
			Spec: clusterv1.MachineDrainRuleSpec{
				Drain: clusterv1.MachineDrainRuleDrainConfig{Behavior: behavior},
				Pods:  []clusterv1.MachineDrainRulePodSelector{{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"name": selected}}}},
			},
		}
	}
	tests := map[string]struct {
		pods  []client.Object
		rules []client.Object
		want  drain.Progress
	}{
		"those of another Node are not": {pods: []client.Object{aPod("far", func(p *corev1.Pod) { p.Spec.NodeName = "desk-8" })}, want: drain.Progress{Drained: true}},
		"those of a DaemonSet are not":  {pods: []client.Object{aPod("logs", ofDaemonSet), aDaemonSet()}, want: drain.Progress{Drained: true}},
		"static ones are not":           {pods: []client.Object{aPod("proxy", static)}, want: drain.Progress{Drained: true}},
		"those labelled to be skipped are not": {
			pods: []client.Object{aPod("csi", labelled("skip"))}, want: drain.Progress{Drained: true},
		},
		"those that a MachineDrainRule skips are not": {
			pods: []client.Object{aPod("csi")}, rules: []client.Object{rule(clusterv1.MachineDrainRuleDrainBehaviorSkip, "csi")}, want: drain.Progress{Drained: true},
		},
		"those that are to complete are waited for, and named": {
			pods: []client.Object{aPod("batch", labelled("wait-completed"))},
			want: drain.Progress{
				PodsTotal: 1, PodsRemaining: 1, RetryAfter: 10 * time.Second,
				BlockedBy: []string{"Pod shop/batch: it is not evicted, but waited for until it completes"},
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, append(test.pods, aNode())...)
			for _, rule := range test.rules {
				b.Expect(b.management.Create(t.Context(), rule)).To(Succeed())
			}
			test.want.Cordoned = true
			b.Expect(b.step(t.Context())).To(Equal(test.want))
			b.Expect(b.evicted).To(BeEmpty())
		})
	}
}

func TestOnlyThePodThatWasListedIsEvicted(t *testing.T) {
	t.Parallel()
	b := newBench(t, aNode(), aPod("web"))
	b.step(t.Context())
	b.Expect(b.options["web"].Preconditions.UID).To(HaveValue(BeEquivalentTo("uid-of-web")))
	b.Expect(b.options["web"].GracePeriodSeconds).To(BeNil(), "a Pod has its own grace period")
}

func TestPodsOfAnUnreachableNodeAreNotWaitedForLonger(t *testing.T) {
	t.Parallel()
	b := newBench(t, aNode(unreachable), aPod("web"))
	b.Expect(b.step(t.Context()).PodsRemaining).To(BeEquivalentTo(1))
	b.Expect(b.options["web"].GracePeriodSeconds).To(HaveValue(BeEquivalentTo(1)))

	stuck := newBench(t, aNode(unreachable), aPod("web", overdue))
	stuck.Expect(stuck.step(t.Context()).Drained).To(BeTrue())

	waited := newBench(t, aNode(), aPod("web", overdue))
	waited.Expect(waited.step(t.Context()).Drained).To(BeFalse(), "a kubelet that answers is waited for")
}

func overdue(pod *corev1.Pod) {
	pod.DeletionTimestamp = &metav1.Time{Time: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
}

func TestPodsTotalNeverShrinks(t *testing.T) {
	t.Parallel()
	b := newBench(t, append(pods(2), aNode())...)
	b.previous.PodsTotal = 7
	progress := b.step(t.Context())
	b.Expect(progress.PodsTotal).To(BeEquivalentTo(7))
	b.Expect(progress.PodsRemaining).To(BeEquivalentTo(2))

	b.previous.PodsTotal = 1
	b.Expect(b.step(t.Context()).PodsTotal).To(BeEquivalentTo(2), "Pods that came later had to leave as well")
}

func TestClustersThatDoNotAnswerAreAnError(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spoil func(b *bench)
		want  string
	}{
		"when Pods cannot be listed": {
			spoil: func(b *bench) {
				b.list = func(context.Context, client.ObjectList, ...client.ListOption) error { return errKilled }
			},
			want: "failed to find the Pods to evict from Node desk-7",
		},
		"when the connection breaks between two evictions": {
			spoil: func(b *bench) { b.evict = only(errors.New("connection refused"), "pod-01") },
			want:  "failed to evict Pod shop/pod-01: connection refused",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, append(pods(3), aNode())...)
			test.spoil(b)
			_, err := b.drainer.Step(t.Context(), b.request(t.Context()))
			b.Expect(err).To(MatchError(ContainSubstring(test.want)))
			b.Expect(b.evicted).NotTo(ContainElement("pod-02"), "a cluster that is gone is not asked on")
		})
	}
}

func TestACrashAfterAnyWriteChangesNothingInTheEnd(t *testing.T) {
	t.Parallel()
	const writes = 4 // The cordon and three evictions.
	for survived := range writes {
		t.Run(fmt.Sprintf("after write %d", survived), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, append(pods(3), aNode())...)
			b.writesLeft = survived
			_, err := b.drainer.Step(t.Context(), b.request(t.Context()))
			b.Expect(err).To(MatchError(errKilled))
			node := b.node(t.Context())
			b.Expect(node.Spec.Unschedulable).To(Equal(node.Annotations[markKey] == string(owner)), "a cordon of which nobody knows whose it is")

			b.restart()
			b.evicted = nil
			b.step(t.Context())
			b.Expect(b.evicted).To(HaveLen(3-max(0, survived-1)), "what was done before the crash is not done again")
			b.Expect(b.patches).To(Equal(1))
			b.Expect(b.node(t.Context()).Annotations).To(HaveKeyWithValue(markKey, string(owner)))

			b.end(t.Context())
			b.Expect(b.step(t.Context())).To(Equal(drain.Progress{PodsTotal: 3, Drained: true}))
		})
	}
}
