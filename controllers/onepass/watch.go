package onepass

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// checkAfter is when to look at what a watch may have missed that failed, such as where
// the right to watch is missing. Nothing else is polled.
const checkAfter = 5 * time.Minute

// Watched is one object that a controller keeps.
type Watched struct {
	// API is the client of the group and version.
	API rest.Interface

	// Resource, Key and Kind say which object it is; Kind is an empty one.
	Resource string
	Key      client.ObjectKey
	Kind     runtime.Object
}

// watch asks for a pass at every change of the object, until ctx ends. It watches the one
// name: the manager's cache can select one for each kind, would have to be told of a kind
// that may not be served, and ends the manager where that may not be watched. Such a watch
// also fits into a right that is limited to the name.
func watch(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request], pass reconcile.Request, object Watched) error {
	byName := fields.OneTermEqualSelector(metav1.ObjectNameField, object.Key.Name)
	selected := toolscache.NewListWatchFromClient(object.API, object.Resource, object.Key.Namespace, byName)
	informer := toolscache.NewSharedIndexInformer(selected, object.Kind, 0, nil)
	ask := func(any) { queue.Add(pass) }
	handlers := toolscache.ResourceEventHandlerFuncs{AddFunc: ask, UpdateFunc: func(_, _ any) { queue.Add(pass) }, DeleteFunc: ask}
	if _, err := informer.AddEventHandler(handlers); err != nil {
		return fmt.Errorf("failed to watch %s %s: %w", object.Resource, object.Key, err)
	}
	log := ctrl.LoggerFrom(ctx)
	// What that means is for the pass to say.
	err := informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *toolscache.Reflector, err error) {
		log.V(2).Info("An object cannot be watched", "resource", object.Resource, "name", object.Key.String(), "error", err.Error())
		queue.AddAfter(pass, checkAfter)
	})
	if err != nil {
		return fmt.Errorf("failed to watch %s %s: %w", object.Resource, object.Key, err)
	}
	go informer.RunWithContext(ctx)
	return nil
}
