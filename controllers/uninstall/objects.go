package uninstall

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/pkg/admission"
	"github.com/finos/five-spot/pkg/console"
	"github.com/finos/five-spot/pkg/monitoring"
	"github.com/finos/five-spot/pkg/networkpolicy"
)

// managementObjects are all that a manager may have installed in its own cluster, with any
// settings, in the order in which they are removed: a binding before its policy.
func managementObjects() ([]*unstructured.Unstructured, error) {
	objects, err := console.Samples()
	var errs []error
	add := func(object *unstructured.Unstructured, err error) {
		objects, errs = append(objects, object), append(errs, err)
	}
	add(console.QuickStart())
	add(monitoring.ServiceMonitor(monitoring.Settings{}))
	add(monitoring.PrometheusRule(monitoring.Settings{}))
	add(networkpolicy.Render(networkpolicy.Settings{}))
	policies, policyErr := admission.Render(admission.Defaults())
	for i := range policies {
		objects = append(objects, policies[i].Binding, policies[i].Policy)
	}
	if err := errors.Join(append(errs, err, policyErr)...); err != nil {
		return nil, fmt.Errorf("failed to list what may be installed: %w", err)
	}
	return objects, nil
}

// find are the objects of that kind and name in any namespace. Where the manager was is not
// known. A cluster without that kind has none.
func (r *run) find(ctx context.Context, named *unstructured.Unstructured) ([]unstructured.Unstructured, error) {
	list := &unstructured.UnstructuredList{}
	kind := named.GroupVersionKind()
	kind.Kind += "List"
	list.SetGroupVersionKind(kind)
	byName := fields.OneTermEqualSelector(metav1.ObjectNameField, named.GetName())
	err := r.Client.List(ctx, list, client.MatchingFieldsSelector{Selector: byName})
	if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("failed to list them: %w", err)
	}
	return list.Items, nil
}
