package controllers

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/finos/five-spot/controllers/operands"
	"github.com/finos/five-spot/pkg/console"
	"github.com/finos/five-spot/pkg/environment"
	"github.com/finos/five-spot/pkg/monitoring"
	"github.com/finos/five-spot/pkg/networkpolicy"
	"github.com/finos/five-spot/pkg/operand"
)

// OperandOptions are what the manager installs where the cluster has the kind.
type OperandOptions struct {
	ServiceMonitor    bool
	PrometheusRule    bool
	ConsoleSamples    bool
	ConsoleQuickStart bool
}

func addOperandFlags(flags *pflag.FlagSet, env *environment.Variables, opts *Options) {
	flags.BoolVar(&opts.Operands.ServiceMonitor, "manage-service-monitor", env.Flag("MANAGE_SERVICE_MONITOR", true),
		"Install a ServiceMonitor for the metrics where the Prometheus operator is, and keep it as it is meant. [MANAGE_SERVICE_MONITOR]")
	flags.BoolVar(&opts.Operands.PrometheusRule, "manage-prometheus-rule", env.Flag("MANAGE_PROMETHEUS_RULE", true),
		"Install a PrometheusRule with alerts where the Prometheus operator is, and keep it as it is meant. [MANAGE_PROMETHEUS_RULE]")
	flags.BoolVar(&opts.Operands.ConsoleSamples, "manage-console-samples", env.Flag("MANAGE_CONSOLE_SAMPLES", true),
		"Install samples of ScheduledMachines for the console where OpenShift's is, and keep them as they are meant. [MANAGE_CONSOLE_SAMPLES]")
	flags.BoolVar(&opts.Operands.ConsoleQuickStart, "manage-console-quick-start", env.Flag("MANAGE_CONSOLE_QUICK_START", true),
		"Install a quick start for the console where OpenShift's is, and keep it as it is meant. [MANAGE_CONSOLE_QUICK_START]")
}

// openShift tells an OpenShift, in which every namespace has the authority of Services.
var openShift = schema.GroupVersionKind{Group: "security.openshift.io", Version: "v1", Kind: "SecurityContextConstraints"}

// The rights to what is in the manager's namespace are in config/rbac/monitoring_role.yaml
// and network_policy_role.yaml. The names are those of pkg/console:
//
// +kubebuilder:rbac:groups=console.openshift.io,resources=consoleyamlsamples,resourceNames=five-spot-business-hours;five-spot-weekend;five-spot-workstation,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=console.openshift.io,resources=consolequickstarts,resourceNames=five-spot-scheduled-machine,verbs=get;list;watch;create;patch
//
// Whether the cluster has the kinds:
//
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,resourceNames=servicemonitors.monitoring.coreos.com;prometheusrules.monitoring.coreos.com;consoleyamlsamples.console.openshift.io;consolequickstarts.console.openshift.io,verbs=get;list;watch

// setupOperands has the first instance keep what belongs to the manager, for all.
func setupOperands(mgr ctrl.Manager, opts Options, version string) error {
	if opts.InstanceID != 0 {
		return nil
	}
	serviceCA, err := operand.Serves(mgr.GetClient(), openShift)
	if apierrors.IsServiceUnavailable(err) {
		// The group is there, and only the server that answers for it is away.
		serviceCA, err = true, nil
	}
	if err != nil {
		return err
	}
	wanted, err := opts.operands(serviceCA)
	if err != nil || len(wanted) == 0 {
		return err
	}
	return operands.New(operands.Options{
		Clock:    opts.Clock,
		Config:   mgr.GetConfig(),
		Client:   mgr.GetClient(),
		Live:     mgr.GetAPIReader(),
		Operands: wanted,
		Version:  version,
	}).SetupWithManager(mgr)
}

// operands are the objects that are wanted.
func (o Options) operands(serviceCA bool) ([]operands.Operand, error) {
	settings, err := o.networkPolicy()
	if err != nil {
		return nil, err
	}
	scrape := monitoring.Settings{Namespace: o.PodNamespace, Plain: o.MetricsInsecure, ServiceCA: serviceCA, Instances: o.InstanceCount}
	policy, policyErr := networkpolicy.Render(settings)
	monitor, monitorErr := monitoring.ServiceMonitor(scrape)
	rule, ruleErr := monitoring.PrometheusRule(scrape)
	samples, samplesErr := console.Samples()
	quickStart, quickStartErr := console.QuickStart()
	if err := errors.Join(policyErr, monitorErr, ruleErr, samplesErr, quickStartErr); err != nil {
		return nil, fmt.Errorf("failed to render what belongs to the manager: %w", err)
	}

	var wanted []operands.Operand
	add := func(on bool, resource string, foreign bool, objects ...*unstructured.Unstructured) {
		for _, object := range objects {
			if on {
				wanted = append(wanted, operands.Operand{Object: object, Resource: resource, Foreign: foreign})
			}
		}
	}
	// Outside of a cluster there is nothing that could be scraped.
	scraped := o.MetricsPort != 0 && o.PodNamespace != ""
	add(o.NetworkPolicy.Manage, "networkpolicies", false, policy)
	add(o.Operands.ServiceMonitor && scraped, monitoring.ServiceMonitors, true, monitor)
	add(o.Operands.PrometheusRule && scraped, monitoring.PrometheusRules, true, rule)
	add(o.Operands.ConsoleSamples, console.YAMLSamples, true, samples...)
	add(o.Operands.ConsoleQuickStart, console.QuickStarts, true, quickStart)
	return wanted, nil
}
