// Package networkpolicy is the NetworkPolicy of the manager, as it is installed by the
// manager itself or by hand.
package networkpolicy

import (
	_ "embed"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

// Name is the name of the NetworkPolicy.
const Name = "five-spot-controller-manager"

//go:embed manifests/network_policy.yaml
var manifest []byte

// errShape is that the manifest has not the two rules that settings are put into.
var errShape = errors.New("the manifest has not the expected shape")

// Settings are what differs from one installation to another.
type Settings struct {
	// Namespace is that of the manager.
	Namespace string

	// MetricsPort is the port of the metrics; 0 where none are served, and nobody may
	// talk to the manager.
	MetricsPort int

	// MetricsNamespaces selects the namespaces that may scrape the metrics.
	MetricsNamespaces metav1.LabelSelector

	// APIServerPorts are the ports of all API servers, that of the management cluster
	// included, as they are behind its Service.
	APIServerPorts []int32
}

// Render returns the NetworkPolicy with the settings in it.
func Render(settings Settings) (*unstructured.Unstructured, error) {
	policy := &networkingv1.NetworkPolicy{}
	if err := yaml.UnmarshalStrict(manifest, policy); err != nil {
		return nil, fmt.Errorf("failed to parse the manifest of the NetworkPolicy: %w", err)
	}
	if len(policy.Spec.Ingress) != 1 || len(policy.Spec.Egress) != 2 {
		return nil, errShape
	}
	policy.Namespace = settings.Namespace
	policy.Spec.Ingress[0].From = []networkingv1.NetworkPolicyPeer{{NamespaceSelector: settings.MetricsNamespaces.DeepCopy()}}
	policy.Spec.Ingress[0].Ports = tcp(int32(settings.MetricsPort)) //nolint:gosec // A port.
	if settings.MetricsPort == 0 {
		policy.Spec.Ingress = nil
	}
	policy.Spec.Egress[1].Ports = tcp(settings.APIServerPorts...)
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(policy)
	if err != nil {
		return nil, fmt.Errorf("failed to convert the NetworkPolicy: %w", err)
	}
	unstructured.RemoveNestedField(content, "metadata", "creationTimestamp")
	return &unstructured.Unstructured{Object: content}, nil
}

func tcp(ports ...int32) []networkingv1.NetworkPolicyPort {
	list := make([]networkingv1.NetworkPolicyPort, 0, len(ports))
	for _, port := range ports {
		list = append(list, networkingv1.NetworkPolicyPort{Protocol: new(corev1.ProtocolTCP), Port: new(intstr.FromInt32(port))})
	}
	return list
}
