package controllers

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"
	"k8s.io/utils/clock"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/finos/five-spot/pkg/admission"
	"github.com/finos/five-spot/pkg/environment"
)

// Options are the manager's settings.
type Options struct {
	Kubeconfig string

	InstanceID    int
	InstanceCount int

	MetricsPort     int
	MetricsInsecure bool
	MetricsCertDir  string
	HealthPort      int

	LogFormat string
	Verbose   bool
	LogLevel  int

	LeaderElection     bool
	LeaseName          string
	LeaseNamespace     string
	LeaseDuration      time.Duration
	LeaseRenewDeadline time.Duration
	LeaseRetryPeriod   time.Duration

	FinalizerTimeout        time.Duration
	ForceFinalizerOnTimeout bool
	JoinTimeout             time.Duration

	// AgentImage is the image of the reclaim agent; without one there is no agent.
	AgentImage      string
	AgentPullSecret string

	// ManageAdmissionPolicy is to install the admission policies. By the settings in
	// Admission the manager judges as well.
	ManageAdmissionPolicy bool
	Admission             admission.Settings

	NetworkPolicy NetworkPolicyOptions
	Operands      OperandOptions

	Concurrency  int
	KubeAPIQPS   float32
	KubeAPIBurst int

	// PodName, PodNamespace and PodUID say where the manager runs, where that is known.
	PodName      string
	PodNamespace string
	PodUID       string

	// Clock and Registry stand in for the real clock and for the registry that
	// /metrics serves. They are for tests, which run several managers in one process.
	Clock    clock.WithTicker
	Registry prometheus.Registerer
}

// ParseOptions reads the settings from flags and, where a flag is not given, from
// environment variables. The error names the flag or variable and the rule.
func ParseOptions(args []string, lookupEnv func(string) (string, bool)) (Options, error) {
	env := environment.New(lookupEnv)
	flags := pflag.NewFlagSet("five-spot", pflag.ContinueOnError)
	flags.SortFlags = false

	opts := Options{Clock: clock.RealClock{}, Registry: ctrlmetrics.Registry}
	addInstanceFlags(flags, env, &opts)
	addServingFlags(flags, env, &opts)
	addLeaderElectionFlags(flags, env, &opts)
	addLifecycleFlags(flags, env, &opts)
	addAdmissionFlags(flags, env, &opts)
	addNetworkPolicyFlags(flags, env, &opts)
	addOperandFlags(flags, env, &opts)
	opts.PodName = env.Text("POD_NAME", "")
	opts.PodNamespace = env.Text("POD_NAMESPACE", "")
	opts.PodUID = env.Text("POD_UID", "")

	if err := flags.Parse(args); err != nil {
		return Options{}, err
	}
	if flags.NArg() > 0 {
		return Options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return opts, errors.Join(env.Err(), opts.validate())
}

func addInstanceFlags(flags *pflag.FlagSet, env *environment.Variables, opts *Options) {
	flags.StringVar(&opts.Kubeconfig, "kubeconfig", env.Text("KUBECONFIG", ""),
		"Path of a kubeconfig. Inside a cluster the ServiceAccount is used instead. [KUBECONFIG]")
	flags.IntVar(&opts.InstanceID, "instance-id", env.Number("OPERATOR_INSTANCE_ID", 0),
		"Number of this instance, from 0, where several share the ScheduledMachines. [OPERATOR_INSTANCE_ID]")
	flags.IntVar(&opts.InstanceCount, "instance-count", env.Number("OPERATOR_INSTANCE_COUNT", 1),
		"How many instances share the ScheduledMachines. [OPERATOR_INSTANCE_COUNT]")
	flags.IntVar(&opts.Concurrency, "concurrency", env.Number("CONCURRENCY", 10),
		"How many ScheduledMachines are reconciled at the same time. [CONCURRENCY]")
	flags.Float32Var(&opts.KubeAPIQPS, "kube-api-qps", float32(env.Number("KUBE_API_QPS", 100)), "Requests a second to each API server. [KUBE_API_QPS]")
	flags.IntVar(&opts.KubeAPIBurst, "kube-api-burst", env.Number("KUBE_API_BURST", 200), "Requests to each API server in a burst. [KUBE_API_BURST]")
}

func addServingFlags(flags *pflag.FlagSet, env *environment.Variables, opts *Options) {
	flags.IntVar(&opts.MetricsPort, "metrics-port", env.Number("METRICS_PORT", 8080),
		"Port of /metrics; 0 turns it off. [METRICS_PORT]")
	flags.BoolVar(&opts.MetricsInsecure, "metrics-insecure", env.Flag("METRICS_INSECURE", false),
		"Serve /metrics as plain HTTP to everybody, instead of over TLS to those who may read it. [METRICS_INSECURE]")
	flags.StringVar(&opts.MetricsCertDir, "metrics-cert-dir", env.Text("METRICS_CERT_DIR", ""),
		"Folder of the certificate of /metrics, tls.crt and tls.key. As long as they are not there, the manager signs one itself. [METRICS_CERT_DIR]")
	flags.IntVar(&opts.HealthPort, "health-port", env.Number("HEALTH_PORT", 8081),
		"Port of /healthz and /readyz; 0 turns them off. [HEALTH_PORT]")
	flags.StringVar(&opts.LogFormat, "log-format", env.Text("LOG_FORMAT", env.Text("RUST_LOG_FORMAT", "json")),
		"Format of the log: json or text. [LOG_FORMAT, RUST_LOG_FORMAT]")
	flags.BoolVarP(&opts.Verbose, "verbose", "v", false, "Log every decision; the same as --log-level=2.")
	flags.IntVar(&opts.LogLevel, "log-level", env.Number("LOG_LEVEL", 0),
		"How much to log: 0 what changes, 2 every decision, 4 details, up to 5. [LOG_LEVEL]")
}

func addLeaderElectionFlags(flags *pflag.FlagSet, env *environment.Variables, opts *Options) {
	flags.BoolVar(&opts.LeaderElection, "enable-leader-election", env.Flag("ENABLE_LEADER_ELECTION", true),
		"Have only one of several replicas act. [ENABLE_LEADER_ELECTION]")
	flags.StringVar(&opts.LeaseName, "lease-name", env.Text("LEASE_NAME", "5spot-leader"),
		"Name of the Lease that replicas compete for. [LEASE_NAME]")
	flags.StringVar(&opts.LeaseNamespace, "lease-namespace", env.Text("POD_NAMESPACE", "5spot-system"),
		"Namespace of the Lease. [POD_NAMESPACE]")
	flags.DurationVar(&opts.LeaseDuration, "lease-duration", env.Seconds("LEASE_DURATION_SECONDS", 15),
		"How long a Lease that is not renewed is respected. [LEASE_DURATION_SECONDS]")
	flags.DurationVar(&opts.LeaseRenewDeadline, "lease-renew-deadline", env.Seconds("LEASE_RENEW_DEADLINE_SECONDS", 10),
		"How long the leader tries to renew its Lease before it gives up. [LEASE_RENEW_DEADLINE_SECONDS]")
	flags.DurationVar(&opts.LeaseRetryPeriod, "lease-retry-period", env.Seconds("LEASE_RETRY_PERIOD_SECONDS", 2),
		"How long to wait between attempts to acquire or renew the Lease. [LEASE_RETRY_PERIOD_SECONDS]")

	// The original takes whole seconds under these names.
	for name, target := range map[string]*time.Duration{
		"lease-duration-secs":       &opts.LeaseDuration,
		"lease-renew-deadline-secs": &opts.LeaseRenewDeadline,
		"lease-retry-period-secs":   &opts.LeaseRetryPeriod,
	} {
		flags.VarPF((*wholeSeconds)(target), name, "", "The same in whole seconds.").Hidden = true
	}
}

func addLifecycleFlags(flags *pflag.FlagSet, env *environment.Variables, opts *Options) {
	flags.DurationVar(&opts.FinalizerTimeout, "finalizer-timeout", env.Duration("FINALIZER_TIMEOUT", 10*time.Minute),
		"How long the deletion of a ScheduledMachine may take before that is reported. At least 3m. [FINALIZER_TIMEOUT]")
	flags.BoolVar(&opts.ForceFinalizerOnTimeout, "force-finalizer-on-timeout", env.Flag("FORCE_FINALIZER_ON_TIMEOUT", true),
		"Release the finalizer after --finalizer-timeout, once the deletion of the Machine was accepted. [FORCE_FINALIZER_ON_TIMEOUT]")
	flags.DurationVar(&opts.JoinTimeout, "join-timeout", env.Duration("JOIN_TIMEOUT", 30*time.Minute),
		"How long a Machine may take to join its cluster before that is reported. [JOIN_TIMEOUT]")
	flags.StringVar(&opts.AgentImage, "agent-image", env.Text("RELATED_IMAGE_RECLAIM_AGENT", ""),
		"Image of the reclaim agent; without one, killIfCommands have no effect. [RELATED_IMAGE_RECLAIM_AGENT]")
	flags.StringVar(&opts.AgentPullSecret, "agent-pull-secret", env.Text("AGENT_PULL_SECRET", ""),
		"Secret in the agent's namespace of each workload cluster with which that image is pulled. [AGENT_PULL_SECRET]")
}

func (o Options) validate() error {
	var errs []error
	check := func(ok bool, message string) {
		if !ok {
			errs = append(errs, errors.New(message))
		}
	}
	check(o.InstanceCount >= 1, "--instance-count must be at least 1")
	check(o.InstanceID >= 0 && o.InstanceID < o.InstanceCount, "--instance-id must be at least 0 and less than --instance-count")
	check(o.MetricsPort >= 0 && o.MetricsPort <= 65535, "--metrics-port must be from 0 to 65535")
	check(o.HealthPort >= 0 && o.HealthPort <= 65535, "--health-port must be from 0 to 65535")
	check(o.LogFormat == "json" || o.LogFormat == "text", "--log-format must be json or text")
	check(o.LogLevel >= 0 && o.LogLevel <= 5, "--log-level must be from 0 to 5")
	check(o.Concurrency >= 1, "--concurrency must be at least 1")
	// To client-go, less than that means no limit.
	check(o.KubeAPIQPS > 0, "--kube-api-qps must be more than 0")
	check(o.KubeAPIBurst >= 1, "--kube-api-burst must be at least 1")
	check(o.FinalizerTimeout >= 3*time.Minute, "--finalizer-timeout must be at least 3m: two minutes of it are for Cluster API")
	check(o.JoinTimeout > 0, "--join-timeout must be more than 0")
	check(!o.LeaderElection || o.LeaseDuration > o.LeaseRenewDeadline && o.LeaseRenewDeadline > o.LeaseRetryPeriod && o.LeaseRetryPeriod > 0,
		"--lease-duration must be more than --lease-renew-deadline, and that more than --lease-retry-period")
	_, err := o.networkPolicy()
	return errors.Join(append(errs, o.Admission.Validate(), err)...)
}

// wholeSeconds is a flag that takes a duration as a whole number of seconds.
type wholeSeconds time.Duration

func (s *wholeSeconds) String() string { return strconv.Itoa(int(time.Duration(*s) / time.Second)) }

func (s *wholeSeconds) Type() string { return "int" }

func (s *wholeSeconds) Set(value string) error {
	parsed, err := environment.ParseSeconds(value)
	if err != nil {
		return err
	}
	*s = wholeSeconds(parsed)
	return nil
}
