package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/controllers"
	removal "github.com/finos/five-spot/controllers/uninstall"
)

// uninstallOperands is the command that removes what managers have installed.
const uninstallOperands = "uninstall-operands"

// uninstall removes it, in the name of who runs the command.
func uninstall(args []string) error {
	flags := pflag.NewFlagSet("five-spot "+uninstallOperands, pflag.ContinueOnError)
	flags.SortFlags = false
	kubeconfig := flags.String("kubeconfig", os.Getenv("KUBECONFIG"), "Path of the kubeconfig of an administrator. [KUBECONFIG]")
	dryRun := flags.Bool("dry-run", false, "Only say what would be removed.")
	leaseName := flags.String("lease-name", "5spot-leader", "Name of the managers' Lease, which nobody may hold.")
	timeout := flags.Duration("timeout", 2*time.Minute, "How long to wait in each workload cluster for the end of the reclaim agent.")
	err := flags.Parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if *leaseName == "" {
		return errors.New("--lease-name must not be empty: by its Lease it is known whether a manager runs")
	}
	if *timeout <= 0 {
		return errors.New("--timeout must be more than 0")
	}
	ctrl.SetLogger(logr.Discard())
	config, err := restConfig(*kubeconfig)
	if err != nil {
		return err
	}
	scheme, err := controllers.NewScheme()
	if err != nil {
		return err
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("failed to connect: %w", err)
	}
	return removal.Operands(ctrl.SetupSignalHandler(), removal.Options{
		Client: c, Out: os.Stdout, DryRun: *dryRun, LeaseName: *leaseName, Timeout: *timeout, Clock: clock.RealClock{},
	})
}
