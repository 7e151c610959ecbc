// Package operands keeps single objects that the manager installs in its own cluster: its
// NetworkPolicy, what has it monitored, and what the OpenShift console shows of it. The
// leader of the first instance alone does so, for all. A manager that stops removes
// nothing: it cannot tell an uninstall from a restart.
package operands

import (
	"context"
	"errors"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/finos/five-spot/controllers/onepass"
	"github.com/finos/five-spot/pkg/operand"
)

// everything is the one request: all objects are looked at in one pass.
var everything = reconcile.Request{NamespacedName: client.ObjectKey{Name: "operands"}}

// errNotServed is that the cluster has no such kind.
var errNotServed = errors.New("is of a kind that the cluster does not have")

// Operand is one object that is kept.
type Operand struct {
	// Object is what is wanted, and Resource the plural of its kind.
	Object   *unstructured.Unstructured
	Resource string

	// Foreign is that the kind is of a CRD, which the cluster may lack: the object is
	// installed when it comes, and is owned by our own CRD.
	Foreign bool
}

func (o *Operand) watched() onepass.Watched {
	kind := o.Object.GroupVersionKind()
	return onepass.Watched{Resource: kind.GroupVersion().WithResource(o.Resource), Key: client.ObjectKeyFromObject(o.Object)}
}

// crd is the name of the CRD of the kind.
func (o *Operand) crd() string { return o.Resource + "." + o.Object.GroupVersionKind().Group }

// Options are what a Reconciler needs.
type Options struct {
	// Clock tells when to look again.
	Clock clock.WithTicker

	// Config is how to reach the API server for the watches.
	Config *rest.Config

	// Client writes, and Live reads from the API server.
	Client client.Client
	Live   client.Reader

	// Operands are what is wanted.
	Operands []Operand

	// Version is that of this manager, in the form of semantic versioning.
	Version string
}

// Reconciler keeps the objects. Roles have its rights, for the names of the objects alone.
type Reconciler struct {
	opts    Options
	keeper  operand.Keeper
	watches *onepass.Watches

	// told is what the log last said of an object; one pass runs at a time.
	told map[string]string
}

// New returns a Reconciler.
func New(opts Options) *Reconciler {
	return &Reconciler{
		opts:    opts,
		keeper:  operand.Keeper{Client: opts.Client, Live: opts.Live, Version: opts.Version},
		watches: &onepass.Watches{},
		told:    map[string]string{},
	}
}

// SetupWithManager adds the controller.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	var objects []onepass.Watched
	for i := range r.opts.Operands {
		one := &r.opts.Operands[i]
		if one.Foreign {
			crds := apiextensionsv1.SchemeGroupVersion.WithResource("customresourcedefinitions")
			objects = append(objects, onepass.Watched{Resource: crds, Key: client.ObjectKey{Name: one.crd()}})
		} else {
			objects = append(objects, one.watched())
		}
	}
	return onepass.Controller{
		Name: "operands", Clock: r.opts.Clock, Config: r.opts.Config, Pass: everything, Objects: objects, Watches: r.watches,
	}.SetupWithManager(mgr, r)
}

// Reconcile makes one pass over all objects.
func (r *Reconciler) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	var result ctrl.Result
	var errs []error
	for i := range r.opts.Operands {
		one := &r.opts.Operands[i]
		changed, err := r.keep(ctx, one)
		if changed {
			ctrl.LoggerFrom(ctx).Info("Installed an object, or repaired it", "object", operand.Name(one.Object))
		}
		result.RequeueAfter = sooner(result.RequeueAfter, r.judge(ctx, one, err, &errs))
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctrl.Result{}, nil // The manager is being stopped, which is no failure.
	}
	if err := errors.Join(errs...); err != nil {
		return ctrl.Result{}, fmt.Errorf("failed to install what belongs to the manager: %w", err)
	}
	return result, nil
}

// keep makes one object as it should be, where its kind is served.
func (r *Reconciler) keep(ctx context.Context, one *Operand) (changed bool, err error) {
	if one.Foreign {
		served, err := r.served(ctx, one)
		if err != nil {
			return false, err
		}
		if err := r.watches.Keep(one.watched(), served); err != nil {
			return false, err
		}
		if !served {
			return false, errNotServed
		}
		return r.keeper.KeepOwned(ctx, one.Object)
	}
	return r.keeper.Keep(ctx, one.Object)
}

// served is whether the cluster has the kind. Of one that is going away nothing can be
// created, and what there is goes with it.
func (r *Reconciler) served(ctx context.Context, one *Operand) (bool, error) {
	crd := &apiextensionsv1.CustomResourceDefinition{}
	err := r.opts.Live.Get(ctx, client.ObjectKey{Name: one.crd()}, crd)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("failed to get CustomResourceDefinition %s: %w", one.crd(), err)
	}
	return crd.DeletionTimestamp == nil && operand.Served(crd, one.Object.GroupVersionKind().Version), nil
}
