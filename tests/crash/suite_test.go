// Package crash stops and kills the manager at every single write that it makes to
// either cluster, answers its writes with errors, and looks whether the machines still
// come and go as they should.
package crash_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
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
	patience = 90 * time.Second

	// tick is how often a state is looked at.
	tick = 50 * time.Millisecond
)

var (
	// world is shared by all tests; nil with -short.
	world *testenv.World

	// sites are those that are free.
	sites = make(chan *site, 6)

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
	// Machines mostly wait, so that the sites and not the cores are the limit.
	if err := flag.Set("test.parallel", strconv.Itoa(cap(sites))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
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
