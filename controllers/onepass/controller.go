// Package onepass sets up the controllers of objects that the manager installs. Such a
// controller has one request, which any change of its objects makes, and looks at all of
// them in one pass.
package onepass

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/finos/five-spot/controllers/fairqueue"
)

const (
	// RetryAfter is when to try again what somebody has to make possible.
	RetryAfter = time.Minute

	// passTimeout bounds the requests of one pass.
	passTimeout = 30 * time.Second
)

// Controller is what such a controller is made of.
type Controller struct {
	Name string

	// Clock tells when to look again.
	Clock clock.WithTicker

	// Config is how to reach the API server for the watches.
	Config *rest.Config

	// Pass is the one request, and Objects are what is watched from the start.
	Pass    reconcile.Request
	Objects []Watched

	// Watches, where it is not nil, lets a pass add to them.
	Watches *Watches
}

// SetupWithManager adds the controller, which asks r for a pass at its start.
func (c Controller) SetupWithManager(mgr ctrl.Manager, r reconcile.Reconciler) error {
	metadataClient, err := metadata.NewForConfig(c.Config)
	if err != nil {
		return fmt.Errorf("failed to create a client for the watches of the controller %s: %w", c.Name, err)
	}
	watches := c.Watches
	if watches == nil {
		watches = &Watches{}
	}
	begin := func(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		watches.begin(ctx, metadataClient, queue, c.Pass)
		for _, object := range c.Objects {
			if err := watches.Keep(object, true); err != nil {
				return err
			}
		}
		queue.Add(c.Pass)
		return nil
	}
	err = ctrl.NewControllerManagedBy(mgr).
		Named(c.Name).
		WatchesRawSource(source.Func(begin)).
		WithOptions(controller.Options{ReconciliationTimeout: passTimeout, NewQueue: fairqueue.WithClock(c.Clock)}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("failed to set up the controller %s: %w", c.Name, err)
	}
	return nil
}
