package integration_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/controllers"
	"github.com/finos/five-spot/tests/testenv"
)

var _ = Describe("A manager that starts", func() {
	It("acts at once on the boundaries that passed while there was none", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, monday)
		sm := apply(ctx, namespace, businessHours)
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseInactive))

		operator.stop()
		operator.jumpTo(insideWindow)
		operator = resumeOperator(ctx, operator.clock)
		joined(ctx, sm)
		Expect(operator.clock.Since(insideWindow)).To(BeNumerically("<", time.Minute), "no timer was waited for")

		operator.stop()
		operator.jumpTo(windowCloses.Add(time.Hour))
		operator = resumeOperator(ctx, operator.clock)
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseInactive))
		expectNothingLeft(ctx, sm)
		Expect(sentDeletions(operator, namespace)).To(Equal([]string{"machines/desk-7"}))
	})

	It("goes on with a shutdown on the clock of the one before", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		pod := stubbornPod(ctx, nodeName(sm))
		operator.jumpTo(windowCloses)
		started := shutdownStarted(ctx, sm)
		expectDraining(ctx, sm, pod)

		operator.stop()
		operator.clock.Step(4 * time.Minute)
		operator = resumeOperator(ctx, operator.clock)
		expectDraining(ctx, sm, pod)
		Expect(shutdownStarted(ctx, sm)).To(Equal(started))
		operator.clock.Step(time.Minute)
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseInactive))
	})

	It("does not kill a machine twice", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		change(ctx, sm, kill)
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseTerminated))
		expectNothingLeft(ctx, sm)
		operator.stop()
		operator = resumeOperator(ctx, operator.clock)
		Eventually(func() float64 { return counted(operator, "fivespot_schedule_evaluations_total") }).Should(BeNumerically(">", 0))
		expectEventOnce(ctx, sm, "KillSwitchActivated")
		Expect(counted(operator, "fivespot_kill_switch_activations_total")).To(BeZero())
	})
})

var _ = Describe("Of two managers", func() {
	DescribeTable("one acts, and the other takes over in time for the next boundary",
		func(ctx context.Context, end func(*replica)) {
			namespace := newNamespace(ctx)
			clock := clocktesting.NewFakeClock(monday)
			DeferCleanup(testenv.LetFlow(clock))
			first := startReplica(ctx, namespace, clock)
			Eventually(first.elected).Should(BeClosed())
			second := startReplica(ctx, namespace, clock)
			sm := apply(ctx, namespace, businessHours)
			Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseInactive))
			Expect(second.elected).NotTo(BeClosed())
			Expect(second.writes(namespace)).To(BeEmpty())

			end(first)
			clock.SetTime(windowOpens)
			joined(ctx, sm)
			Expect(second.elected).To(BeClosed())
			Expect(second.writes(namespace)).To(ContainElement("POST machines"))
			Expect(first.writes(namespace)).NotTo(ContainElement("POST machines"))
		},
		Entry("after a leader that stops", func(leader *replica) { leader.stop() }),
		Entry("after a leader that can no longer be heard of", func(leader *replica) { leader.severed.Store(true) }),
	)
})

// replica is one of several managers that compete for a Lease.
type replica struct {
	requests testenv.Requests
	elected  <-chan struct{}

	// severed cuts the manager off from the API server.
	severed atomic.Bool

	cancel context.CancelFunc
	done   chan struct{}
}

func startReplica(ctx context.Context, namespace string, clock *clocktesting.FakeClock) *replica {
	GinkgoHelper()
	opts, err := controllers.ParseOptions([]string{"--metrics-port=0", "--health-port=0", "--manage-admission-policy=false"}, func(string) (string, bool) { return "", false })
	Expect(err).NotTo(HaveOccurred())
	opts.Clock, opts.Registry = clock, prometheus.NewRegistry()
	opts.LeaseNamespace = namespace
	opts.LeaseDuration, opts.LeaseRenewDeadline, opts.LeaseRetryPeriod = 4*time.Second, 3*time.Second, 500*time.Millisecond

	r := &replica{done: make(chan struct{})}
	runCtx, cancel := context.WithCancel(ctrl.LoggerInto(context.WithoutCancel(ctx), GinkgoLogr))
	r.cancel = cancel
	mgr, err := controllers.NewManager(runCtx, r.severable(r.requests.Wrap(world.Config())), opts, "test")
	Expect(err).NotTo(HaveOccurred())
	r.elected = mgr.Elected()
	go func() {
		defer close(r.done)
		// A leader that loses its Lease ends with an error, as it should.
		_ = mgr.Start(runCtx)
	}()
	DeferCleanup(r.stop)
	return r
}

var errSevered = errors.New("no route to host")

func (r *replica) severable(config *rest.Config) *rest.Config {
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(request *http.Request) (*http.Response, error) {
			if r.severed.Load() {
				return nil, errSevered
			}
			return next.RoundTrip(request)
		})
	})
	return config
}

func (r *replica) stop() {
	r.cancel()
	Eventually(r.done).Should(BeClosed())
}

// writes are those to our objects in the namespace.
func (r *replica) writes(namespace string) []string { return writesIn(&r.requests, namespace) }

type roundTrip func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTrip) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// writesIn are the writes to a namespace, as "METHOD resource/name", without events
// and leases, in order.
func writesIn(requests *testenv.Requests, namespace string) []string {
	var writes []string
	for _, request := range requests.List(testenv.Request.Write) {
		_, object, found := strings.Cut(request.Path, "/namespaces/"+namespace+"/")
		if found && !strings.HasPrefix(object, "events") && !strings.HasPrefix(object, "leases") {
			writes = append(writes, request.Method+" "+object)
		}
	}
	return writes
}
