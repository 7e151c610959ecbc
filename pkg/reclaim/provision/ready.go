package provision

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/pkg/operand"
)

const (
	// templateGenerationLabel is on a Pod of a DaemonSet, with the value of the
	// annotation of the DaemonSet when the Pod was created.
	templateGenerationLabel = "pod-template-generation"

	nodeNameField = "spec.nodeName"

	// settling is how long after its registration a Node may still have what a former
	// Node of its name left: the garbage collector takes a Pod whose Node is gone a
	// minute later at most, and a kubelet that comes back reports it within seconds.
	settling = time.Minute
)

// podLabels are on the agent's Pods.
var podLabels = client.MatchingLabels{
	"app.kubernetes.io/component": "reclaim-agent",
	"app.kubernetes.io/name":      "five-spot",
}

// Ready is whether the agent's Pod on the Node is Ready and of the present DaemonSet,
// whoever installed that; if not, why says what is missing. What a Pod that is older than
// its Node says of itself is believed only a minute after the Node was registered: until
// then it may be what a former Node of that name left. The client must not read Pods from
// a cache. It takes two requests.
func (p *Provisioner) Ready(ctx context.Context, c client.Client, node *corev1.Node, namespace string, now time.Time) (ready bool, why string, err error) {
	daemonSet := &appsv1.DaemonSet{}
	key := client.ObjectKey{Namespace: namespace, Name: agent}
	if err := c.Get(ctx, key, daemonSet); apierrors.IsNotFound(err) {
		return false, fmt.Sprintf("there is no DaemonSet %s", key), nil
	} else if err != nil {
		return false, "", fmt.Errorf("failed to get DaemonSet %s: %w", key, err)
	}
	pods := &corev1.PodList{}
	err = c.List(ctx, pods, client.InNamespace(namespace), podLabels, client.MatchingFields{nodeNameField: node.Name})
	if err != nil {
		return false, "", fmt.Errorf("failed to list Pods on Node %s in Namespace %s: %w", node.Name, namespace, err)
	}
	why = fmt.Sprintf("DaemonSet %s has no Pod on Node %s yet", key, node.Name)
	for i := range pods.Items {
		pod := &pods.Items[i]
		if !metav1.IsControlledBy(pod, daemonSet) {
			continue
		}
		if why = lacks(daemonSet, pod, node, now); why == "" {
			return true, "", nil
		}
	}
	return false, why, nil
}

// Guarded is whether the policy that says who may ask for a reclaim is in the cluster,
// with its binding, whoever wrote them. It takes two requests.
func (p *Provisioner) Guarded(ctx context.Context, c client.Client, namespace string) (bool, error) {
	policy, err := p.read(namespace, policyFiles...)
	if err != nil {
		return false, err
	}
	for _, object := range policy {
		live, err := operand.Read(ctx, c, object)
		if err != nil || live == nil {
			return false, err
		}
	}
	return true, nil
}

// lacks is what a Pod of the DaemonSet lacks to count; empty if it counts.
func lacks(daemonSet *appsv1.DaemonSet, pod *corev1.Pod, node *corev1.Node, now time.Time) string {
	generation := daemonSet.Annotations[appsv1.DeprecatedTemplateGeneration]
	if pod.DeletionTimestamp != nil || pod.Labels[templateGenerationLabel] != generation {
		return fmt.Sprintf("Pod %s is of a former DaemonSet or is ending", pod.Name)
	}
	registered := node.CreationTimestamp.Time
	if pod.CreationTimestamp.Time.Before(registered) && now.Before(registered.Add(settling)) {
		return fmt.Sprintf("Pod %s is older than the Node, which has just been registered", pod.Name)
	}
	for i := range pod.Status.Conditions {
		if condition := &pod.Status.Conditions[i]; condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
			return ""
		}
	}
	return fmt.Sprintf("Pod %s is not Ready%s", pod.Name, hindrance(pod))
}

// hindrance is what a container of the Pod waits for, where the kubelet says it.
func hindrance(pod *corev1.Pod) string {
	for i := range pod.Status.ContainerStatuses {
		if waiting := pod.Status.ContainerStatuses[i].State.Waiting; waiting != nil && waiting.Reason != "" {
			return ": " + waiting.Reason
		}
	}
	return ""
}
