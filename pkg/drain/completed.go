package drain

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/cluster-api/core/reconcilers/machine/drain"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// leaving are the Pods that have to leave the Node. For one that is to complete the
// library waits until somebody deletes it, which for that of a Job may be never; so the
// library is not shown those that have completed.
func leaving(ctx context.Context, helper *drain.Helper, req Request, evictor *evictor) (*drain.PodDeleteList, error) {
	list := func() (*drain.PodDeleteList, error) {
		pods, err := helper.GetPodsForEviction(ctx, req.Cluster, req.Machine, req.Node.Name)
		if err != nil {
			return nil, fmt.Errorf("failed to find the Pods to evict from Node %s: %w", req.Node.Name, err)
		}
		return pods, nil
	}
	pods, err := list()
	if err != nil || !slices.ContainsFunc(pods.Pods(), completed) {
		return pods, err
	}
	// Without time the library evicts nothing, and only tells what each Pod is to do.
	noTime, cancel := context.WithCancel(ctx)
	cancel()
	plan := helper.EvictPods(noTime, pods)
	for _, pod := range slices.Concat(plan.PodsToWaitCompletedNow, plan.PodsToWaitCompletedLater) {
		if completed(pod) {
			evictor.hidden.Insert(pod.UID)
		}
	}
	if evictor.hidden.Len() == 0 {
		return pods, nil
	}
	return list()
}

// completed is whether a Pod has done its work, well or not.
func completed(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// List reads Pods in large pages, and lists those that were read without the hidden ones
// when there are any: where the API server is slow, a step has time for one request.
func (e *evictor) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	pods, ok := list.(*corev1.PodList)
	switch {
	case !ok:
		return e.Client.List(ctx, list, opts...)
	case e.hidden.Len() > 0:
		*pods = corev1.PodList{Items: slices.DeleteFunc(e.listed, func(pod corev1.Pod) bool { return e.hidden.Has(pod.UID) })}
		return nil
	}
	err := e.Client.List(ctx, pods, slices.Concat(opts, []client.ListOption{client.Limit(podPage)})...)
	e.listed = slices.Concat(e.listed, pods.Items)
	return err
}
