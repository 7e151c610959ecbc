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
	// arms is for single Nodes. Without an image it only takes off what is there.
	arms    scheduledmachine.Agents
	noImage bool

	// installation installs it, in the first instance only; in the others it just tells
	// where the agent is.
	installation *reclaimagent.Reconciler
	installs     bool
}

func newReclaimAgent(mgr ctrl.Manager, opts Options, version string) reclaimAgent {
	options := reclaimagent.Options{Clock: opts.Clock, Client: mgr.GetClient(), Live: mgr.GetAPIReader(), ManagerNamespace: opts.PodNamespace}
	provisioner := provision.New(provision.Options{Image: opts.AgentImage, PullSecret: opts.AgentPullSecret, Version: version})
	agent := reclaimAgent{arms: provisioner, noImage: opts.AgentImage == ""}
	if !agent.noImage {
		options.Installer = provisioner
		agent.installs = opts.InstanceID == 0
	}
	agent.installation = reclaimagent.New(options)
	return agent
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
