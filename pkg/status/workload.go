package status

import "github.com/finos/five-spot/api/v1alpha1"

// workloadClusterReachable tells whether Nodes can be read and changed. Nobody
// asks while there is no Machine, whatever other machines of the Cluster do.
func workloadClusterReachable(in Input) verdict {
	switch {
	case !in.Observation.Machine.Exists:
		return open(v1alpha1.WorkloadClusterNotNeededReason, "There is no Machine, so no connection is needed")
	case in.Observation.Cluster.Reachable:
		return yes(v1alpha1.WorkloadClusterConnectedReason, "There is a connection to the workload cluster")
	case in.Observation.Cluster.Unreachable != nil:
		return no(in.Observation.Cluster.Unreachable.Reason,
			"There is no connection to the workload cluster, since "+in.Observation.Cluster.Unreachable.Message)
	default:
		return no(v1alpha1.WorkloadClusterNotConnectedReason, "There is no connection to the workload cluster")
	}
}
