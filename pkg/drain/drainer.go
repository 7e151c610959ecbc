package drain

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/controllers/noderefutil"
	"sigs.k8s.io/cluster-api/core/reconcilers/machine/drain"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// evictionTimeout bounds the evictions of one step.
	evictionTimeout = time.Second

	// stepTimeout bounds a step as a whole, with the reads that come before.
	stepTimeout = 1500 * time.Millisecond

	// ownGracePeriod leaves it to each Pod how long it takes to end.
	ownGracePeriod = -1

	// unreachableGracePeriod is for Pods that no kubelet ends any more. After it, and
	// as many seconds again, they are not waited for.
	unreachableGracePeriod = 1
)

// Options are what a Drainer needs.
type Options struct {
	// Management reads MachineDrainRules.
	Management client.Client

	// MarkKey is the annotation that says whose a cordon is.
	MarkKey string

	// FieldManager is the name under which Nodes are written.
	FieldManager string
}

// Drainer drains Nodes. It is safe for concurrent use.
type Drainer struct {
	clock clock.PassiveClock
	opts  Options

	// evictions and deletions are kept apart: what refuses the one need not refuse
	// the other.
	evictions, deletions *attempts
}

// New returns a Drainer.
func New(clk clock.PassiveClock, opts Options) *Drainer {
	return &Drainer{clock: clk, opts: opts, evictions: newAttempts(), deletions: newAttempts()}
}

// Request is which Node to drain.
type Request struct {
	// Workload is a client for the cluster of the Node. It must not read Pods from a
	// cache; Namespaces and DaemonSets better are.
	Workload client.Client

	// Cluster and Machine are what MachineDrainRules select by.
	Cluster *clusterv1.Cluster
	Machine *clusterv1.Machine

	// Node is the Node as last read. It is not changed.
	Node *corev1.Node

	// Owner is whose the cordon is.
	Owner types.UID

	// Previous is the result of the step before; zero at the first one. Of it only
	// PodsTotal, PodsRemaining and BlockedBy count.
	Previous Progress
}

// Step takes one step of a drain that respects PodDisruptionBudgets and
// MachineDrainRules. It returns within about a second and a half. That Pods may not
// be evicted is no error, but part of the Progress; an error means that the clusters
// could not be asked. With one, only the Evictions of the Progress count.
func (d *Drainer) Step(ctx context.Context, req Request) (Progress, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()

	cordon, err := d.cordon(ctx, req)
	switch {
	case err != nil:
		return Progress{}, err
	case cordon == cordonOutdated:
		return req.unchanged(), nil
	}

	evictor := d.newEvictor(req.Workload, d.evictions)
	helper := d.helper(req, evictor)
	// The library tells on every step what it skips.
	quiet := ctrl.LoggerInto(ctx, ctrl.LoggerFrom(ctx).V(1))
	pods, err := leaving(quiet, helper, req, evictor)
	progress := Progress{Cordoned: cordon == cordonWritten, Evictions: evictor.counts}
	if err != nil {
		return progress, err
	}
	if len(pods.Pods()) == 0 {
		return progress.counted(req.Previous, 0, 0), nil
	}

	result := evictor.run(quiet, func(ctx context.Context) drain.EvictionResult { return helper.EvictPods(ctx, pods) })
	progress.Evictions = evictor.counts
	if evictor.err != nil {
		return progress, evictor.err
	}
	progress.BlockedBy = blockedBy(evictor.refusals, waitedFor(result))
	progress = progress.counted(req.Previous, len(pods.Pods()), len(pods.Pods())-len(result.PodsNotFound))
	if !progress.Drained {
		progress.RetryAfter = evictor.retryAfter(recheckFor(result))
	}
	return progress, nil
}

// helper is the library, set as Cluster API sets it for its own drain.
func (d *Drainer) helper(req Request, evictor *evictor) *drain.Helper {
	helper := &drain.Helper{Client: d.opts.Management, RemoteClient: evictor, GracePeriodSeconds: ownGracePeriod}
	if noderefutil.IsNodeUnreachable(req.Node) {
		helper.GracePeriodSeconds = unreachableGracePeriod
		helper.SkipWaitForDeleteTimeoutSeconds = unreachableGracePeriod
	}
	return helper
}

// unchanged is the progress of a step that could do nothing, because the Node is not
// what the request says.
func (r Request) unchanged() Progress {
	return Progress{
		PodsTotal:     r.Previous.PodsTotal,
		PodsRemaining: r.Previous.PodsRemaining,
		BlockedBy:     r.Previous.BlockedBy,
		RetryAfter:    recheckOutdated,
	}
}
