package lifecycle

import "github.com/finos/five-spot/api/v1alpha1"

// Problem is why no machine can be created in the Cluster; nil when one can.
func (c Cluster) Problem() *Problem {
	switch {
	case c.APIMissing:
		return &Problem{v1alpha1.ClusterAPINotInstalledReason, "The API server does not serve Cluster API v1beta2"}
	case !c.Exists:
		return &Problem{v1alpha1.ClusterNotFoundReason, "The Cluster of spec.clusterName does not exist"}
	case c.Deleting:
		return &Problem{v1alpha1.ClusterDeletingReason, "The Cluster is being deleted"}
	case !c.InfrastructureProvisioned:
		return &Problem{v1alpha1.ClusterInfrastructureNotReadyReason, "The infrastructure of the Cluster is not yet provisioned"}
	case !c.ControlPlaneInitialized:
		return &Problem{v1alpha1.ClusterControlPlaneNotReadyReason, "The control plane of the Cluster is not yet initialized"}
	default:
		return nil
	}
}
