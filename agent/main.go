// Command five-spot-reclaim-agent gives a Node back to its owner: it asks for the
// emergency removal of its machine when the owner starts a program that is listed.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/finos/five-spot/agent/apiclient"
	"github.com/finos/five-spot/pkg/logging"
)

// version is set when the binary is built for a release.
var version = "dev"

// Exit codes. The first two are the only ones without --oneshot.
const (
	exitOK        = 0
	exitError     = 1
	exitUnmatched = 2
)

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "five-spot-reclaim-agent:", err)
	}
	os.Exit(code)
}

func run(args []string) (int, error) {
	opts, err := parseOptions(args, os.LookupEnv)
	if errors.Is(err, pflag.ErrHelp) {
		return exitOK, nil
	}
	if err != nil {
		return exitError, err
	}
	if opts.Version {
		_, err := fmt.Fprintln(os.Stdout, version)
		return exitOK, err
	}
	stayThin()
	log := logging.NewJSON(opts.LogLevel)
	klog.SetLogger(log)
	ctrl.SetLogger(log)

	config, err := restConfig(opts.Kubeconfig)
	if err != nil {
		return exitError, err
	}
	config.UserAgent = "five-spot-reclaim-agent/" + version
	api, err := apiclient.New(config)
	if err != nil {
		return exitError, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log.Info("Starting the reclaim agent", "version", version, "Node", opts.NodeName)
	if opts.OneShot {
		return once(ctx, opts, api, log)
	}
	if err := watch(ctx, opts, api, log); err != nil {
		return exitError, err
	}
	return exitOK, nil
}

// stayThin keeps the memory small, unless the environment says otherwise. There is
// little of it in use at any time, so that this collects garbage earlier, not for ever.
func stayThin() {
	const limit = 24 << 20 // bytes, of which less than a third is ever in use
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit)
	}
}

// errProgram is a kubeconfig that only works with the help of another program, or of a
// plugin. The agent starts none.
var errProgram = errors.New("the kubeconfig must have a token or a client certificate: the agent runs no other program")

// restConfig reads the kubeconfig, or uses the ServiceAccount of the Pod.
func restConfig(kubeconfig string) (*rest.Config, error) {
	if kubeconfig == "" {
		config, err := rest.InClusterConfig()
		if err != nil {
			return nil, fmt.Errorf("failed to use the ServiceAccount of the Pod; outside of a cluster give --kubeconfig: %w", err)
		}
		return config, nil
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("failed to find out how to reach the API server: %w", err)
	}
	if config.ExecProvider != nil || config.AuthProvider != nil {
		return nil, errProgram
	}
	return config, nil
}
