// Package olm installs the bundle as a release is installed: the Operator Lifecycle Manager
// takes it from a catalog that opm serves, and the manager runs as a process with the
// variables of the Deployment and a token of the ServiceAccount that OLM has made. The
// version before is built from its commit, and upgraded twice. make test-olm runs this suite, go
// test alone does not.
package olm_test

import (
	"context"
	"errors"
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
	// root is the folder of the project.
	root = "../.."

	// programsVariable is the folder of OLM's programs, and opmVariable is opm.
	programsVariable = "FIVE_SPOT_OLM_PROGRAMS"
	opmVariable      = "FIVE_SPOT_OPM"

	// soon is generous: a machine that builds at the same time is slow, and OLM waits up
	// to a minute before it gives up or looks again.
	soon = 2 * time.Minute

	// calm is how long something has to stay as it is.
	calm = 3 * time.Second

	pollInterval = 50 * time.Millisecond
)

// released are the version before and this one with the catalog that has both, and the
// version after with the catalog that has all.
var released struct {
	older, newer, next *release
	catalog, later     *catalog
}

func TestMain(m *testing.M) {
	if os.Getenv(programsVariable) == "" || os.Getenv(opmVariable) == "" {
		os.Exit(testenv.RunNothing(m, "nothing is tested without OLM: make test-olm has it"))
	}
	flag.Parse()
	ctrl.SetLogger(logr.Discard())
	SetDefaultEventuallyTimeout(soon)
	SetDefaultEventuallyPollingInterval(pollInterval)
	folder, err := os.MkdirTemp("", "five-spot-olm-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(testenv.RunSuite(m,
		func(ctx context.Context) error { return start(ctx, folder) },
		func() error { return errors.Join(released.catalog.stop(), released.later.stop(), os.RemoveAll(folder)) }))
}

func start(ctx context.Context, folder string) (err error) {
	if released.older, err = earlierRelease(ctx, folder); err != nil {
		return err
	}
	if released.newer, err = thisRelease(ctx, folder); err != nil {
		return err
	}
	if released.next, err = nextRelease(ctx, folder); err != nil {
		return err
	}
	if released.catalog, err = serveCatalog(ctx, folder, "catalog", released.older, released.newer); err != nil {
		return err
	}
	released.later, err = serveCatalog(ctx, folder, "catalog-later", released.older, released.newer, released.next)
	return err
}
