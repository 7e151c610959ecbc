package admissionpolicy

import (
	"context"
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/finos/five-spot/pkg/operand"
)

// watches begins one watch for each object.
func (r *Reconciler) watches() (func(context.Context, workqueue.TypedRateLimitingInterface[reconcile.Request]) error, error) {
	clients, err := kubernetes.NewForConfig(r.opts.Config)
	if err != nil {
		return nil, fmt.Errorf("failed to create a client for admission policies: %w", err)
	}
	api := clients.AdmissionregistrationV1().RESTClient()
	return func(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		for i := range r.opts.Policies {
			key := client.ObjectKey{Name: r.opts.Policies[i].Name}
			for _, object := range []operand.Watched{
				{API: api, Resource: "validatingadmissionpolicies", Key: key, Kind: &admissionregistrationv1.ValidatingAdmissionPolicy{}},
				{API: api, Resource: "validatingadmissionpolicybindings", Key: key, Kind: &admissionregistrationv1.ValidatingAdmissionPolicyBinding{}},
			} {
				if err := operand.Watch(ctx, queue, everything, object); err != nil {
					return err
				}
			}
		}
		queue.Add(everything)
		return nil
	}, nil
}
