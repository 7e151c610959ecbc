package testenv_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/finos/five-spot/tests/testenv"
)

const (
	// startDeadline leaves time to build the control plane from source.
	startDeadline = 20 * time.Minute

	// deadline is for one test, and generous: a machine that builds at the same time
	// is slow.
	deadline = 2 * time.Minute
)

// world is shared by the tests that start none of their own; nil with -short.
var world *testenv.World

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	os.Exit(run(m))
}

func run(m *testing.M) int {
	flag.Parse()
	if testing.Short() {
		return m.Run()
	}
	//nolint:forbidigo // No test owns the world that they share.
	ctx, cancel := context.WithTimeout(context.Background(), startDeadline)
	defer cancel()
	var err error
	if world, err = testenv.NewWorld(ctx, testenv.Options{Log: os.Stderr, AuditLog: true}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := world.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// bench is one test in a namespace of its own, with a Cluster.
type bench struct {
	*WithT
	ctx       context.Context //nolint:containedctx // It lives as long as the test.
	world     *testenv.World
	namespace string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	if world == nil {
		t.Skip("starts control planes")
	}
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	t.Cleanup(cancel)
	b := &bench{WithT: NewWithT(t), ctx: ctx, world: world}
	var err error
	b.namespace, err = world.Namespace(ctx, "testenv")
	b.Expect(err).NotTo(HaveOccurred())
	_, err = world.CreateCluster(ctx, b.namespace, "prod")
	b.Expect(err).NotTo(HaveOccurred())
	return b
}
