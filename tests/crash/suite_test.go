// Package crash stops the manager after every single write that it makes, answers its
// writes with errors, and looks whether the machines still come and go as they should.
package crash_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/finos/five-spot/tests/testenv"
)

const (
	// startDeadline leaves time to build the control plane from source.
	startDeadline = 20 * time.Minute

	// patience is how long any one state is waited for, and is generous: a machine
	// that builds at the same time is slow.
	patience = 60 * time.Second

	// tick is how often a state is looked at.
	tick = 20 * time.Millisecond

	clusterName = "trading"
)

var (
	// world is shared by all tests; nil with -short.
	world *testenv.World

	// namespace has a Cluster that is ready.
	namespace string

	seed = flag.Uint64("seed", 0, "Seed of the injected faults; 0 takes a new one.")
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	os.Exit(run(m))
}

func run(m *testing.M) int {
	flag.Parse()
	if testing.Short() {
		return m.Run()
	}
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	code := 1
	if err := startWorld(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	if err := world.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func startWorld() error {
	//nolint:forbidigo // No test owns the world that they share.
	ctx, cancel := context.WithTimeout(context.Background(), startDeadline)
	defer cancel()
	var err error
	if world, err = testenv.NewWorld(ctx, testenv.Options{Log: os.Stderr}); err != nil {
		return err
	}
	if namespace, err = world.Namespace(ctx, "crash"); err != nil {
		return err
	}
	_, err = world.CreateCluster(ctx, namespace, clusterName)
	return err
}
