package drain_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/finos/five-spot/pkg/drain"
)

// withoutKubelet lets a Pod go as soon as it is asked to.
func withoutKubelet(pod *corev1.Pod) { pod.Finalizers = nil }

func TestTheLateAnswerForTheLastPodIsCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, aNode(), aPod("web", withoutKubelet))
		b.evict = func(context.Context, *corev1.Pod) error {
			pass(3 * time.Second)
			return nil
		}
		b.step(t.Context())
		pass(3 * time.Second)
		synctest.Wait()
		progress := b.step(t.Context())
		b.Expect(progress.Drained).To(BeTrue())
		b.Expect(progress.Evictions).To(Equal(drain.Evictions{Accepted: 1}))
	})
}

func TestAnswersBeforeAnErrorAreCounted(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		step func(context.Context, *bench) (drain.Progress, error)
		fail func(*bench, func(context.Context, *corev1.Pod) error)
	}{
		"of evictions": {
			step: func(ctx context.Context, b *bench) (drain.Progress, error) {
				return b.drainer.Step(ctx, b.request(ctx))
			},
			fail: func(b *bench, answer func(context.Context, *corev1.Pod) error) { b.evict = answer },
		},
		"of deletions": {
			step: func(ctx context.Context, b *bench) (drain.Progress, error) {
				return b.drainer.ForceStep(ctx, b.request(ctx), time.Minute)
			},
			fail: func(b *bench, answer func(context.Context, *corev1.Pod) error) { b.remove = answer },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, append(pods(3), aNode())...)
			test.fail(b, only(errors.New("connection refused"), "pod-02"))
			progress, err := test.step(t.Context(), b)
			b.Expect(err).To(MatchError(ContainSubstring("connection refused")))
			b.Expect(progress.Evictions).To(Equal(drain.Evictions{Accepted: 2}))
		})
	}
}
