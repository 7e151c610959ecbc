package main

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/finos/five-spot/agent/detect"
	"github.com/finos/five-spot/agent/hostid"
	"github.com/finos/five-spot/agent/serve"
	"github.com/finos/five-spot/pkg/environment"
)

// defaultHealthAddress is on a port that Kubernetes and common exporters leave alone:
// the agent shares the ports of its host.
const defaultHealthAddress = "127.0.0.1:10581"

// options are the agent's settings.
type options struct {
	Kubeconfig string

	NodeName  string
	Namespace string
	PodName   string

	Detector        detect.Mode
	ProcRoot        string
	MachineIDPath   string
	SkipHostIDCheck bool
	OneShot         bool

	MetricsAddress serve.Address
	MetricsAccess  serve.Access
	HealthAddress  serve.Address

	LogLevel int
	Version  bool
}

// written are flags whose text is read after parsing.
type written struct{ detector, metricsAddress, healthAddress string }

// parseOptions reads the settings from flags and, where a flag is not given, from
// environment variables. The error names the flag or variable and the rule.
func parseOptions(args []string, lookupEnv func(string) (string, bool)) (options, error) {
	env := environment.New(lookupEnv)
	flags := pflag.NewFlagSet("five-spot-reclaim-agent", pflag.ContinueOnError)
	flags.SortFlags = false
	var opts options
	var texts written
	addFlags(flags, env, &opts, &texts)
	opts.PodName = env.Text("POD_NAME", "")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if opts.Version {
		return opts, nil
	}
	return opts, errors.Join(append([]error{env.Err()}, opts.complete(texts)...)...)
}

func addFlags(flags *pflag.FlagSet, env *environment.Variables, opts *options, texts *written) {
	flags.StringVar(&opts.NodeName, "node-name", env.Text("NODE_NAME", ""),
		"Name of the Node that this agent runs on. Required. [NODE_NAME]")
	flags.StringVar(&opts.Namespace, "namespace", env.Text("POD_NAMESPACE", "5spot-system"),
		"Namespace of the ConfigMap that says what to look for. [POD_NAMESPACE]")
	flags.StringVar(&opts.Kubeconfig, "kubeconfig", env.Text("KUBECONFIG", ""),
		"Path of a kubeconfig. Inside a cluster the ServiceAccount is used instead. [KUBECONFIG]")
	flags.StringVar(&texts.detector, "detector", env.Text("RECLAIM_DETECTOR", string(detect.ModeAuto)),
		"How processes are detected: netlink (the kernel tells), poll (/proc is read), or auto (netlink where it works). [RECLAIM_DETECTOR]")
	flags.StringVar(&opts.ProcRoot, "proc-root", env.Text("RECLAIM_PROC_ROOT", detect.DefaultProcRoot),
		"Where the host's /proc is. [RECLAIM_PROC_ROOT]")
	flags.StringVar(&opts.MachineIDPath, "machine-id-path", env.Text("MACHINE_ID_PATH", hostid.DefaultPath),
		"Where the host's /etc/machine-id is. [MACHINE_ID_PATH]")
	flags.BoolVar(&opts.SkipHostIDCheck, "skip-host-id-check", env.Flag("SKIP_HOST_ID_CHECK", false),
		"Annotate the Node without checking that it is this machine. [SKIP_HOST_ID_CHECK]")
	flags.BoolVar(&opts.OneShot, "oneshot", false,
		"Scan once and end: with 0 when the Node asks for its reclaim, 2 when nothing matches, 1 on an error.")
	flags.StringVar(&texts.metricsAddress, "metrics-bind-address", env.Text("METRICS_BIND_ADDRESS", "0"),
		"Address of /metrics; 0 turns it off, and a port alone is on 127.0.0.1. [METRICS_BIND_ADDRESS]")
	flags.StringVar(&opts.MetricsAccess.CertFile, "metrics-cert-file", "", "Certificate for /metrics, which makes it HTTPS.")
	flags.StringVar(&opts.MetricsAccess.KeyFile, "metrics-key-file", "", "Private key of that certificate.")
	flags.StringVar(&opts.MetricsAccess.ClientCAFile, "metrics-client-ca-file", "", "CA of the client certificates that may read /metrics.")
	flags.StringSliceVar(&opts.MetricsAccess.ClientNames, "metrics-client-name", nil,
		"Common name or DNS name of a client certificate that may read /metrics. May be given more than once.")
	flags.StringVar(&texts.healthAddress, "health-bind-address", env.Text("HEALTH_BIND_ADDRESS", defaultHealthAddress),
		"Address of /healthz on the loopback device; 0 turns it off. [HEALTH_BIND_ADDRESS]")
	flags.IntVar(&opts.LogLevel, "log-level", env.Number("LOG_LEVEL", 0),
		"How much to log: 0 what changes, 2 every decision, 4 details, up to 5. [LOG_LEVEL]")
	flags.BoolVar(&opts.Version, "version", false, "Print the version and end.")
}

// complete reads what is given as text and says what is wrong.
func (o *options) complete(texts written) []error {
	var errs []error
	check := func(ok bool, message string) {
		if !ok {
			errs = append(errs, errors.New(message))
		}
	}
	address := func(flag, text string) serve.Address {
		parsed, err := serve.ParseAddress(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %w", flag, err))
		}
		return parsed
	}
	var err error
	if o.Detector, err = detect.ParseMode(texts.detector); err != nil {
		errs = append(errs, fmt.Errorf("--detector: %w", err))
	}
	o.MetricsAddress = address("--metrics-bind-address", texts.metricsAddress)
	o.HealthAddress = address("--health-bind-address", texts.healthAddress)

	check(o.NodeName != "", "--node-name or the environment variable NODE_NAME is required")
	check(o.NodeName == "" || len(validation.IsDNS1123Subdomain(o.NodeName)) == 0, "--node-name must be the name of a Node")
	check(len(validation.IsDNS1123Label(o.Namespace)) == 0, "--namespace must be the name of a namespace")
	check(o.LogLevel >= 0 && o.LogLevel <= 5, "--log-level must be from 0 to 5")
	check(!o.HealthAddress.Remote(), "--health-bind-address must be on the loopback device")
	check(!o.MetricsAddress.Remote() || !o.MetricsAccess.Off(),
		"--metrics-bind-address must be on the loopback device without --metrics-cert-file, --metrics-key-file, --metrics-client-ca-file and --metrics-client-name")
	if err = o.MetricsAccess.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("--metrics-cert-file, --metrics-key-file, --metrics-client-ca-file and --metrics-client-name: %w", err))
	}
	return errs
}
