package onepass

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// checkAfter is when to look at what a watch may have missed that failed, such as where
// the right to watch is missing. Nothing else is polled.
const checkAfter = 5 * time.Minute

// Watched is one object that a controller keeps, or goes by.
type Watched struct {
	Resource schema.GroupVersionResource
	Key      client.ObjectKey
}

// Watches ask for a pass at every change of some objects. Which ones may change while the
// controller runs, as kinds come and go.
type Watches struct {
	mu      sync.Mutex
	start   func(Watched) (context.CancelFunc, error)
	running map[Watched]context.CancelFunc
}

// Keep watches the object from now on, or no longer. Before the controller has started it
// does nothing.
func (w *Watches) Keep(object Watched, wanted bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	stop, running := w.running[object]
	switch {
	case w.start == nil || wanted == running:
		return nil
	case !wanted:
		stop()
		delete(w.running, object)
		return nil
	}
	stop, err := w.start(object)
	if err != nil {
		return err
	}
	w.running[object] = stop
	return nil
}

// begin makes the watches last until ctx ends.
func (w *Watches) begin(ctx context.Context, c metadata.Interface, queue workqueue.TypedRateLimitingInterface[reconcile.Request], pass reconcile.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = map[Watched]context.CancelFunc{}
	w.start = func(object Watched) (context.CancelFunc, error) {
		one, stop := context.WithCancel(ctx)
		if err := watchOne(one, c, queue, pass, object); err != nil {
			stop()
			return nil, err
		}
		return stop, nil
	}
}

// watchOne asks for a pass at every change of the object, until ctx ends. It watches the one
// name: the manager's cache can select one for each kind, would have to be told of a kind
// that may not be served, and ends the manager where that may not be watched. Such a watch
// also fits into a right that is limited to the name.
func watchOne(ctx context.Context, c metadata.Interface, queue workqueue.TypedRateLimitingInterface[reconcile.Request], pass reconcile.Request, object Watched) error {
	resource := c.Resource(object.Resource).Namespace(object.Key.Namespace)
	byName := fields.OneTermEqualSelector(metav1.ObjectNameField, object.Key.Name).String()
	selected := &toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.FieldSelector = byName
			return resource.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.FieldSelector = byName
			return resource.Watch(ctx, options)
		},
	}
	informer := toolscache.NewSharedIndexInformer(selected, &metav1.PartialObjectMetadata{}, 0, nil)
	ask := func(any) { queue.Add(pass) }
	handlers := toolscache.ResourceEventHandlerFuncs{AddFunc: ask, UpdateFunc: func(_, _ any) { queue.Add(pass) }, DeleteFunc: ask}
	if _, err := informer.AddEventHandler(handlers); err != nil {
		return fmt.Errorf("failed to watch %s %s: %w", object.Resource.Resource, object.Key, err)
	}
	log := ctrl.LoggerFrom(ctx)
	// What that means is for the pass to say.
	err := informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *toolscache.Reflector, err error) {
		log.V(2).Info("An object cannot be watched", "resource", object.Resource.Resource, "name", object.Key.String(), "error", err.Error())
		queue.AddAfter(pass, checkAfter)
	})
	if err != nil {
		return fmt.Errorf("failed to watch %s %s: %w", object.Resource.Resource, object.Key, err)
	}
	go informer.RunWithContext(ctx)
	return nil
}
