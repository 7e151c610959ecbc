// Command five-spot is the controller manager of 5-Spot.
package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	_ "time/tzdata" // The image has no zone files.

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/finos/five-spot/controllers"
	"github.com/finos/five-spot/pkg/logging"
)

// version is set when the binary is built for a release.
var version = "dev"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "five-spot:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) > 0 && args[0] == uninstallOperands {
		return uninstall(args[1:])
	}
	opts, err := controllers.ParseOptions(args, os.LookupEnv)
	if errors.Is(err, pflag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	log := newLogger(opts)
	ctrl.SetLogger(log)
	klog.SetLogger(log)
	logging.TakeStandard(log)
	if err := setLibraryLevel(logLevel(opts)); err != nil {
		return err
	}

	config, err := restConfig(opts.Kubeconfig)
	if err != nil {
		return err
	}
	ctx := ctrl.LoggerInto(ctrl.SetupSignalHandler(), log)
	mgr, err := controllers.NewManager(ctx, config, opts, version)
	if err != nil {
		return err
	}
	log.Info("Starting 5-Spot", "version", version, "instance", opts.InstanceID, "instances", opts.InstanceCount)
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("the manager stopped: %w", err)
	}
	return nil
}

// newLogger logs JSON, or text for people.
func newLogger(opts controllers.Options) logr.Logger {
	if opts.LogFormat == "text" {
		return logging.NewText(logLevel(opts))
	}
	return logging.NewJSON(logLevel(opts))
}

// logLevel is at most 5. From 8 on client-go logs the bodies of requests, and with them
// Secrets.
func logLevel(opts controllers.Options) int {
	if opts.Verbose {
		return max(opts.LogLevel, 2)
	}
	return opts.LogLevel
}

// setLibraryLevel sets the level for what does not get its logger from a context.
func setLibraryLevel(level int) error {
	var verbosity klog.Level
	if err := verbosity.Set(strconv.Itoa(level)); err != nil {
		return fmt.Errorf("failed to set the level of the log: %w", err)
	}
	return nil
}

// restConfig reads the kubeconfig, or uses the ServiceAccount of the Pod.
func restConfig(kubeconfig string) (*rest.Config, error) {
	load := rest.InClusterConfig
	if kubeconfig != "" {
		load = func() (*rest.Config, error) { return clientcmd.BuildConfigFromFlags("", kubeconfig) }
	}
	config, err := load()
	if err != nil {
		return nil, fmt.Errorf("failed to find out how to reach the API server; outside of a cluster give --kubeconfig: %w", err)
	}
	return config, nil
}
