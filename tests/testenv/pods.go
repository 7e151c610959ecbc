package testenv

import (
	"context"
	"fmt"
	"maps"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// podLabel is on all pods of one Pods, with its name.
const podLabel = "app"

// Budgets for CreateBudget.
var (
	// OneAtATime lets one pod be evicted while all others are Ready.
	OneAtATime = policyv1.PodDisruptionBudgetSpec{MaxUnavailable: new(intstr.FromInt32(1))}

	// NoneEver lets no pod be evicted.
	NoneEver = policyv1.PodDisruptionBudgetSpec{MinAvailable: new(intstr.FromString("100%"))}
)

// Pods describe the pods of one workload. With Options.Kubelets they become Ready as
// soon as they are scheduled, or Start later.
type Pods struct {
	Namespace, Name string

	// Replicas is how many a Deployment has.
	Replicas int32

	// Nodes are the names of the Nodes on which the pods may run; without any, all.
	Nodes []string

	// NodeSelector are labels that their Node must have.
	NodeSelector map[string]string

	// Labels are on the pods, beside app=<Name>.
	Labels map[string]string

	// Annotations and Finalizers are on the pods too.
	Annotations map[string]string
	Finalizers  []string

	// Start is when their readiness probe would look at them first, in whole seconds:
	// until then they are not Ready.
	Start time.Duration

	// Grace is the termination grace period, in whole seconds; pods take all of it.
	// Less than a second counts as one: without any, pods would go at once, without
	// their kubelet.
	Grace time.Duration
}

// Selector selects the pods.
func (p *Pods) Selector() client.MatchingLabels { return client.MatchingLabels{podLabel: p.Name} }

// WorkloadNamespace creates a namespace of its own in the workload cluster, whose
// name begins with the prefix, and waits until pods can be created in it.
func (w *World) WorkloadNamespace(ctx context.Context, prefix string) (string, error) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: prefix + "-"}}
	if err := w.WorkloadClient.Create(ctx, namespace); err != nil {
		return "", fmt.Errorf("failed to create a namespace: %w", err)
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "default"}}
	return namespace.Name, WaitFor(ctx, w.WorkloadClient, account, func() bool { return true })
}

// DeleteWorkloadNamespace deletes a namespace of the workload cluster with all its
// pods, whatever their grace period and finalizers, and waits until it is gone.
func (w *World) DeleteWorkloadNamespace(ctx context.Context, name string) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	// From here on nothing new is created in it.
	if err := w.WorkloadClient.Delete(ctx, namespace); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("failed to delete namespace %s: %w", name, err)
	}
	pods := &corev1.PodList{}
	if err := w.WorkloadClient.List(ctx, pods, client.InNamespace(name)); err != nil {
		return fmt.Errorf("failed to list pods: %w", err)
	}
	for i := range pods.Items {
		if err := w.removePod(ctx, &pods.Items[i]); err != nil {
			return err
		}
	}
	return WaitGone(ctx, w.WorkloadClient, namespace)
}

func (w *World) removePod(ctx context.Context, pod *corev1.Pod) error {
	if len(pod.Finalizers) > 0 {
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
		if err := w.WorkloadClient.Patch(ctx, pod, patch); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("failed to take the finalizers off pod %s: %w", pod.Name, err)
		}
	}
	if err := w.WorkloadClient.Delete(ctx, pod, client.GracePeriodSeconds(0)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("failed to delete pod %s: %w", pod.Name, err)
	}
	return nil
}

// CreateDeployment creates a Deployment of these pods. WaitForReadyPods tells when
// they run.
func (w *World) CreateDeployment(ctx context.Context, pods *Pods) (*appsv1.Deployment, error) {
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: pods.Namespace, Name: pods.Name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &pods.Replicas,
			Selector: &metav1.LabelSelector{MatchLabels: pods.Selector()},
			Template: pods.template(),
		},
	}
	if err := w.WorkloadClient.Create(ctx, deployment); err != nil {
		return nil, fmt.Errorf("failed to create Deployment %s: %w", pods.Name, err)
	}
	return deployment, nil
}

// CreateDaemonSet creates a DaemonSet of these pods; Replicas does not matter.
func (w *World) CreateDaemonSet(ctx context.Context, pods *Pods) (*appsv1.DaemonSet, error) {
	set := &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: pods.Namespace, Name: pods.Name},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: pods.Selector()},
			Template: pods.template(),
		},
	}
	if err := w.WorkloadClient.Create(ctx, set); err != nil {
		return nil, fmt.Errorf("failed to create DaemonSet %s: %w", pods.Name, err)
	}
	return set, nil
}

// CreateBudget creates a PodDisruptionBudget for pods that are Ready, and waits
// until evictions are judged by it. The budget is OneAtATime, NoneEver or another.
func (w *World) CreateBudget(ctx context.Context, pods *Pods, budget policyv1.PodDisruptionBudgetSpec) (*policyv1.PodDisruptionBudget, error) {
	budget.Selector = &metav1.LabelSelector{MatchLabels: pods.Selector()}
	pdb := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: pods.Namespace, Name: pods.Name},
		Spec:       budget,
	}
	if err := w.WorkloadClient.Create(ctx, pdb); err != nil {
		return nil, fmt.Errorf("failed to create PodDisruptionBudget %s: %w", pods.Name, err)
	}
	return pdb, WaitFor(ctx, w.WorkloadClient, pdb, func() bool {
		return pdb.Status.ObservedGeneration == pdb.Generation && pdb.Status.CurrentHealthy >= pods.Replicas
	})
}

func (p *Pods) template() corev1.PodTemplateSpec {
	labels := maps.Clone(p.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, p.Selector())
	seconds := max(1, int64(p.Grace/time.Second))
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: p.Annotations, Finalizers: p.Finalizers},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: &seconds,
			AutomountServiceAccountToken:  new(false),
			NodeSelector:                  p.NodeSelector,
			Affinity:                      p.affinity(),
			Containers: []corev1.Container{{
				Name: "work", Image: "example.com/work",
				ReadinessProbe: &corev1.Probe{
					ProbeHandler:        corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"true"}}},
					InitialDelaySeconds: int32(p.Start / time.Second),
				},
				// What asks for nothing counts as something when the scheduler compares Nodes.
				Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
					corev1.ResourceCPU: resource.MustParse("1m"), corev1.ResourceMemory: resource.MustParse("1Mi"),
				}},
			}},
		},
	}
}

// affinity allows the Nodes by name. A field selector takes one value, so that each
// Node is a term of its own.
func (p *Pods) affinity() *corev1.Affinity {
	if len(p.Nodes) == 0 {
		return nil
	}
	selector := &corev1.NodeSelector{}
	for _, node := range p.Nodes {
		selector.NodeSelectorTerms = append(selector.NodeSelectorTerms, corev1.NodeSelectorTerm{
			MatchFields: []corev1.NodeSelectorRequirement{{
				Key: metav1.ObjectNameField, Operator: corev1.NodeSelectorOpIn, Values: []string{node},
			}},
		})
	}
	return &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: selector}}
}
