package testenv

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// WaitForReadyPods waits until exactly this many of the pods are Ready and not being
// deleted, and returns those. It fails when ctx ends, and then tells what each of
// the pods looked like.
func (w *World) WaitForReadyPods(ctx context.Context, pods *Pods, count int) ([]corev1.Pod, error) {
	var seen, ready []corev1.Pod
	err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		list := &corev1.PodList{}
		if err := w.WorkloadClient.List(ctx, list, client.InNamespace(pods.Namespace), pods.Selector()); err != nil {
			return false, nil //nolint:nilerr // The next look may succeed.
		}
		seen, ready = list.Items, nil
		for i := range seen {
			if PodReady(&seen[i]) {
				ready = append(ready, seen[i])
			}
		}
		return len(ready) == count, nil
	})
	if err != nil {
		return nil, fmt.Errorf("failed to wait for %d Ready pods %s: %w: %s", count, pods.Name, err, describePods(seen))
	}
	return ready, nil
}

// WaitForNoPods waits until the pods are gone.
func (w *World) WaitForNoPods(ctx context.Context, pods *Pods) error {
	list := &corev1.PodList{}
	err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		listErr := w.WorkloadClient.List(ctx, list, client.InNamespace(pods.Namespace), pods.Selector())
		return listErr == nil && len(list.Items) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("failed to wait until the pods %s are gone: %w: %s", pods.Name, err, describePods(list.Items))
	}
	return nil
}

// PodReady is whether a pod serves: it is Ready and not being deleted.
func PodReady(pod *corev1.Pod) bool {
	if pod.DeletionTimestamp != nil {
		return false
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

func describePods(pods []corev1.Pod) string {
	descriptions := make([]string, 0, len(pods))
	for i := range pods {
		pod := &pods[i]
		words := []string{fmt.Sprintf("%s on %q: %s", pod.Name, pod.Spec.NodeName, pod.Status.Phase)}
		for _, condition := range pod.Status.Conditions {
			if condition.Status != corev1.ConditionTrue {
				words = append(words, fmt.Sprintf("not %s %s", condition.Type, condition.Message))
			}
		}
		descriptions = append(descriptions, strings.Join(words, ", "))
	}
	return strings.Join(descriptions, "; ")
}
