// Package onepass sets up the controllers of objects that the manager installs. Such a
// controller has one request, which any change of its objects makes, and looks at all of
// them in one pass.
package onepass

import (
	"context"
	"fmt"
	"time"

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

	// GoneCheck is when to look again for what is being deleted.
	GoneCheck = time.Second

	// passTimeout bounds the requests of one pass.
	passTimeout = 30 * time.Second
)

// Controller is what such a controller is made of.
type Controller struct {
	Name string

	// Clock tells when to look again.
	Clock clock.WithTicker

	// Pass is the one request, and Objects are what it is about.
	Pass    reconcile.Request
	Objects []Watched
}

// SetupWithManager adds the controller, which asks r for a pass at its start.
func (c Controller) SetupWithManager(mgr ctrl.Manager, r reconcile.Reconciler) error {
	watches := func(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		for _, object := range c.Objects {
			if err := watch(ctx, queue, c.Pass, object); err != nil {
				return err
			}
		}
		queue.Add(c.Pass)
		return nil
	}
	err := ctrl.NewControllerManagedBy(mgr).
		Named(c.Name).
		WatchesRawSource(source.Func(watches)).
		WithOptions(controller.Options{ReconciliationTimeout: passTimeout, NewQueue: fairqueue.WithClock(c.Clock)}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("failed to set up the controller %s: %w", c.Name, err)
	}
	return nil
}
