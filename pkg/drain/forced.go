package drain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/controllers/noderefutil"
	"sigs.k8s.io/cluster-api/core/reconcilers/machine/drain"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// podPage is how many Pods are read at a time: as many as most Nodes have.
	podPage = 500

	// deletedAtOnce is how many Pods are deleted at the same time.
	deletedAtOnce = 10

	// nodeNameField selects the Pods of a Node.
	nodeNameField = "spec.nodeName"

	daemonSetKind = "DaemonSet"
)

// ForceStep takes one step of a drain that asks nobody: Pods are deleted whatever
// their PodDisruptionBudget or a MachineDrainRule says. Each gets its own grace
// period, but no more than what remains until the drain is given up, and at least a
// second: zero would take the Pod out of the API while its processes still run. Pods
// of DaemonSets, static Pods and those labelled to be left alone stay; Pods that are
// terminating are not hurried, and not waited for where no kubelet ends them. It
// returns within about a second and a half. For an error see Step.
func (d *Drainer) ForceStep(ctx context.Context, req Request, remaining time.Duration) (Progress, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()

	// In an emergency the Pods do not wait for the cordon.
	cordon, cordonErr := d.cordon(ctx, req)
	pods, err := podsToForce(ctx, req.Workload, req.Node.Name)
	if err != nil {
		return Progress{}, errors.Join(cordonErr, err)
	}
	if noderefutil.IsNodeUnreachable(req.Node) {
		remaining = unreachableGracePeriod * time.Second
		pods = slices.DeleteFunc(pods, func(pod corev1.Pod) bool { return overdue(&pod, d.clock.Now()) })
	}

	evictor := d.newEvictor(req.Workload, d.deletions)
	result := evictor.run(ctx, func(ctx context.Context) drain.EvictionResult {
		return evictor.deleteAll(ctx, pods, remaining)
	})
	if err := errors.Join(cordonErr, evictor.err); err != nil {
		return Progress{Evictions: evictor.counts}, err
	}
	progress := Progress{
		Cordoned:  cordon == cordonWritten,
		Evictions: evictor.counts,
		BlockedBy: blockedBy(evictor.refusals, nil),
	}.counted(req.Previous, len(pods), len(pods)-len(result.PodsNotFound))
	if !progress.Drained {
		progress.RetryAfter = evictor.retryAfter(recheckLeaving)
	}
	return progress, nil
}

// deleteAll deletes the Pods that are not terminating, as long as there is time: several
// at once, or a slow API server would leave most of them no time to end.
func (e *evictor) deleteAll(ctx context.Context, pods []corev1.Pod, remaining time.Duration) drain.EvictionResult {
	var result drain.EvictionResult
	for some := range slices.Chunk(pods, deletedAtOnce) {
		if ctx.Err() != nil {
			break
		}
		answers := make([]<-chan error, len(some))
		for i := range some {
			if pod := &some[i]; pod.DeletionTimestamp.IsZero() {
				answers[i], _ = e.ask(ctx, pod, func(ctx context.Context) error {
					return e.Delete(ctx, pod, client.GracePeriodSeconds(forcedGrace(pod, remaining)), client.Preconditions{UID: &pod.UID})
				})
			}
		}
		for i, answer := range answers {
			if answer == nil {
				continue
			}
			if is, _ := judge(ctx, e.await(ctx, &some[i], answer)); is == gone {
				result.PodsNotFound = append(result.PodsNotFound, &some[i])
			}
		}
	}
	return result
}

// forcedGrace is how many seconds a Pod gets.
func forcedGrace(pod *corev1.Pod, remaining time.Duration) int64 {
	own := int64(corev1.DefaultTerminationGracePeriodSeconds)
	if pod.Spec.TerminationGracePeriodSeconds != nil {
		own = *pod.Spec.TerminationGracePeriodSeconds
	}
	return max(1, min(own, int64(remaining/time.Second)))
}

// overdue is whether a Pod should have ended by now.
func overdue(pod *corev1.Pod, now time.Time) bool {
	return !pod.DeletionTimestamp.IsZero() && now.Sub(pod.DeletionTimestamp.Time) > unreachableGracePeriod*time.Second
}

// podsToForce reads the Pods that have to leave the Node.
func podsToForce(ctx context.Context, c client.Reader, nodeName string) ([]corev1.Pod, error) {
	var pods []corev1.Pod
	next := ""
	for {
		page := &corev1.PodList{}
		err := c.List(ctx, page, client.MatchingFields{nodeNameField: nodeName}, client.Limit(podPage), client.Continue(next))
		if err != nil {
			return nil, fmt.Errorf("failed to list the Pods of Node %s: %w", nodeName, err)
		}
		for i := range page.Items {
			if leaves(&page.Items[i]) {
				pods = append(pods, page.Items[i])
			}
		}
		if next = page.Continue; next == "" {
			return pods, nil
		}
	}
}

// leaves is whether a Pod has to leave even in an emergency.
func leaves(pod *corev1.Pod) bool {
	controller := metav1.GetControllerOf(pod)
	_, static := pod.Annotations[corev1.MirrorPodAnnotationKey]
	skipped := strings.EqualFold(pod.Labels[clusterv1.PodDrainLabel], string(clusterv1.MachineDrainRuleDrainBehaviorSkip))
	return !static && !skipped && (controller == nil || controller.Kind != daemonSetKind)
}
