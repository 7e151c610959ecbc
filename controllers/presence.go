package controllers

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/metrics"
)

// requireCRDs fails, with what to do about it, when the API server does not serve our
// own kinds: without them there is nothing to do and no way to learn of a change.
func requireCRDs(config *rest.Config) error {
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return fmt.Errorf("failed to create a discovery client: %w", err)
	}
	served, err := client.ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String())
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("failed to ask the API server for %s: %w", v1alpha1.GroupVersion, err)
	}
	for _, plural := range []string{"scheduledmachines", "machinecalendars"} {
		if served == nil || !slices.ContainsFunc(served.APIResources, func(r metav1.APIResource) bool { return r.Name == plural }) {
			return fmt.Errorf("the API server does not serve %s.%s: install the CRDs first, for example with kubectl apply -k config/crd",
				plural, v1alpha1.GroupVersion.Group)
		}
	}
	return nil
}

// leadership keeps the metric of whether this replica leads.
func leadership(telemetry *metrics.Metrics) manager.Runnable {
	telemetry.SetLeader(false)
	return manager.RunnableFunc(func(ctx context.Context) error {
		telemetry.SetLeader(true)
		<-ctx.Done()
		telemetry.SetLeader(false)
		return nil
	})
}

// announceClusterAPI says in log, metric, Event and, through the objects, condition
// whether Cluster API is there.
func announceClusterAPI(
	mgr ctrl.Manager, opts Options, telemetry *metrics.Metrics, reconcileAll func(),
) func(ctx context.Context, ready bool, message string) {
	recorder := mgr.GetEventRecorder("five-spot")
	return func(ctx context.Context, ready bool, message string) {
		ctrl.LoggerFrom(ctx).Info(message)
		telemetry.SetClusterAPIReady(ready)
		eventType, reason := corev1.EventTypeWarning, v1alpha1.ClusterAPINotInstalledReason
		if ready {
			eventType, reason = corev1.EventTypeNormal, "ClusterAPIReady"
		}
		if self := opts.pod(); self != nil {
			recorder.Eventf(self, nil, eventType, reason, "WatchClusterAPI", "%s", message)
		}
		reconcileAll()
	}
}

// pod is the Pod that the manager runs in; nil where that is not known.
func (o Options) pod() *corev1.Pod {
	if o.PodName == "" || o.PodNamespace == "" {
		return nil
	}
	return &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: o.PodName, Namespace: o.PodNamespace, UID: types.UID(o.PodUID)},
	}
}
