package machine

import (
	"strings"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"github.com/finos/five-spot/api/v1alpha1"
)

// reservedDomains are refused in machineTemplate together with all their
// subdomains: what Kubernetes, Cluster API and 5-Spot say about a Machine is not
// for its author to say.
var reservedDomains = []string{"kubernetes.io", "k8s.io", "cluster.x-k8s.io", v1alpha1.GroupVersion.Group}

// topologyDomain stays allowed for labels, on the Machine.
const topologyDomain = "topology.kubernetes.io"

// privilegedRoles are the roles of a Node that a worker must not claim.
var privilegedRoles = []string{"control-plane", "master", "etcd"}

// reservedLabel is whether a label may not be given in machineTemplate. Labels
// that Cluster API carries from the Machine to the Node are allowed.
func reservedLabel(key string, allowNodeRestriction bool) bool {
	domain, name, prefixed := splitKey(key)
	if !prefixed || !isReserved(domain) {
		return false
	}
	switch {
	case domain == topologyDomain, inDomain(domain, clusterv1.ManagedNodeLabelDomain):
		return false
	case domain == clusterv1.NodeRoleLabelPrefix:
		return isPrivilegedRole(name)
	case inDomain(domain, clusterv1.NodeRestrictionLabelDomain):
		return !allowNodeRestriction
	}
	return true
}

// reservedAnnotation is whether an annotation may not be given in machineTemplate.
func reservedAnnotation(key string) bool {
	domain, _, prefixed := splitKey(key)
	return prefixed && key != v1alpha1.ScheduledByAnnotation && isReserved(domain)
}

func isReserved(domain string) bool {
	for _, reserved := range reservedDomains {
		if inDomain(domain, reserved) {
			return true
		}
	}
	return false
}

func isPrivilegedRole(name string) bool {
	for _, role := range privilegedRoles {
		if strings.EqualFold(name, role) {
			return true
		}
	}
	return false
}

// inDomain is whether domain is parent or a subdomain of it.
func inDomain(domain, parent string) bool {
	return domain == parent || strings.HasSuffix(domain, "."+parent)
}

// splitKey takes a key apart. Its domain comes in lower case: annotation keys are
// compared without regard to case by the API server.
func splitKey(key string) (domain, name string, prefixed bool) {
	domain, name, prefixed = strings.Cut(key, "/")
	return strings.ToLower(domain), name, prefixed
}
