// Package manager runs the manager's own binary, as a process, with the token and the
// rights of its ServiceAccount, and looks at what it serves, logs and writes.
package manager_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/finos/five-spot/tests/testenv"
)

const (
	// root is the folder of the project.
	root = "../.."

	// namespace is where config/rbac puts the ServiceAccount of the manager.
	namespace = "5spot-system"

	// account is that ServiceAccount.
	account = "five-spot-controller-manager"

	// soon is generous: machines that test are slow.
	soon = 60 * time.Second
)

var (
	world  *testenv.World
	binary string
)

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		os.Exit(m.Run())
	}
	SetDefaultEventuallyTimeout(soon)
	SetDefaultEventuallyPollingInterval(50 * time.Millisecond)
	folder, err := os.MkdirTemp("", "five-spot-manager-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(testenv.RunSuite(m,
		func(ctx context.Context) error { return start(ctx, folder) },
		func() error {
			var err error
			if world != nil {
				err = world.Stop()
			}
			return errors.Join(err, os.RemoveAll(folder))
		}))
}

func start(ctx context.Context, folder string) (err error) {
	ctrl.SetLogger(logr.Discard())
	if binary, err = testenv.BuildManager(ctx, folder); err != nil {
		return err
	}
	if world, err = testenv.NewWorld(ctx, testenv.Options{Log: os.Stderr}); err != nil {
		return err
	}
	if err := world.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		return err
	}
	return grantRights(ctx)
}

// grantRights applies the rights that config/default gives the manager.
func grantRights(ctx context.Context) error {
	kubeconfig, err := world.Management.WriteKubeconfig(world.Config(), "admin")
	if err != nil {
		return err
	}
	apply := exec.CommandContext(ctx, world.Management.Kubectl(), "--kubeconfig", kubeconfig,
		"apply", "--server-side", "-k", filepath.Join(root, "config", "rbac"))
	if out, err := apply.CombinedOutput(); err != nil {
		return fmt.Errorf("failed to apply config/rbac: %w: %s", err, out)
	}
	return nil
}

func needWorld(t *testing.T) {
	t.Helper()
	if world == nil {
		t.Skip("needs a control plane")
	}
}
