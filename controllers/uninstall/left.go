package uninstall

import (
	"context"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
)

// look notes what of 5-Spot stays.
func (r *run) look(ctx context.Context) error {
	machines, err := r.count(ctx, clusterv1.GroupVersion.WithKind("Machine"), client.HasLabels{v1alpha1.ScheduledMachineLabel})
	if err != nil {
		return err
	}
	if machines > 0 {
		r.left = append(r.left, fmt.Sprintf("%d Machines that 5-Spot has created, which go on running", machines))
	}
	for _, kind := range []struct{ kind, plural string }{{"ScheduledMachine", "scheduledmachines"}, {"MachineCalendar", "machinecalendars"}} {
		name := kind.plural + "." + v1alpha1.GroupVersion.Group
		err := r.Client.Get(ctx, client.ObjectKey{Name: name}, &apiextensionsv1.CustomResourceDefinition{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("failed to look for CustomResourceDefinition %s: %w", name, err)
		}
		objects, err := r.count(ctx, v1alpha1.GroupVersion.WithKind(kind.kind))
		if err != nil {
			return err
		}
		r.left = append(r.left, fmt.Sprintf("CustomResourceDefinition %s with %d objects, which its deletion deletes", name, objects))
	}
	return nil
}

func (r *run) count(ctx context.Context, kind schema.GroupVersionKind, opts ...client.ListOption) (int, error) {
	list := &metav1.PartialObjectMetadataList{}
	kind.Kind += "List"
	list.SetGroupVersionKind(kind)
	err := r.Client.List(ctx, list, opts...)
	if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("failed to count the objects of kind %s: %w", kind.Kind, err)
	}
	return len(list.Items), nil
}
