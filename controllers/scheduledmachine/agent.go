package scheduledmachine

import (
	"context"
	"errors"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/lifecycle"
	"github.com/finos/five-spot/pkg/reclaim"
	"github.com/finos/five-spot/pkg/reclaim/provision"
)

const (
	// armedCheck is how long an armed agent is taken for armed without looking again.
	armedCheck = 4 * time.Minute

	// agentRecheck and maxAgentRecheck bound how soon to look again whether the agent
	// runs; no watch tells of Pods.
	agentRecheck    = 2 * time.Second
	maxAgentRecheck = 30 * time.Second
)

// Agents arm the reclaim agent on Nodes.
type Agents interface {
	Arm(ctx context.Context, c client.Client, node *corev1.Node, namespace string, config reclaim.Config) (changed bool, err error)
	Disarm(ctx context.Context, c client.Client, node *corev1.Node, namespace string) (changed bool, err error)
	Ready(ctx context.Context, c client.Client, node *corev1.Node, namespace string, now time.Time) (ready bool, why string, err error)
	Guarded(ctx context.Context, c client.Client, namespace string) (bool, error)
}

// Installation tells what is known of the agent's installation in a workload cluster.
type Installation interface {
	// Namespace is where the agent is in the cluster of the reader.
	Namespace(ctx context.Context, reader client.Reader) (string, error)

	// Problem is why it could not be installed; nil when it could, or when somebody
	// else sees to that.
	Problem(cluster client.ObjectKey) error
}

// armReclaimAgent makes the reclaim agent watch the Node, or takes it off.
func (r *Reconciler) armReclaimAgent(ctx context.Context, w *world) lifecycle.Outcome {
	if w.Object.WantsReclaimAgent && r.noAgentImage {
		return pendingAgent(v1alpha1.ReclaimAgentUnavailableReason, "There is no image of the reclaim agent: set --agent-image")
	}
	if w.Object.WantsReclaimAgent && r.armed.Holds(w) {
		return lifecycle.Outcome{State: lifecycle.OutcomeDone}
	}
	key := clusterKey(w.object)
	cached, err := r.clusters.Client(ctx, key)
	if err != nil {
		return r.nodeFailed(ctx, w, lifecycle.ActionArmReclaimAgent, err)
	}
	uncached, err := r.clusters.UncachedClient(ctx, key)
	if err != nil {
		return r.nodeFailed(ctx, w, lifecycle.ActionArmReclaimAgent, err)
	}
	namespace, err := r.installation.Namespace(ctx, cached)
	if err != nil {
		return r.nodeFailed(ctx, w, lifecycle.ActionArmReclaimAgent, err)
	}
	if !w.Object.WantsReclaimAgent {
		r.armed.Forget(w.object.UID)
		changed, err := r.agents.Disarm(ctx, uncached, w.node, namespace)
		if err != nil {
			return r.nodeFailed(ctx, w, lifecycle.ActionArmReclaimAgent, err)
		}
		return lifecycle.Outcome{State: lifecycle.OutcomeDone, Changed: changed}
	}
	if missing := r.agentMissing(ctx, key, cached, namespace); missing != nil {
		missing.RetryAt = w.Now.Add(agentRecheckAfter(w))
		return *missing
	}
	return r.arm(ctx, w, uncached, namespace)
}

// agentMissing is the outcome of arming where the agent is not installed; nil where it is.
// Without it there is no policy that guards the request, so that nothing is armed.
func (r *Reconciler) agentMissing(ctx context.Context, cluster client.ObjectKey, cached client.Client, namespace string) *lifecycle.Outcome {
	supported, err := provision.Supported(cached)
	if err == nil && !supported {
		err = provision.ErrPolicyUnsupported
	}
	if err == nil {
		err = r.agentProblem(ctx, cluster, cached, namespace)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, provision.ErrPolicyUnsupported):
		outcome := pendingAgent(v1alpha1.ReclaimAgentPolicyUnsupportedReason,
			"The workload cluster has no admission policies, which came with Kubernetes 1.30: the reclaim agent is not installed there")
		return &outcome
	case apierrors.IsNotFound(err):
		outcome := pendingAgent(v1alpha1.ReclaimAgentPendingReason, "The reclaim agent is not installed in the workload cluster yet")
		return &outcome
	default:
		outcome := pendingAgent(v1alpha1.ReclaimAgentPendingReason, "The reclaim agent could not be installed: "+steady(err))
		return &outcome
	}
}

// agentProblem is why there is no agent to arm; nil if there is one. One that somebody
// installed by hand will do, with the policy that comes with it.
func (r *Reconciler) agentProblem(ctx context.Context, cluster client.ObjectKey, cached client.Client, namespace string) error {
	problem := r.installation.Problem(cluster)
	if problem != nil && !errors.Is(problem, provision.ErrForeign) {
		return problem
	}
	daemonSet := &appsv1.DaemonSet{}
	err := cached.Get(ctx, provision.DaemonSetKey(namespace), daemonSet)
	byHand := err == nil && daemonSet.Labels[v1alpha1.ManagedByLabel] != v1alpha1.ManagedByFiveSpot
	if problem != nil && !byHand {
		return problem
	}
	return err
}

func (r *Reconciler) arm(ctx context.Context, w *world, uncached client.Client, namespace string) lifecycle.Outcome {
	guarded, err := r.agents.Guarded(ctx, uncached, namespace)
	if err != nil {
		return r.nodeFailed(ctx, w, lifecycle.ActionArmReclaimAgent, err)
	}
	if !guarded {
		// Of an agent that was installed by hand nobody else looks for it.
		outcome := pendingAgent(v1alpha1.ReclaimAgentPendingReason,
			"The policy that says who may ask for a reclaim is not in the workload cluster, so that nothing is armed")
		outcome.RetryAt = w.Now.Add(agentRecheckAfter(w))
		return outcome
	}
	changed, err := r.agents.Arm(ctx, uncached, w.node, namespace, reclaim.ConfigFor(w.object.Spec.KillIfCommands))
	if err != nil {
		return r.nodeFailed(ctx, w, lifecycle.ActionArmReclaimAgent, err)
	}
	ready, why, err := r.agents.Ready(ctx, uncached, w.node, namespace, w.Now)
	if err != nil {
		return r.nodeFailed(ctx, w, lifecycle.ActionArmReclaimAgent, err)
	}
	if !ready {
		outcome := pendingAgent(v1alpha1.ReclaimAgentPendingReason, "The reclaim agent does not run on Node "+w.node.Name+" yet: "+why)
		outcome.Changed, outcome.RetryAt = changed, w.Now.Add(agentRecheckAfter(w))
		return outcome
	}
	r.armed.Remember(w)
	return lifecycle.Outcome{State: lifecycle.OutcomeDone, Changed: changed}
}

func pendingAgent(reason, message string) lifecycle.Outcome {
	return lifecycle.Outcome{State: lifecycle.OutcomePending, Problem: &lifecycle.Problem{Reason: reason, Message: message}}
}

// agentRecheckAfter is a fifth of the time for which the agent has been missing.
func agentRecheckAfter(w *world) time.Duration {
	var missing time.Duration
	known := meta.FindStatusCondition(w.object.Status.Conditions, v1alpha1.ReclaimAgentReadyCondition)
	if known != nil && known.Status == metav1.ConditionFalse && known.Reason != v1alpha1.ReclaimAgentNotNeededReason {
		missing = w.Now.Sub(known.LastTransitionTime.Time)
	}
	return min(max(missing/5, agentRecheck), maxAgentRecheck)
}

// armed remembers on which Nodes the agent was seen to watch for what, so that looking
// again costs requests only now and then.
type armed struct {
	mu    sync.Mutex
	known map[types.UID]armedNode
}

type armedNode struct {
	generation int64
	node       types.UID
	at         time.Time
}

func newArmed() *armed { return &armed{known: map[types.UID]armedNode{}} }

// Holds is whether the agent was seen on this Node for this spec a short while ago.
func (a *armed) Holds(w *world) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	last, ok := a.known[w.object.UID]
	return ok && last.generation == w.object.Generation && last.node == w.node.UID && w.Node.HasReclaimAgent &&
		!last.at.After(w.Now) && w.Now.Before(last.at.Add(armedCheck))
}

// Remember takes down that it was seen now.
func (a *armed) Remember(w *world) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known[w.object.UID] = armedNode{generation: w.object.Generation, node: w.node.UID, at: w.Now}
}

// Forget drops what is known of an object.
func (a *armed) Forget(uid types.UID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.known, uid)
}
