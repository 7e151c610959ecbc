// Package clusterapi waits for Cluster API: the manager runs without it, and starts
// to watch it when the API server serves the version that it needs.
package clusterapi

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/finos/five-spot/pkg/operand"
)

// MachineCRD is the name of the CRD that tells whether Cluster API is there.
const MachineCRD = "machines.cluster.x-k8s.io"

// state is what is known of Cluster API.
type state int32

const (
	// unknown is before the CRD was looked for.
	unknown state = iota

	// absent is when there is no CRD, so that no Machine of any version can exist.
	absent

	// unserved is when there is a CRD that does not serve the needed version.
	unserved

	// ready is when the needed version is served and watched.
	ready
)

// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,resourceNames=machines.cluster.x-k8s.io,verbs=list;watch

// Gate tells whether Cluster API is there. It is opened and closed by a controller
// that watches one CRD.
type Gate struct {
	client client.Reader
	state  atomic.Int32

	mu       sync.Mutex
	start    func(ctx context.Context) error
	announce func(ctx context.Context, ready bool, message string)
	started  bool
}

// NewGate returns a closed gate.
func NewGate(reader client.Reader) *Gate {
	return &Gate{client: reader}
}

// Known is whether it was looked for Cluster API at all. What Ready says before that
// is no news.
func (g *Gate) Known() bool { return state(g.state.Load()) != unknown }

// Ready is whether the API server serves Cluster API v1beta2 and it is watched.
func (g *Gate) Ready() bool { return state(g.state.Load()) == ready }

// MachinesImpossible is whether there is no CRD for Machines, so that none can exist.
func (g *Gate) MachinesImpossible() bool { return state(g.state.Load()) == absent }

// SetupWithManager adds the controller that watches the CRD. When Cluster API is first
// there, start is called, and again until it succeeds; whenever that changes, announce
// is called.
func (g *Gate) SetupWithManager(
	mgr ctrl.Manager,
	start func(ctx context.Context) error,
	announce func(ctx context.Context, ready bool, message string),
) error {
	g.start, g.announce = start, announce
	onlyMachines := predicate.NewPredicateFuncs(func(obj client.Object) bool { return obj.GetName() == MachineCRD })
	err := ctrl.NewControllerManagedBy(mgr).
		Named("clusterapi").
		For(&apiextensionsv1.CustomResourceDefinition{}, builder.WithPredicates(onlyMachines)).
		Complete(g)
	if err != nil {
		return fmt.Errorf("failed to set up the controller that waits for Cluster API: %w", err)
	}
	if err := mgr.Add(manager.RunnableFunc(g.lookOnce)); err != nil {
		return fmt.Errorf("failed to set up the first look for Cluster API: %w", err)
	}
	return nil
}

// Reconcile opens or closes the gate.
func (g *Gate) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	g.mu.Lock()
	defer g.mu.Unlock()

	crd := &apiextensionsv1.CustomResourceDefinition{}
	err := g.client.Get(ctx, client.ObjectKey{Name: MachineCRD}, crd)
	switch {
	case apierrors.IsNotFound(err):
		g.set(ctx, absent, "Cluster API is not installed: waiting for "+clusterv1.GroupVersion.String())
		return ctrl.Result{}, nil
	case err != nil:
		return ctrl.Result{}, fmt.Errorf("failed to get CRD %s: %w", MachineCRD, err)
	case !operand.Served(crd, clusterv1.GroupVersion.Version):
		g.set(ctx, unserved, "The installed Cluster API does not serve "+clusterv1.GroupVersion.String()+": waiting for it")
		return ctrl.Result{}, nil
	}
	if !g.started {
		if err := g.start(ctx); err != nil {
			return ctrl.Result{}, fmt.Errorf("failed to start watching Cluster API: %w", err)
		}
		g.started = true
	}
	g.set(ctx, ready, "Cluster API serves "+clusterv1.GroupVersion.String())
	return ctrl.Result{}, nil
}

// lookOnce has an absence told even though no event comes for a CRD that is not there.
func (g *Gate) lookOnce(ctx context.Context) error {
	if state(g.state.Load()) != unknown {
		return nil
	}
	if _, err := g.Reconcile(ctx, ctrl.Request{}); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Failed to look for Cluster API, waiting for an event")
	}
	return nil
}

func (g *Gate) set(ctx context.Context, next state, message string) {
	if previous := state(g.state.Swap(int32(next))); previous != next {
		g.announce(ctx, next == ready, message)
	}
}
