package drain_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/finos/five-spot/pkg/drain"
)

var podResource = schema.GroupResource{Resource: "pods"}

func terminatingNamespace() error {
	err := apierrors.NewForbidden(podResource, "web", errors.New("unable to create new content in namespace shop because it is being terminated"))
	err.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	return err
}

func TestAnswersToAnEviction(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err     error
		blocked string
		want    drain.Evictions
		gone    bool
	}{
		"a PodDisruptionBudget is named": {
			err:     budgetExhausted("The disruption budget web needs 1 healthy pods and has 1 currently"),
			blocked: "Pod shop/web: The disruption budget web needs 1 healthy pods and has 1 currently",
			want:    drain.Evictions{Refused: 1},
		},
		"too many requests without a budget holds no Pod": {err: apierrors.NewTooManyRequests("slow down", 1), want: drain.Evictions{Failed: 1}},
		"a Pod that is gone is gone":                      {err: apierrors.NewNotFound(podResource, "web"), gone: true},
		"a Pod that is another one now is looked at again": {
			err: apierrors.NewConflict(podResource, "web", errors.New("the UID in the precondition does not match")), want: drain.Evictions{Failed: 1},
		},
		"a namespace on its way out is told": {
			err: terminatingNamespace(), blocked: "Pod shop/web: its namespace is being terminated, which will delete it", want: drain.Evictions{Refused: 1},
		},
		"an admission webhook is quoted": {
			err:     apierrors.NewForbidden(podResource, "web", errors.New("not on a Friday")),
			blocked: `Pod shop/web: pods "web" is forbidden: not on a Friday`, want: drain.Evictions{Refused: 1},
		},
		"two budgets for one Pod are told, since nothing will change that": {
			err: &apierrors.StatusError{ErrStatus: metav1.Status{
				Status: metav1.StatusFailure, Code: 500, Message: "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
			}},
			blocked: "Pod shop/web: This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
			want:    drain.Evictions{Refused: 1},
		},
		"an overloaded server holds no Pod":             {err: apierrors.NewServiceUnavailable("starting"), want: drain.Evictions{Failed: 1}},
		"a timeout of the server holds no Pod":          {err: apierrors.NewTimeoutError("couldn't update PodDisruptionBudget", 10), want: drain.Evictions{Failed: 1}},
		"a server that asks for patience holds no Pod":  {err: apierrors.NewServerTimeout(podResource, "create", 1), want: drain.Evictions{Failed: 1}},
		"a client that may not ask any more ran out":    {err: errors.New("client rate limiter Wait returned an error: rate: Wait(n=1) would exceed context deadline")},
		"control characters of a foreign text are seen": {err: budgetExhausted("a\x1b[31m\nb"), blocked: `Pod shop/web: a\x1b[31m\nb`, want: drain.Evictions{Refused: 1}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, aNode(), aPod("web"))
			b.evict = only(test.err, "web")
			progress := b.step(t.Context())
			b.Expect(progress.Evictions).To(Equal(test.want))
			b.Expect(progress.Drained).To(Equal(test.gone))
			b.Expect(progress.PodsTotal).To(BeEquivalentTo(1))
			if !test.gone {
				b.Expect(progress.RetryAfter).To(BeNumerically(">", 0))
			}
			if test.blocked == "" {
				b.Expect(progress.BlockedBy).To(BeEmpty())
				return
			}
			b.Expect(progress.BlockedBy).To(Equal([]string{test.blocked}))
		})
	}
}

func TestBlockedByIsBounded(t *testing.T) {
	t.Parallel()
	b := newBench(t, append(pods(25), aNode(), aPod("a-batch", labelled("wait-completed")))...)
	b.evict = func(context.Context, *corev1.Pod) error { return budgetExhausted(strings.Repeat("ü", 500)) }
	blocked := b.step(t.Context()).BlockedBy

	b.Expect(blocked).To(HaveLen(10))
	for i, text := range blocked {
		b.Expect(text).To(HavePrefix(fmt.Sprintf("Pod shop/pod-%02d: ü", i)), "refusals come before Pods that are only waited for")
		b.Expect(utf8.RuneCountInString(text)).To(Equal(512))
	}
}

func TestBlockedByIsSorted(t *testing.T) {
	t.Parallel()
	b := newBench(t, aNode(), aPod("web-0"), aPod("web-1"), aPod("batch", labelled("wait-completed")))
	b.evict = only(budgetExhausted("held"), "web-0", "web-1")
	b.Expect(b.step(t.Context()).BlockedBy).To(HaveExactElements(
		HavePrefix("Pod shop/batch: "), HavePrefix("Pod shop/web-0: "), HavePrefix("Pod shop/web-1: ")))
}

func TestPodsThatRanOutOfTimeDoNotCountAsBlocked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, append(pods(5), aNode())...)
		b.evict = func(ctx context.Context, pod *corev1.Pod) error {
			pass(400 * time.Millisecond)
			return only(budgetExhausted("held"), "pod-01")(ctx, pod)
		}
		start := time.Now()
		progress := b.step(t.Context())
		b.Expect(time.Since(start)).To(BeNumerically("<=", 1200*time.Millisecond))
		synctest.Wait()
		b.Expect(b.evicted).To(Equal([]string{"pod-00", "pod-01", "pod-02"}))
		b.Expect(progress.BlockedBy).To(Equal([]string{"Pod shop/pod-01: held"}))
		b.Expect(progress.PodsRemaining).To(BeEquivalentTo(5))
		b.Expect(progress.RetryAfter).To(Equal(100*time.Millisecond), "others are waiting for their turn")

		b.step(t.Context())
		synctest.Wait()
		b.Expect(b.evicted[3:]).To(Equal([]string{"pod-03", "pod-04"}))
	})
}

func TestAPodThatUsesUpTheSecondDoesNotStarveTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, append(pods(3), aNode())...)
		b.evict = func(ctx context.Context, pod *corev1.Pod) error {
			if pod.Name != "pod-00" {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}
		start := time.Now()
		progress := b.step(t.Context())
		b.Expect(time.Since(start)).To(Equal(time.Second))
		synctest.Wait()
		b.Expect(progress.Evictions).To(BeZero())
		b.Expect(progress.BlockedBy).To(BeEmpty())

		start = time.Now()
		progress = b.step(t.Context())
		b.Expect(time.Since(start)).To(BeZero())
		b.Expect(b.evicted).To(Equal([]string{"pod-00", "pod-01", "pod-02"}))
		b.Expect(progress.Evictions).To(Equal(drain.Evictions{Accepted: 2}))
		b.Expect(progress.BlockedBy).To(BeEmpty())

		pass(4 * time.Second)
		synctest.Wait()
		progress = b.step(t.Context())
		b.Expect(progress.Evictions).To(Equal(drain.Evictions{Failed: 1}), "it was broken off after five seconds")
		b.Expect(b.evicted).To(HaveLen(3), "and is left alone for a while")
		pass(5 * time.Second)
		b.step(t.Context())
		pass(5 * time.Second)
		synctest.Wait()
		b.Expect(b.evicted).To(HaveLen(4))
	})
}

// An API server charges an eviction to the budget before it deletes the Pod. A client
// that goes away in between leaves the budget used up, and the Pod there.
func TestTheEndOfAStepBreaksNoEvictionOff(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer error
		late   drain.Evictions
		asked  int
	}{
		"that is accepted later": {late: drain.Evictions{Accepted: 1}, asked: 1},
		"that is refused later":  {answer: budgetExhausted("held"), late: drain.Evictions{Refused: 1}, asked: 1},
		"of a Pod that has gone": {answer: apierrors.NewNotFound(podResource, "web"), asked: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, aNode(), aPod("web"))
				b.evict = func(ctx context.Context, _ *corev1.Pod) error {
					pass(3 * time.Second)
					b.Expect(ctx.Err()).NotTo(HaveOccurred(), "the request was broken off")
					return test.answer
				}
				progress := b.step(t.Context())
				synctest.Wait()
				b.Expect(progress.Drained).To(BeFalse())
				b.Expect(progress.RetryAfter).To(Equal(100 * time.Millisecond))
				pass(time.Second)
				progress = b.step(t.Context())
				b.Expect(progress.RetryAfter).To(Equal(500*time.Millisecond), "there is a request under way")
				b.Expect(b.evicted).To(HaveLen(1))

				pass(time.Second)
				synctest.Wait()
				progress = b.step(t.Context())
				b.Expect(progress.Evictions).To(Equal(test.late))
				pass(5 * time.Second)
				synctest.Wait()
				b.Expect(b.evicted).To(HaveLen(test.asked))
			})
		})
	}
}

func TestAPodWhoseEvictionWasAcceptedInBetweenIsNotEvictedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, append(pods(2), aNode())...)
		slow := time.Duration(0)
		b.evict = func(_ context.Context, pod *corev1.Pod) error {
			if pod.Name == "pod-00" {
				pass(slow)
				return budgetExhausted("held")
			}
			pass(1200 * time.Millisecond)
			return nil
		}
		b.step(t.Context())
		pass(100 * time.Millisecond)
		slow = 300 * time.Millisecond
		// It reads the Pods before pod-01 is accepted, and comes to it afterwards.
		progress := b.step(t.Context())
		synctest.Wait()
		b.Expect(b.evicted).To(Equal([]string{"pod-00", "pod-01", "pod-00"}))
		b.Expect(progress.PodsRemaining).To(BeEquivalentTo(2))
		pass(2 * time.Second)
		b.Expect(b.step(t.Context()).Evictions.Accepted).To(Equal(1))
	})
}

func TestAStepAsAWholeIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, aNode(), aPod("web"))
		b.list = waitForEnd
		start := time.Now()
		_, err := b.drainer.Step(t.Context(), b.request(t.Context()))
		b.Expect(err).To(MatchError(context.DeadlineExceeded))
		b.Expect(time.Since(start)).To(Equal(1500 * time.Millisecond))
	})
}

func TestRefusedPodsBackOffOneByOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, append(pods(2), aNode())...)
		b.evict = only(budgetExhausted("held"), "pod-00")
		var asked []time.Duration
		start := time.Now()
		for time.Since(start) < 20*time.Second {
			before := len(b.evicted)
			progress := b.step(t.Context())
			b.Expect(progress.BlockedBy).To(Equal([]string{"Pod shop/pod-00: held"}), "the status does not flicker between two requests")
			if len(b.evicted) > before {
				asked = append(asked, time.Since(start))
			}
			pass(progress.RetryAfter)
		}
		b.Expect(asked).To(Equal([]time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second, 12 * time.Second, 17 * time.Second}))

		b.evict = nil
		pass(5 * time.Second)
		b.Expect(b.step(t.Context()).BlockedBy).To(BeEmpty())
	})
}

func TestTheServersWishToBeLeftAloneIsHonoured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, aNode(), aPod("web"))
		b.evict = only(apierrors.NewTooManyRequests("slow down", 4), "web")
		b.step(t.Context())
		pass(3900 * time.Millisecond)
		b.step(t.Context())
		b.Expect(b.evicted).To(HaveLen(1))
		pass(100 * time.Millisecond)
		b.step(t.Context())
		b.Expect(b.evicted).To(HaveLen(2))
	})
}

func TestWhatWasRememberedOfAPodIsForgottenAfterAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, aNode(), aPod("web"))
		b.evict = only(budgetExhausted("held"), "web")
		for range 5 {
			pass(b.step(t.Context()).RetryAfter)
		}
		pass(2 * time.Minute)
		b.Expect(b.step(t.Context()).RetryAfter).To(Equal(time.Second), "the back-off begins anew")
	})
}
