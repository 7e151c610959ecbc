// Command five-spot is the controller manager of 5-Spot.
package main

import (
	"errors"
	"fmt"
	"os"
	_ "time/tzdata" // The image has no zone files.

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	"go.uber.org/zap/zapcore"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/finos/five-spot/controllers"
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
	level := opts.LogLevel
	if opts.Verbose {
		level = max(level, 2)
	}
	encoder := zap.JSONEncoder(readable)
	if opts.LogFormat == "text" {
		encoder = zap.ConsoleEncoder(readable)
	}
	return zap.New(encoder, zap.Level(zapcore.Level(-level)), zap.StacktraceLevel(zapcore.PanicLevel)) //nolint:gosec // The level is from 0 to 5.
}

// readable writes times as RFC 3339 and calls every level above 0 debug, which is what
// people and log collectors know.
func readable(c *zapcore.EncoderConfig) {
	c.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	c.EncodeLevel = func(level zapcore.Level, out zapcore.PrimitiveArrayEncoder) {
		out.AppendString(max(level, zapcore.DebugLevel).String())
	}
}

// restConfig reads the kubeconfig, or uses the ServiceAccount of the Pod.
func restConfig(kubeconfig string) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("failed to find out how to reach the API server: %w", err)
	}
	return config, nil
}
