package controllers

import (
	"github.com/spf13/pflag"

	"github.com/finos/five-spot/pkg/admission"
	"github.com/finos/five-spot/pkg/environment"
	"github.com/finos/five-spot/pkg/machine"
)

// addAdmissionFlags adds the settings by which ScheduledMachines are judged, at admission
// and by the manager itself.
func addAdmissionFlags(flags *pflag.FlagSet, env *environment.Variables, opts *Options) {
	settings, defaults := &opts.Admission, admission.Defaults()
	flags.BoolVar(&opts.ManageAdmissionPolicy, "manage-admission-policy", env.Flag("MANAGE_ADMISSION_POLICY", true),
		"Install the admission policies and keep them as they are meant. Turn it off where you apply config/admission yourself. [MANAGE_ADMISSION_POLICY]")
	flags.StringSliceVar(&settings.ValidationActions, "admission-validation-actions",
		env.List("ADMISSION_VALIDATION_ACTIONS", defaults.ValidationActions),
		"What happens to a request that a policy refuses: Deny, Audit, Warn, or Audit with one of the others. [ADMISSION_VALIDATION_ACTIONS]")
	flags.BoolVar(&settings.RequireMachineCreate, "require-machine-create", env.Flag("REQUIRE_MACHINE_CREATE", defaults.RequireMachineCreate),
		"Demand of authors of ScheduledMachines that they may create Machines in the namespace. [REQUIRE_MACHINE_CREATE]")
	flags.StringSliceVar(&settings.AllowedProviderGroups, "allowed-provider-groups",
		env.List("ALLOWED_PROVIDER_GROUPS", defaults.AllowedProviderGroups),
		"API groups that bootstrapSpec and infrastructureSpec may name. [ALLOWED_PROVIDER_GROUPS]")
	flags.BoolVar(&settings.AllowNodeRestrictionLabels, "allow-node-restriction-labels",
		env.Flag("ALLOW_NODE_RESTRICTION_LABELS", defaults.AllowNodeRestrictionLabels),
		"Allow labels of the domain node-restriction.kubernetes.io in machineTemplate. [ALLOW_NODE_RESTRICTION_LABELS]")
	flags.DurationVar(&settings.MaxGracefulShutdownTimeout, "max-graceful-shutdown-timeout",
		env.Duration("MAX_GRACEFUL_SHUTDOWN_TIMEOUT", defaults.MaxGracefulShutdownTimeout),
		"The longest gracefulShutdownTimeout that is accepted, at most 24h. [MAX_GRACEFUL_SHUTDOWN_TIMEOUT]")
	flags.DurationVar(&settings.MaxNodeDrainTimeout, "max-node-drain-timeout",
		env.Duration("MAX_NODE_DRAIN_TIMEOUT", defaults.MaxNodeDrainTimeout),
		"The longest nodeDrainTimeout that is accepted, at most 24h. [MAX_NODE_DRAIN_TIMEOUT]")
	flags.DurationVar(&settings.MaxOverride, "max-override", env.Duration("MAX_OVERRIDE", defaults.MaxOverride),
		"How long before its end an override may count at most; 0 for any time. [MAX_OVERRIDE]")
}

// validation are the settings by which the manager judges, whatever admission let through.
func (o Options) validation() machine.ValidateOptions {
	return machine.ValidateOptions{
		AllowedGroups:              o.Admission.AllowedProviderGroups,
		AllowNodeRestrictionLabels: o.Admission.AllowNodeRestrictionLabels,
		MaxGracefulShutdownTimeout: o.Admission.MaxGracefulShutdownTimeout,
		MaxNodeDrainTimeout:        o.Admission.MaxNodeDrainTimeout,
	}
}
