package drain

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/clock"
	"sigs.k8s.io/cluster-api/core/reconcilers/machine/drain"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// requestTimeout is when a request is broken off. No step waits that long.
const requestTimeout = 5 * time.Second

// evictor is a client that keeps watch over the requests to take Pods away: it holds
// back those in back-off, pins each to the very Pod that was listed, and remembers
// every answer as the API server gave it. It serves one step.
type evictor struct {
	client.Client

	clock    clock.PassiveClock
	attempts *attempts

	// listed are the Pods that were read, and hidden those that the library is not to see.
	listed []corev1.Pod
	hidden sets.Set[types.UID]

	// stop ends the evictions of the step.
	stop context.CancelFunc

	counts   Evictions
	refusals []string

	// next is the shortest time until a Pod may be tried again; zero when none is
	// held back. hurry is whether there are Pods that there was no time for.
	next  time.Duration
	hurry bool

	// err is why the API server could not be asked.
	err error
}

func (d *Drainer) newEvictor(workload client.Client, before *attempts) *evictor {
	before.sweep(d.clock.Now())
	return &evictor{Client: workload, clock: d.clock, attempts: before, hidden: sets.New[types.UID](), counts: before.takeLate()}
}

// run bounds the evictions in time.
func (e *evictor) run(ctx context.Context, evict func(context.Context) drain.EvictionResult) drain.EvictionResult {
	ctx, cancel := context.WithTimeout(ctx, evictionTimeout)
	defer cancel()
	e.stop = cancel
	result := evict(ctx)
	e.hurry = e.hurry || ctx.Err() != nil
	return result
}

// retryAfter is when the next step makes sense, given when to look whether Pods have
// left.
func (e *evictor) retryAfter(recheck time.Duration) time.Duration {
	switch {
	case e.hurry:
		return recheckAtOnce
	case e.next > 0:
		return max(recheckAtOnce, min(e.next, recheck))
	default:
		return recheck
	}
}

// take takes one Pod away by the given request, unless it is held back.
//
// The request outlives the step where there is no answer in time. An API server first
// charges an eviction to the PodDisruptionBudget and then deletes the Pod: a client that
// goes away in between leaves the budget used up for minutes, and the Pod there.
func (e *evictor) take(ctx context.Context, pod *corev1.Pod, request func(context.Context) error) error {
	answer, err := e.ask(ctx, pod, request)
	if answer == nil {
		return err
	}
	return e.await(ctx, pod, answer)
}

// ask sends the request, unless the Pod is held back: then it returns why.
func (e *evictor) ask(ctx context.Context, pod *corev1.Pod, request func(context.Context) error) (<-chan error, error) {
	start := e.clock.Now()
	if last := e.attempts.held(pod.UID, start); last != nil {
		if last.err != nil {
			e.wait(last.notBefore.Sub(start))
		}
		e.refuse(pod, last.refusal)
		return nil, last.err
	}
	answer := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
		defer cancel()
		answer <- request(ctx)
	}()
	return answer, nil
}

// await takes the answer, if it comes before the end of the step.
func (e *evictor) await(ctx context.Context, pod *corev1.Pod, answer <-chan error) error {
	select {
	case err := <-answer:
		e.note(ctx, pod, err)
		return err
	case <-ctx.Done():
		e.attempts.left(context.WithoutCancel(ctx), pod.UID, e.clock, answer)
		e.hurry = true
		return ctx.Err()
	}
}

func (e *evictor) note(ctx context.Context, pod *corev1.Pod, err error) {
	is, refusal := judge(ctx, err)
	e.counts = e.counts.with(is)
	switch is {
	case accepted, gone:
	case refused, busy:
		e.refuse(pod, refusal)
		e.holdBack(pod, attempt{err: err, refusal: refusal, delays: refusedBackOff})
	case unanswered:
		e.hurry = true
		e.stop()
	case unreachable:
		e.err = fmt.Errorf("failed to evict Pod %s: %w", client.ObjectKeyFromObject(pod), err)
		e.stop()
	}
}

func (e *evictor) holdBack(pod *corev1.Pod, try attempt) {
	asked, _ := apierrors.SuggestsClientDelay(try.err)
	e.wait(e.attempts.failed(pod.UID, e.clock.Now(), try, time.Duration(asked)*time.Second))
}

func (e *evictor) wait(delay time.Duration) {
	if e.next == 0 || delay < e.next {
		e.next = delay
	}
}

func (e *evictor) refuse(pod *corev1.Pod, refusal string) {
	if refusal != "" {
		e.refusals = append(e.refusals, entry(pod, refusal))
	}
}

// SubResource lets the evictions that the library asks for go through take.
func (e *evictor) SubResource(name string) client.SubResourceClient {
	return evictions{SubResourceClient: e.Client.SubResource(name), evictor: e}
}

type evictions struct {
	client.SubResourceClient
	evictor *evictor
}

func (s evictions) Create(ctx context.Context, obj, body client.Object, opts ...client.SubResourceCreateOption) error {
	pod, isPod := obj.(*corev1.Pod)
	eviction, isEviction := body.(*policyv1.Eviction)
	if !isPod || !isEviction {
		return s.SubResourceClient.Create(ctx, obj, body, opts...)
	}
	// A Pod of the same name may run on another Node by now.
	eviction.DeleteOptions.Preconditions = &metav1.Preconditions{UID: &pod.UID}
	return s.evictor.take(ctx, pod, func(ctx context.Context) error {
		return s.SubResourceClient.Create(ctx, pod, eviction, opts...)
	})
}
