// Package integration runs the operator against a real API server and etcd, with
// Cluster API's own reconcilers, and looks at what a user would see.
package integration_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/finos/five-spot/tests/testenv"
)

const (
	// soon is how long anything may take that is not waited for on purpose. It is
	// generous, since the machines that run these tests are shared.
	soon = 60 * time.Second

	// tick is how often a condition is looked at.
	tick = 50 * time.Millisecond

	// clusterName is the Cluster in every namespace.
	clusterName = "trading"
)

var world *testenv.World

func TestIntegration(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a control plane")
	}
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(soon)
	SetDefaultEventuallyPollingInterval(tick)
	EnforceDefaultTimeoutsWhenUsingContexts()
	RunSpecs(t, "Integration")
}

var _ = BeforeSuite(func(ctx context.Context) {
	ctrl.SetLogger(GinkgoLogr)
	var err error
	world, err = testenv.NewWorld(ctx, testenv.Options{Log: GinkgoWriter, Kubelets: true})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(world.Stop)
}, NodeTimeout(20*time.Minute))
