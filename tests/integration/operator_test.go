package integration_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/finos/five-spot/controllers"
	"github.com/finos/five-spot/tests/testenv"
)

// operator is the manager, as it runs in production but for its clock.
type operator struct {
	// clock runs with real time, and can be stepped ahead of it.
	clock *clocktesting.FakeClock

	// requests are those that the manager sent to the management cluster.
	requests *testenv.Requests

	// registry is what /metrics would serve.
	registry *prometheus.Registry

	cancel context.CancelFunc
	done   chan error
}

// startOperator starts the manager with the clock set to the given instant. It is
// stopped at the end of the spec.
func startOperator(ctx context.Context, at time.Time, adjust ...func(*controllers.Options)) *operator {
	GinkgoHelper()
	return resumeOperator(ctx, clocktesting.NewFakeClock(at), adjust...)
}

// resumeOperator starts the manager with the clock of an earlier one.
func resumeOperator(ctx context.Context, clock *clocktesting.FakeClock, adjust ...func(*controllers.Options)) *operator {
	GinkgoHelper()
	opts, err := controllers.ParseOptions([]string{
		"--metrics-port=0", "--health-port=0", "--enable-leader-election=false",
		// Machines are stamped by the API server, whose time lies long before the clock's.
		"--join-timeout=876000h",
		// There is one API server for all specs: those about the policies turn it on.
		"--manage-admission-policy=false",
	}, func(string) (string, bool) { return "", false })
	Expect(err).NotTo(HaveOccurred())
	for _, a := range adjust {
		a(&opts)
	}

	o := &operator{clock: clock, requests: &testenv.Requests{}, registry: prometheus.NewRegistry(), done: make(chan error, 1)}
	opts.Clock, opts.Registry = o.clock, o.registry
	runCtx, cancel := context.WithCancel(ctrl.LoggerInto(context.WithoutCancel(ctx), GinkgoLogr))
	o.cancel = cancel
	mgr, err := controllers.NewManager(runCtx, o.requests.Wrap(world.Config()), opts, "test")
	Expect(err).NotTo(HaveOccurred())

	stopClock := testenv.LetFlow(o.clock)
	go func() {
		defer GinkgoRecover()
		o.done <- mgr.Start(runCtx)
		stopClock()
	}()
	DeferCleanup(o.stop)
	return o
}

// stop ends the manager and waits until it has ended.
func (o *operator) stop() {
	if o.cancel == nil {
		return
	}
	o.cancel()
	o.cancel = nil
	Eventually(o.done).Should(Receive(BeNil()))
}

// jumpTo steps the clock ahead to the given instant.
func (o *operator) jumpTo(at time.Time) {
	o.clock.Step(at.Sub(o.clock.Now()))
}
