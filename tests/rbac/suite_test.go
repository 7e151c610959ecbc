// Package rbac runs the manager with exactly the rights that its manifests give to its
// ServiceAccount, and looks in the audit log whether they are enough and not more.
package rbac_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/finos/five-spot/tests/testenv"
)

const (
	// root is the folder of the project.
	root = "../.."

	// patience is how long any one state is waited for, and is generous: a machine that
	// builds at the same time is slow.
	patience = 90 * time.Second

	// tick is how often a state is looked at.
	tick = 50 * time.Millisecond
)

// world is shared by all tests; nil with -short.
var world *testenv.World

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	SetDefaultEventuallyTimeout(patience)
	SetDefaultEventuallyPollingInterval(tick)
	flag.Parse()
	if testing.Short() {
		os.Exit(m.Run())
	}
	os.Exit(testenv.RunSuite(m, start, func() error { return world.Stop() }))
}

// start starts a management cluster that asks for as many rights as any does, with every
// kind in it that the manager may have to do with.
func start(ctx context.Context) (err error) {
	world, err = testenv.NewWorld(ctx, testenv.Options{
		Log:                   os.Stderr,
		ManagementControllers: true,
		Kubelets:              true,
		AuditLog:              true,
		// It is on by default on OpenShift.
		ManagementArgs: map[string][]string{"enable-admission-plugins": {"OwnerReferencesPermissionEnforcement"}},
	})
	if err != nil {
		world = &testenv.World{}
		return err
	}
	var kinds []*apiextensionsv1.CustomResourceDefinition
	for _, kind := range foreignKinds() {
		kinds = append(kinds, kind.crd())
	}
	if _, err := envtest.InstallCRDs(world.Config(), envtest.CRDInstallOptions{CRDs: kinds}); err != nil {
		return fmt.Errorf("failed to install the kinds of others: %w", err)
	}
	if err := testenv.InstallOperandKinds(ctx, world.Config()); err != nil {
		return err
	}
	return applyFolder(ctx, "default")
}

// applyFolder applies a kustomization below config, as an administrator does.
func applyFolder(ctx context.Context, folder string) error {
	kubeconfig, err := world.Management.WriteKubeconfig(world.Management.Config, "admin")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, world.Management.Kubectl(), "--kubeconfig", kubeconfig,
		"apply", "--server-side", "-k", filepath.Join(root, "config", folder))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("failed to apply config/%s: %w: %s", folder, err, out)
	}
	return nil
}

func needWorld(t *testing.T) {
	t.Helper()
	if world == nil {
		t.Skip("starts control planes")
	}
}
