// Package networkpolicy keeps the NetworkPolicy of the manager as it is meant, where that
// is wanted. The leader of the first instance alone does so, for all. A manager that stops
// removes nothing: it cannot tell an uninstall from a restart.
package networkpolicy

import (
	"context"
	"errors"
	"fmt"

	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/controllers/onepass"
	"github.com/finos/five-spot/pkg/operand"
)

const owner = client.FieldOwner(v1alpha1.FieldManager)

// errForeign is that there is a NetworkPolicy of that name which is not ours, such as one
// that was applied by hand. It is left alone.
var errForeign = errors.New("is not labelled " + v1alpha1.ManagedByLabel + "=" + v1alpha1.ManagedByFiveSpot)

// Options are what a Reconciler needs.
type Options struct {
	// Clock tells when to look again.
	Clock clock.WithTicker

	// Config is how to reach the API server for the watch.
	Config *rest.Config

	// Client writes, and Live reads from the API server.
	Client client.Client
	Live   client.Reader

	// Policy is what is wanted.
	Policy *unstructured.Unstructured

	// Version is that of this manager, in the form of semantic versioning.
	Version string
}

// Reconciler keeps the NetworkPolicy. The Role five-spot-network-policy-role has its
// rights, in the manager's own namespace and for the one name.
type Reconciler struct {
	opts    Options
	version operand.Version
	request reconcile.Request
}

// New returns a Reconciler.
func New(opts Options) *Reconciler {
	return &Reconciler{
		opts:    opts,
		version: operand.ParseVersion(opts.Version),
		request: reconcile.Request{NamespacedName: client.ObjectKeyFromObject(opts.Policy)},
	}
}

// SetupWithManager adds the controller.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	clients, err := kubernetes.NewForConfig(r.opts.Config)
	if err != nil {
		return fmt.Errorf("failed to create a client for the NetworkPolicy: %w", err)
	}
	return onepass.Controller{
		Name: "networkpolicy", Clock: r.opts.Clock, Pass: r.request,
		Objects: []onepass.Watched{{
			API: clients.NetworkingV1().RESTClient(), Resource: "networkpolicies", Key: r.request.NamespacedName, Kind: &networkingv1.NetworkPolicy{},
		}},
	}.SetupWithManager(mgr, r)
}

// Reconcile makes the NetworkPolicy as it should be.
func (r *Reconciler) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	log := ctrl.LoggerFrom(ctx)
	changed, err := r.keep(ctx)
	if changed {
		log.Info("Installed the NetworkPolicy of the manager, or repaired it")
	}
	switch {
	case errors.Is(err, operand.ErrBeingDeleted):
		return ctrl.Result{RequeueAfter: onepass.GoneCheck}, nil
	case errors.Is(err, operand.ErrNewerInstalled), errors.Is(err, errForeign):
		// Its change wakes us.
		log.Info("The NetworkPolicy of the manager is left alone", "reason", err.Error())
		return ctrl.Result{}, nil
	case apierrors.IsForbidden(err):
		log.Error(err, "The NetworkPolicy of the manager cannot be installed: a right is missing")
		return ctrl.Result{RequeueAfter: onepass.RetryAfter}, nil
	}
	return ctrl.Result{}, err
}

func (r *Reconciler) keep(ctx context.Context) (changed bool, err error) {
	live, err := operand.Read(ctx, r.opts.Live, r.opts.Policy)
	if err != nil {
		return false, err
	}
	if live != nil && live.GetLabels()[v1alpha1.ManagedByLabel] != v1alpha1.ManagedByFiveSpot {
		return false, fmt.Errorf("%s %w", operand.Name(live), errForeign)
	}
	if err := r.version.MayWrite(live); err != nil {
		return false, fmt.Errorf("%s %w", operand.Name(live), err)
	}
	wanted := r.opts.Policy.DeepCopy()
	operand.Stamp(wanted, r.opts.Version)
	return operand.Ensure(ctx, r.opts.Client, live, wanted, owner)
}
