// Package admissionpolicy keeps the admission policies of the management cluster as they
// are meant. The leader of the first instance alone does so, for all. A manager that stops
// removes nothing: it cannot tell an uninstall from a restart.
package admissionpolicy

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/finos/five-spot/controllers/onepass"
	"github.com/finos/five-spot/pkg/admission"
	"github.com/finos/five-spot/pkg/metrics"
	"github.com/finos/five-spot/pkg/operand"
)

// everything is the one request: all policies are looked at in one pass.
var everything = reconcile.Request{NamespacedName: client.ObjectKey{Name: "admission-policies"}}

// Options are what a Reconciler needs.
type Options struct {
	// Clock tells when to look again.
	Clock clock.WithTicker

	// Config is how to reach the API server for watches.
	Config *rest.Config

	// Client writes, and Live reads from the API server.
	Client client.Client
	Live   client.Reader

	// Policies are what is wanted.
	Policies []admission.Policy

	// Version is that of this manager, in the form of semantic versioning.
	Version string

	// Report is told of the state of each policy after each pass, with a message for people.
	Report func(ctx context.Context, policy string, state metrics.PolicyState, message string)
}

// The names are those of pkg/admission. A watch that selects one name fits into a right
// that is limited to it, and so does creating by server-side apply:
//
// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=validatingadmissionpolicies;validatingadmissionpolicybindings,resourceNames=five-spot-crd-guard;five-spot-machine-create;five-spot-scheduledmachines,verbs=get;list;watch;create;patch
//
// With --require-machine-create=false:
//
// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=validatingadmissionpolicybindings,resourceNames=five-spot-machine-create,verbs=delete
//
// The UID of the owner:
//
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,resourceNames=scheduledmachines.5spot.finos.org,verbs=get

// Reconciler keeps the policies.
type Reconciler struct {
	opts   Options
	keeper operand.Keeper
}

// New returns a Reconciler.
func New(opts Options) *Reconciler {
	// The names are the manager's own, whatever label somebody gives to an object of one.
	keeper := operand.Keeper{Client: opts.Client, Live: opts.Live, Version: opts.Version, TakesOver: true}
	return &Reconciler{opts: opts, keeper: keeper}
}

// SetupWithManager adds the controller.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	var objects []onepass.Watched
	for i := range r.opts.Policies {
		key := client.ObjectKey{Name: r.opts.Policies[i].Name}
		for _, resource := range []string{"validatingadmissionpolicies", "validatingadmissionpolicybindings"} {
			objects = append(objects, onepass.Watched{Resource: admissionregistrationv1.SchemeGroupVersion.WithResource(resource), Key: key})
		}
	}
	return onepass.Controller{
		Name: "admissionpolicy", Clock: r.opts.Clock, Config: r.opts.Config, Pass: everything, Objects: objects,
	}.SetupWithManager(mgr, r)
}

// Reconcile makes one pass over all policies.
func (r *Reconciler) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	var result ctrl.Result
	var errs []error
	for i := range r.opts.Policies {
		wanted := &r.opts.Policies[i]
		changed, err := r.keep(ctx, wanted)
		if changed {
			ctrl.LoggerFrom(ctx).Info("Installed an admission policy, or repaired it", "policy", wanted.Name)
		}
		if apierrors.IsConflict(err) || err != nil && errors.Is(ctx.Err(), context.Canceled) {
			// Somebody else wrote first: it is looked at again. Or the manager is being
			// stopped, which says nothing about the policy.
			errs = append(errs, err)
			continue
		}
		state, message := stateOf(wanted, err)
		switch state {
		case metrics.PolicyFailed:
			if mayBeLong(err) {
				result.RequeueAfter = onepass.RetryAfter
			} else {
				errs = append(errs, err)
			}
		case metrics.PolicyForbidden, metrics.PolicyUnsupported:
			result.RequeueAfter = onepass.RetryAfter
		case metrics.PolicyInstalled, metrics.PolicyUnbound, metrics.PolicyNewer:
		}
		r.opts.Report(ctx, wanted.Name, state, message)
	}
	if err := errors.Join(errs...); err != nil {
		return ctrl.Result{}, fmt.Errorf("failed to install the admission policies: %w", err)
	}
	return result, nil
}

// mayBeLong is whether something is waited for that may be long in coming: the end of what
// somebody's finalizer holds, which wakes us, or the CRD's return, which does not.
func mayBeLong(err error) bool {
	return errors.Is(err, operand.ErrBeingDeleted) || errors.Is(err, operand.ErrNoOwner)
}

var errUnsupported = errors.New("the API server has no admission policies (ValidatingAdmissionPolicy v1), which came with Kubernetes 1.30")

// stateOf is how a policy fares after a pass over it that ended with err.
func stateOf(wanted *admission.Policy, err error) (state metrics.PolicyState, message string) {
	switch {
	case err == nil && wanted.Unbound:
		return metrics.PolicyUnbound, fmt.Sprintf("The admission policy %s is installed without its binding, as is wanted: it enforces nothing", wanted.Name)
	case err == nil:
		return metrics.PolicyInstalled, fmt.Sprintf("The admission policy %s and its binding are installed", wanted.Name)
	case errors.Is(err, operand.ErrNewerInstalled):
		return metrics.PolicyNewer, fmt.Sprintf("The admission policy %s is left alone: %s", wanted.Name, err)
	case errors.Is(err, errUnsupported), meta.IsNoMatchError(err):
		return metrics.PolicyUnsupported, fmt.Sprintf("The admission policy %s cannot be installed: %s", wanted.Name, errUnsupported)
	case apierrors.IsForbidden(err):
		return metrics.PolicyForbidden, fmt.Sprintf("The admission policy %s cannot be installed: the manager lacks a right: %.512s", wanted.Name, err)
	default:
		return metrics.PolicyFailed, fmt.Sprintf("The admission policy %s is not as it should be: %.512s", wanted.Name, err)
	}
}

// keep makes one policy and its binding as they should be. Both have to be: a binding
// without its policy enforces nothing, nor does a policy without binding. So a binding
// that is missing is also made for a policy of a newer manager.
func (r *Reconciler) keep(ctx context.Context, wanted *admission.Policy) (changed bool, err error) {
	served, err := operand.Serves(r.opts.Client, admissionregistrationv1.SchemeGroupVersion.WithKind("ValidatingAdmissionPolicy"))
	if err != nil {
		return false, err
	}
	if !served {
		return false, errUnsupported
	}
	changed, err = r.keeper.KeepOwned(ctx, wanted.Policy)
	if err != nil && !errors.Is(err, operand.ErrNewerInstalled) {
		return changed, err
	}
	act := r.keeper.KeepOwned
	if wanted.Unbound {
		act = r.keeper.Remove
	}
	wrote, bindingErr := act(ctx, wanted.Binding)
	return changed || wrote, cmp.Or(bindingErr, err)
}
