package controllers

import (
	"strings"
	"testing"
)

// FuzzParseOptions gives arguments and variables, one a line. Whatever is accepted keeps
// the promises of the flags' page.
func FuzzParseOptions(f *testing.F) {
	f.Add("--instance-id=1\n--instance-count=3", "METRICS_PORT=9090\nENABLE_LEADER_ELECTION=false")
	f.Add("--lease-duration-secs=30\n-v", "LEASE_RENEW_DEADLINE_SECONDS=20")
	f.Add("--finalizer-timeout=-1h\n--concurrency=0", "OPERATOR_INSTANCE_ID=99999999999999999999")
	f.Add("--kube-api-qps=NaN\n--kube-api-qps=-Inf", "LOG_FORMAT=xml")
	f.Add("--allowed-provider-groups=a,,b\n--join-timeout=99999999h", "RUST_LOG_FORMAT=text")
	f.Fuzz(func(t *testing.T, args, environment string) {
		variables := map[string]string{}
		for line := range strings.SplitSeq(environment, "\n") {
			name, value, _ := strings.Cut(line, "=")
			variables[name] = value
		}
		opts, err := parse(variables, strings.Split(args, "\n")...)
		if err != nil {
			return
		}
		if opts.InstanceCount < 1 || opts.InstanceID < 0 || opts.InstanceID >= opts.InstanceCount {
			t.Errorf("instance %d of %d", opts.InstanceID, opts.InstanceCount)
		}
		if opts.Concurrency < 1 || !(opts.KubeAPIQPS > 0) || opts.KubeAPIBurst < 1 {
			t.Errorf("%d at the same time, %f requests a second, %d in a burst", opts.Concurrency, opts.KubeAPIQPS, opts.KubeAPIBurst)
		}
		if opts.LeaderElection && !(0 < opts.LeaseRetryPeriod && opts.LeaseRetryPeriod < opts.LeaseRenewDeadline && opts.LeaseRenewDeadline < opts.LeaseDuration) {
			t.Errorf("a Lease of %s, %s, %s", opts.LeaseRetryPeriod, opts.LeaseRenewDeadline, opts.LeaseDuration)
		}
		if opts.FinalizerTimeout <= 0 || opts.JoinTimeout <= 0 {
			t.Errorf("timeouts of %s and %s", opts.FinalizerTimeout, opts.JoinTimeout)
		}
		for _, port := range []int{opts.MetricsPort, opts.HealthPort} {
			if port < 0 || port > 65535 {
				t.Errorf("port %d", port)
			}
		}
	})
}
