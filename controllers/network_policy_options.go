package controllers

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/finos/five-spot/pkg/environment"
	"github.com/finos/five-spot/pkg/networkpolicy"
)

// NetworkPolicyOptions are the settings of the manager's own NetworkPolicy.
type NetworkPolicyOptions struct {
	// Manage is whether the manager keeps it.
	Manage bool

	// APIServerPorts are the ports of all API servers, and MetricsNamespaces selects who
	// may scrape the metrics, both as they were given.
	APIServerPorts    []string
	MetricsNamespaces string
}

func addNetworkPolicyFlags(flags *pflag.FlagSet, env *environment.Variables, opts *Options) {
	flags.BoolVar(&opts.NetworkPolicy.Manage, "manage-network-policy", env.Flag("MANAGE_NETWORK_POLICY", false),
		"Install the NetworkPolicy of the manager and keep it as it is meant. [MANAGE_NETWORK_POLICY]")
	flags.StringSliceVar(&opts.NetworkPolicy.APIServerPorts, "network-policy-api-server-ports",
		env.List("NETWORK_POLICY_API_SERVER_PORTS", []string{"443", "6443"}),
		"Ports of the API servers of the management cluster and of all workload clusters. [NETWORK_POLICY_API_SERVER_PORTS]")
	flags.StringVar(&opts.NetworkPolicy.MetricsNamespaces, "network-policy-metrics-namespaces",
		env.Text("NETWORK_POLICY_METRICS_NAMESPACES", "metrics=enabled"),
		"Selector of the namespaces that may scrape the metrics. [NETWORK_POLICY_METRICS_NAMESPACES]")
}

// networkPolicy are the settings as the policy takes them. The error names each flag that
// is wrong.
func (o Options) networkPolicy() (networkpolicy.Settings, error) {
	settings := networkpolicy.Settings{Namespace: o.PodNamespace, MetricsPort: o.MetricsPort}
	var errs []error
	if o.NetworkPolicy.Manage && o.PodNamespace == "" {
		errs = append(errs, errors.New("--manage-network-policy needs POD_NAMESPACE, the namespace of the manager"))
	}
	if len(o.NetworkPolicy.APIServerPorts) == 0 {
		errs = append(errs, errors.New("--network-policy-api-server-ports must name at least one port"))
	}
	for _, text := range o.NetworkPolicy.APIServerPorts {
		port, err := strconv.ParseInt(text, 10, 32)
		if err != nil || port < 1 || port > 65535 {
			errs = append(errs, fmt.Errorf("--network-policy-api-server-ports must be from 1 to 65535, not %.20q", text))
		}
		settings.APIServerPorts = append(settings.APIServerPorts, int32(port))
	}
	selector, err := metav1.ParseToLabelSelector(o.NetworkPolicy.MetricsNamespaces)
	switch {
	case err != nil:
		errs = append(errs, fmt.Errorf("--network-policy-metrics-namespaces must be a selector of labels: %w", err))
	case len(selector.MatchLabels)+len(selector.MatchExpressions) == 0:
		errs = append(errs, errors.New("--network-policy-metrics-namespaces must select by a label: without one it would be all namespaces"))
	default:
		settings.MetricsNamespaces = *selector
	}
	return settings, errors.Join(errs...)
}
