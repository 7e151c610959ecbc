package controllers

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/finos/five-spot/pkg/admission"
	"github.com/finos/five-spot/pkg/machine"
)

func parse(env map[string]string, args ...string) (Options, error) {
	return ParseOptions(args, func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	})
}

func TestParseOptionsDefaults(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	opts, err := parse(nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(opts.LeaderElection).To(BeTrue(), "two replicas must not both act")
	g.Expect(opts.LogFormat).To(Equal("json"))
	g.Expect(opts.MetricsInsecure).To(BeFalse())
	g.Expect(opts.MetricsPort).To(Equal(8080))
	g.Expect(opts.HealthPort).To(Equal(8081))
	g.Expect(opts.FinalizerTimeout).To(Equal(10 * time.Minute))
	g.Expect(opts.ForceFinalizerOnTimeout).To(BeTrue())
	g.Expect(opts.JoinTimeout).To(Equal(30 * time.Minute))
	g.Expect(opts.LeaseNamespace).To(Equal("5spot-system"))
}

func TestParseOptionsTakesTheEnvironmentOfTheOriginal(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	opts, err := parse(map[string]string{
		"OPERATOR_INSTANCE_ID":         "1",
		"OPERATOR_INSTANCE_COUNT":      "3",
		"METRICS_PORT":                 "9090",
		"HEALTH_PORT":                  "9091",
		"RUST_LOG_FORMAT":              "text",
		"ENABLE_LEADER_ELECTION":       "false",
		"LEASE_NAME":                   "five",
		"POD_NAMESPACE":                "operators",
		"POD_NAME":                     "five-spot-0",
		"LEASE_DURATION_SECONDS":       "30",
		"LEASE_RENEW_DEADLINE_SECONDS": "20",
		"LEASE_RETRY_PERIOD_SECONDS":   "5",
		"FORCE_FINALIZER_ON_TIMEOUT":   "false",
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(opts).To(HaveField("InstanceID", 1))
	g.Expect(opts).To(HaveField("InstanceCount", 3))
	g.Expect(opts).To(HaveField("MetricsPort", 9090))
	g.Expect(opts).To(HaveField("HealthPort", 9091))
	g.Expect(opts).To(HaveField("LogFormat", "text"))
	g.Expect(opts).To(HaveField("LeaderElection", false))
	g.Expect(opts).To(HaveField("LeaseName", "five"))
	g.Expect(opts).To(HaveField("LeaseNamespace", "operators"))
	g.Expect(opts).To(HaveField("PodName", "five-spot-0"))
	g.Expect(opts).To(HaveField("LeaseDuration", 30*time.Second))
	g.Expect(opts).To(HaveField("LeaseRenewDeadline", 20*time.Second))
	g.Expect(opts).To(HaveField("LeaseRetryPeriod", 5*time.Second))
	g.Expect(opts).To(HaveField("ForceFinalizerOnTimeout", false))
	g.Expect(leaseName(opts)).To(Equal("five-1"), "instances must not compete for one Lease")
}

func TestParseOptionsTakesTheFlagsOfTheOriginal(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	opts, err := parse(map[string]string{"LEASE_NAME": "from-environment"},
		"--instance-id=0", "--instance-count=2", "--metrics-port=1", "--health-port=2", "-v", "--log-format=text",
		"--enable-leader-election", "--lease-name=five", "--lease-namespace=there", "--lease-duration-secs=30",
		"--lease-renew-deadline-secs=20", "--lease-retry-period-secs=5", "--force-finalizer-on-timeout=false")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(opts.LeaseName).To(Equal("five"), "a flag wins over the environment")
	g.Expect(opts.LeaseNamespace).To(Equal("there"))
	g.Expect(opts.Verbose).To(BeTrue())
	g.Expect(opts.LeaseDuration).To(Equal(30 * time.Second))
	g.Expect(opts.LeaseRenewDeadline).To(Equal(20 * time.Second))
	g.Expect(opts.LeaseRetryPeriod).To(Equal(5 * time.Second))
}

func TestParseOptionsNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		env  map[string]string
		args []string
		want string
	}{
		"a number that is none in the environment":  {env: map[string]string{"METRICS_PORT": "http"}, want: `environment variable METRICS_PORT must be a number, not "http"`},
		"a truth value that is none":                {env: map[string]string{"ENABLE_LEADER_ELECTION": "maybe"}, want: "ENABLE_LEADER_ELECTION must be true or false"},
		"an instance that is not among the counted": {args: []string{"--instance-id=2", "--instance-count=2"}, want: "--instance-id must be at least 0 and less than --instance-count"},
		"no instance at all":                        {args: []string{"--instance-count=0"}, want: "--instance-count must be at least 1"},
		"a port out of range":                       {args: []string{"--metrics-port=70000"}, want: "--metrics-port must be from 0 to 65535"},
		"an unknown log format":                     {args: []string{"--log-format=xml"}, want: "--log-format must be json or text"},
		"a finalizer timeout that leaves no time":   {args: []string{"--finalizer-timeout=2m"}, want: "--finalizer-timeout must be at least 3m"},
		"a lease that is renewed too late":          {args: []string{"--lease-duration=5s"}, want: "--lease-duration must be more than --lease-renew-deadline"},
		"seconds that are none":                     {args: []string{"--lease-duration-secs=5s"}, want: "whole number of seconds"},
		"seconds that would overflow":               {args: []string{"--lease-duration-secs=18446744089"}, want: "whole number of seconds up to 86400"},
		"such seconds in the environment":           {env: map[string]string{"LEASE_DURATION_SECONDS": "18446744089"}, want: `LEASE_DURATION_SECONDS must be a number of seconds up to 86400, not "18446744089"`},
		"requests without a limit":                  {args: []string{"--kube-api-qps=-1"}, want: "--kube-api-qps must be more than 0"},
		"a limit that is no number":                 {args: []string{"--kube-api-qps=NaN"}, want: "--kube-api-qps must be more than 0"},
		"no request in a burst":                     {args: []string{"--kube-api-burst=0"}, want: "--kube-api-burst must be at least 1"},
		"no API group":                              {args: []string{"--allowed-provider-groups="}, want: "--allowed-provider-groups must name at least one API group"},
		"a group that would end the list":           {args: []string{"--allowed-provider-groups=a.io'] + ['b.io"}, want: "--allowed-provider-groups: \"a.io'] + ['b.io\" is not an API group"},
		"a group that is anything":                  {args: []string{"--allowed-provider-groups=*"}, want: "--allowed-provider-groups: \"*\" is not an API group"},
		"a shutdown of more than a day":             {args: []string{"--max-graceful-shutdown-timeout=25h"}, want: "--max-graceful-shutdown-timeout must be whole seconds from 1s to 24h"},
		"no time to drain":                          {args: []string{"--max-node-drain-timeout=0"}, want: "--max-node-drain-timeout must be whole seconds from 1s to 24h"},
		"a drain in the environment that is none":   {env: map[string]string{"MAX_NODE_DRAIN_TIMEOUT": "long"}, want: "environment variable MAX_NODE_DRAIN_TIMEOUT must be a duration such as 90s or 1h30m"},
		"an override in the past":                   {args: []string{"--max-override=-1h"}, want: "--max-override must be whole seconds, or 0 for any time"},
		"an override of a fraction":                 {args: []string{"--max-override=1500ms"}, want: "--max-override must be whole seconds, or 0 for any time"},
		"an unknown action":                         {args: []string{"--admission-validation-actions=Ignore"}, want: "--admission-validation-actions must be one or two of Audit, Deny, Warn"},
		"no action":                                 {args: []string{"--admission-validation-actions="}, want: "--admission-validation-actions must be one or two of"},
		"an action twice":                           {args: []string{"--admission-validation-actions=Deny,Deny"}, want: "--admission-validation-actions must be one or two of"},
		"actions that say the same":                 {args: []string{"--admission-validation-actions=Deny,Warn"}, want: "--admission-validation-actions must not have both Deny and Warn"},
		"no port of an API server":                  {args: []string{"--network-policy-api-server-ports="}, want: "--network-policy-api-server-ports must name at least one port"},
		"a port that is none":                       {args: []string{"--network-policy-api-server-ports=443,65536"}, want: `--network-policy-api-server-ports must be from 1 to 65535, not "65536"`},
		"a selector that is none":                   {args: []string{"--network-policy-metrics-namespaces=a in"}, want: "--network-policy-metrics-namespaces must be a selector of labels"},
		"a selector of everything":                  {args: []string{"--network-policy-metrics-namespaces= "}, want: "--network-policy-metrics-namespaces must select by a label"},
		"a NetworkPolicy of no namespace":           {args: []string{"--manage-network-policy"}, want: "--manage-network-policy needs POD_NAMESPACE"},
		"an argument that is no flag":               {args: []string{"run"}, want: `unexpected argument "run"`},
		"an unknown flag":                           {args: []string{"--frobnicate"}, want: "unknown flag: --frobnicate"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parse(test.env, test.args...)
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(test.want)))
		})
	}
}

func TestParseOptionsTakesTheAdmissionSettings(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	opts, err := parse(nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(opts.Admission).To(Equal(admission.Defaults()))
	g.Expect(opts.ManageAdmissionPolicy).To(BeTrue())
	g.Expect(opts.Admission.AllowedProviderGroups).To(Equal(machine.DefaultAllowedGroups()), "the policies and the manager judge alike")

	want := admission.Settings{
		AllowedProviderGroups:      []string{"hosts.example.com", "k0smotron.io"},
		AllowNodeRestrictionLabels: true,
		MaxGracefulShutdownTimeout: time.Hour,
		MaxNodeDrainTimeout:        30 * time.Minute,
		MaxOverride:                168 * time.Hour,
		ValidationActions:          []string{"Audit", "Warn"},
	}
	for _, given := range []struct {
		env  map[string]string
		args []string
	}{
		{args: []string{
			"--allowed-provider-groups=hosts.example.com,k0smotron.io", "--allow-node-restriction-labels", "--max-graceful-shutdown-timeout=1h",
			"--max-node-drain-timeout=30m", "--max-override=168h", "--admission-validation-actions=Audit,Warn", "--require-machine-create=false",
			"--manage-admission-policy=false",
		}},
		{env: map[string]string{
			"ALLOWED_PROVIDER_GROUPS": "hosts.example.com,k0smotron.io", "ALLOW_NODE_RESTRICTION_LABELS": "true", "MAX_GRACEFUL_SHUTDOWN_TIMEOUT": "1h",
			"MAX_NODE_DRAIN_TIMEOUT": "30m", "MAX_OVERRIDE": "168h", "ADMISSION_VALIDATION_ACTIONS": "Audit,Warn", "REQUIRE_MACHINE_CREATE": "false",
			"MANAGE_ADMISSION_POLICY": "false",
		}},
	} {
		opts, err := parse(given.env, given.args...)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(opts.Admission).To(Equal(want))
		g.Expect(opts.ManageAdmissionPolicy).To(BeFalse())
		g.Expect(opts.validation()).To(Equal(machine.ValidateOptions{
			AllowedGroups: want.AllowedProviderGroups, AllowNodeRestrictionLabels: true,
			MaxGracefulShutdownTimeout: time.Hour, MaxNodeDrainTimeout: 30 * time.Minute,
		}))
	}
}
