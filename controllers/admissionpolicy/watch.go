package admissionpolicy

import (
	"context"
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// watches begins one watch for each object, by its name. The manager's cache can select
// one name for each kind, and would have to be told of a kind that may not be served;
// and it ends the manager where it may not be watched.
func (r *Reconciler) watches() (func(context.Context, workqueue.TypedRateLimitingInterface[reconcile.Request]) error, error) {
	clients, err := kubernetes.NewForConfig(r.opts.Config)
	if err != nil {
		return nil, fmt.Errorf("failed to create a client for admission policies: %w", err)
	}
	api := clients.AdmissionregistrationV1().RESTClient()
	return func(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		for i := range r.opts.Policies {
			name := r.opts.Policies[i].Name
			if err := watch(ctx, queue, api, "validatingadmissionpolicies", name, &admissionregistrationv1.ValidatingAdmissionPolicy{}); err != nil {
				return err
			}
			if err := watch(ctx, queue, api, "validatingadmissionpolicybindings", name, &admissionregistrationv1.ValidatingAdmissionPolicyBinding{}); err != nil {
				return err
			}
		}
		queue.Add(everything)
		return nil
	}, nil
}

// watch asks for a pass at every change of the object, until ctx ends.
func watch(
	ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request],
	api rest.Interface, resource, name string, kind runtime.Object,
) error {
	selected := toolscache.NewListWatchFromClient(api, resource, metav1.NamespaceNone, fields.OneTermEqualSelector(metav1.ObjectNameField, name))
	informer := toolscache.NewSharedIndexInformer(selected, kind, 0, nil)
	ask := func(any) { queue.Add(everything) }
	handlers := toolscache.ResourceEventHandlerFuncs{AddFunc: ask, UpdateFunc: func(_, _ any) { queue.Add(everything) }, DeleteFunc: ask}
	if _, err := informer.AddEventHandler(handlers); err != nil {
		return fmt.Errorf("failed to watch %s %s: %w", resource, name, err)
	}
	log := ctrl.LoggerFrom(ctx)
	// What cannot be watched is looked at now and then; what that means is for the pass
	// to say.
	err := informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *toolscache.Reflector, err error) {
		log.V(2).Info("An admission policy cannot be watched", "resource", resource, "name", name, "error", err.Error())
		queue.AddAfter(everything, checkAfter)
	})
	if err != nil {
		return fmt.Errorf("failed to watch %s %s: %w", resource, name, err)
	}
	go informer.RunWithContext(ctx)
	return nil
}
