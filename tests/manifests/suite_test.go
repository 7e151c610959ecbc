// Package manifests applies manifests as users do: those in the format of the original
// project, and every one that this project's own pages and samples show.
package manifests_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/machine"
	"github.com/finos/five-spot/pkg/nodetaint"
	"github.com/finos/five-spot/pkg/schedule"
	"github.com/finos/five-spot/tests/testenv"
)

// root is the folder of the project.
const root = "../.."

var (
	server     *testenv.ControlPlane
	admin      client.Client
	kubeconfig string
)

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		os.Exit(m.Run())
	}
	os.Exit(testenv.RunSuite(m, start, func() error { return server.Stop() }))
}

func start(ctx context.Context) (err error) {
	if server, err = testenv.Start(ctx, testenv.ControlPlaneOptions{Name: "manifests", AuditLog: true, Log: os.Stderr}); err != nil {
		return err
	}
	if err := testenv.InstallCRDs(ctx, server.Config); err != nil {
		return err
	}
	if admin, err = client.New(server.Config, client.Options{Scheme: testenv.NewScheme()}); err != nil {
		return err
	}
	kubeconfig, err = server.WriteKubeconfig(server.Config, "admin")
	return err
}

func needServer(t *testing.T) {
	t.Helper()
	if server == nil {
		t.Skip("needs a control plane")
	}
}

// apply runs kubectl apply with a manifest on its standard input. A warning is a
// failure: users would wonder.
func apply(t *testing.T, manifest string, args ...string) string {
	t.Helper()
	return kubectl(t, manifest, append([]string{"apply", "-f", "-"}, args...)...)
}

// kubectl runs kubectl as an administrator.
func kubectl(t *testing.T, input string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), server.Kubectl(), append([]string{"--kubeconfig", kubeconfig}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("Warning")) {
		t.Fatalf("kubectl %s: %v: %s\n%s", strings.Join(args, " "), err, out, input)
	}
	return string(out)
}

// validate is what the controller says to a manifest.
func validate(manifest string) error {
	head := struct{ Kind string }{}
	if err := yaml.Unmarshal([]byte(manifest), &head); err != nil {
		return err
	}
	path := field.NewPath("spec")
	if head.Kind == "MachineCalendar" {
		calendar := &v1alpha1.MachineCalendar{}
		if err := yaml.UnmarshalStrict([]byte(manifest), calendar); err != nil {
			return err
		}
		_, errs := schedule.ParseCalendar(&calendar.Spec, path)
		return errs.ToAggregate()
	}
	sm := &v1alpha1.ScheduledMachine{}
	if err := yaml.UnmarshalStrict([]byte(manifest), sm); err != nil {
		return err
	}
	_, errs := schedule.Parse(&sm.Spec.Schedule, path.Child("schedule"))
	errs = append(errs, machine.Validate(&sm.Spec, machine.ValidateOptions{}, path)...)
	errs = append(errs, nodetaint.Validate(sm.Spec.NodeTaints, path.Child("nodeTaints"))...)
	return errs.ToAggregate()
}
