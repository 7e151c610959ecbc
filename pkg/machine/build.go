package machine

import (
	"fmt"
	"maps"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"github.com/finos/five-spot/api/v1alpha1"
)

const (
	// defaultTimeout is the default of both timeouts of the spec.
	defaultTimeout = 5 * time.Minute

	// nodeDeletionTimeoutSeconds bounds how long Cluster API tries to delete the Node
	// object, counted from the deletion of the Machine: long enough for an API
	// server to come back, short enough not to hold up a removal.
	nodeDeletionTimeoutSeconds = 60
)

// BuildMachine returns the Machine of sm, which joins cluster with the two given
// objects. Of these only group, kind and name are used.
func BuildMachine(sm *v1alpha1.ScheduledMachine, cluster *clusterv1.Cluster, bootstrap, infrastructure *unstructured.Unstructured) *clusterv1.Machine {
	labels, annotations := templateMetadata(sm)
	labels, annotations = withOurs(labels, ownLabels(sm)), withOurs(annotations, ownAnnotations(sm))
	annotations[v1alpha1.OwnerUIDAnnotation] = string(sm.UID)
	return &clusterv1.Machine{
		TypeMeta: metav1.TypeMeta{APIVersion: clusterv1.GroupVersion.String(), Kind: "Machine"},
		ObjectMeta: metav1.ObjectMeta{
			Name:        Name(sm),
			Namespace:   Namespace(sm),
			Labels:      labels,
			Annotations: annotations,
			// Without the Cluster as an owner a foreground deletion of the ScheduledMachine
			// or the Cluster marks Machine and infrastructure at the same time, and Cluster
			// API skips its drain once the infrastructure is going.
			OwnerReferences: []metav1.OwnerReference{controllerRef(sm), clusterRef(cluster)},
		},
		Spec: clusterv1.MachineSpec{
			ClusterName:       sm.Spec.ClusterName,
			Bootstrap:         clusterv1.Bootstrap{ConfigRef: contractRef(bootstrap)},
			InfrastructureRef: contractRef(infrastructure),
			Deletion:          deletionTimeouts(&sm.Spec),
		},
	}
}

// BuildProviderObject returns the bootstrap or infrastructure object of sm.
// secretValue is the YAML or JSON object of obj's secretRef, merged over its spec
// as an RFC 7386 merge patch; nil when there is no secretRef. Errors never quote it.
func BuildProviderObject(sm *v1alpha1.ScheduledMachine, obj v1alpha1.ProviderObject, secretValue []byte) (*unstructured.Unstructured, error) {
	spec, err := mergedSpec(obj, secretValue)
	if err != nil {
		return nil, fmt.Errorf("failed to build %s: %w", obj.Kind, err)
	}
	built := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	built.SetAPIVersion(obj.APIVersion)
	built.SetKind(obj.Kind)
	built.SetName(Name(sm))
	built.SetNamespace(Namespace(sm))
	built.SetLabels(ownLabels(sm))
	built.SetAnnotations(ownAnnotations(sm))
	built.SetOwnerReferences([]metav1.OwnerReference{ownerRef(sm)})
	return built, nil
}

func ownLabels(sm *v1alpha1.ScheduledMachine) map[string]string {
	return map[string]string{
		v1alpha1.ScheduledMachineLabel: sm.Name,
		clusterv1.ClusterNameLabel:     sm.Spec.ClusterName,
	}
}

func ownAnnotations(sm *v1alpha1.ScheduledMachine) map[string]string {
	return map[string]string{v1alpha1.SpecHashAnnotation: SpecHash(sm)}
}

func withOurs(theirs, ours map[string]string) map[string]string {
	merged := make(map[string]string, len(theirs)+len(ours))
	maps.Copy(merged, theirs)
	maps.Copy(merged, ours)
	return merged
}

func ownerRef(sm *v1alpha1.ScheduledMachine) metav1.OwnerReference {
	return metav1.OwnerReference{
		APIVersion: v1alpha1.GroupVersion.String(),
		Kind:       "ScheduledMachine",
		Name:       sm.Name,
		UID:        sm.UID,
	}
}

func controllerRef(sm *v1alpha1.ScheduledMachine) metav1.OwnerReference {
	ref := ownerRef(sm)
	ref.Controller, ref.BlockOwnerDeletion = new(true), new(true)
	return ref
}

func clusterRef(cluster *clusterv1.Cluster) metav1.OwnerReference {
	return metav1.OwnerReference{
		APIVersion: clusterv1.GroupVersion.String(),
		Kind:       "Cluster",
		Name:       cluster.Name,
		UID:        cluster.UID,
	}
}

func contractRef(obj *unstructured.Unstructured) clusterv1.ContractVersionedObjectReference {
	gvk := obj.GroupVersionKind()
	return clusterv1.ContractVersionedObjectReference{APIGroup: gvk.Group, Kind: gvk.Kind, Name: obj.GetName()}
}

// deletionTimeouts bounds every step of Cluster API's deletion, for when nobody is
// left to hurry it. To Cluster API 0 and unset mean without limit, so a timeout of
// 0 becomes one second.
func deletionTimeouts(spec *v1alpha1.ScheduledMachineSpec) clusterv1.MachineDeletionSpec {
	shutdown := seconds(spec.GracefulShutdownTimeout)
	return clusterv1.MachineDeletionSpec{
		NodeDrainTimeoutSeconds:        new(min(seconds(spec.NodeDrainTimeout), shutdown)),
		NodeVolumeDetachTimeoutSeconds: new(shutdown),
		NodeDeletionTimeoutSeconds:     new(int32(nodeDeletionTimeoutSeconds)),
	}
}

func seconds(d v1alpha1.Duration) int32 {
	parsed, err := d.ParseOr(defaultTimeout)
	if err != nil {
		parsed = defaultTimeout
	}
	return max(1, int32(parsed/time.Second))
}
