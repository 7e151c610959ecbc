package controllers

import (
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/finos/five-spot/controllers/reclaimagent"
	"github.com/finos/five-spot/controllers/scheduledmachine"
	"github.com/finos/five-spot/pkg/reclaim/provision"
	"github.com/finos/five-spot/pkg/workload"
)

// reclaimAgent is what the manager does about the reclaim agent.
type reclaimAgent struct {
	// arms is for single Nodes; nil where there is no image of it.
	arms scheduledmachine.Agents

	// installation installs it, in the first instance only; in the others it just tells
	// where the agent is.
	installation *reclaimagent.Reconciler
	installs     bool
}

func newReclaimAgent(mgr ctrl.Manager, opts Options, version string) reclaimAgent {
	options := reclaimagent.Options{Clock: opts.Clock, Client: mgr.GetClient(), Live: mgr.GetAPIReader(), ManagerNamespace: opts.PodNamespace}
	if opts.AgentImage == "" {
		return reclaimAgent{installation: reclaimagent.New(options)}
	}
	provisioner := provision.New(provision.Options{Image: opts.AgentImage, PullSecret: opts.AgentPullSecret, Version: version})
	options.Installer = provisioner
	return reclaimAgent{arms: provisioner, installation: reclaimagent.New(options), installs: opts.InstanceID == 0}
}

func (a reclaimAgent) setup(mgr ctrl.Manager) error {
	if !a.installs {
		return nil
	}
	return a.installation.SetupWithManager(mgr)
}

func (a reclaimAgent) watch(workloads *workload.Clusters) error {
	if !a.installs {
		return nil
	}
	return a.installation.WatchClusters(workloads)
}

// orWanted is wanted, and beside that whatever the agent is to run in.
func (a reclaimAgent) orWanted(wanted func(*clusterv1.Cluster) bool) func(*clusterv1.Cluster) bool {
	return func(cluster *clusterv1.Cluster) bool {
		return wanted(cluster) || a.installs && a.installation.WantsCluster(cluster)
	}
}
