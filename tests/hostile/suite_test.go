// Package hostile sends manifests that mean harm to a real API server and, where it takes
// them, through the whole manager. Each is refused with words that name the field, or does
// no harm; the table says which.
package hostile_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/kubernetes"

	"github.com/finos/five-spot/tests/testenv"
)

// soon is generous: machines that test are slow.
const soon = 60 * time.Second

var (
	world  *testenv.World
	client *kubernetes.Clientset
)

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		os.Exit(m.Run())
	}
	SetDefaultEventuallyTimeout(soon)
	SetDefaultEventuallyPollingInterval(50 * time.Millisecond)
	os.Exit(testenv.RunSuite(m, start, func() error {
		if world == nil {
			return nil
		}
		return errors.Join(world.Stop())
	}))
}

func start(ctx context.Context) (err error) {
	if world, err = testenv.NewWorld(ctx, testenv.Options{Log: os.Stderr}); err != nil {
		return err
	}
	config := world.Config()
	config.QPS, config.Burst = 200, 400
	client, err = kubernetes.NewForConfig(config)
	return err
}
