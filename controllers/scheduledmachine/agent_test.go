package scheduledmachine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/reclaim"
	"github.com/finos/five-spot/pkg/reclaim/provision"
)

const agentNamespace = "5spot-system"

// fakeAgents arm nothing, and take down what they were asked.
type fakeAgents struct {
	asked []string
	told  reclaim.Config
	err   error
	why   string // empty when the agent runs

	unguarded bool
}

func (f *fakeAgents) Guarded(context.Context, client.Client, string) (bool, error) {
	return !f.unguarded, nil
}

func (f *fakeAgents) Arm(ctx context.Context, c client.Client, node *corev1.Node, namespace string, config reclaim.Config) (bool, error) {
	f.asked = append(f.asked, "arm "+namespace)
	f.told = config
	before := node.DeepCopy()
	metav1.SetMetaDataLabel(&before.ObjectMeta, v1alpha1.ReclaimAgentLabel, v1alpha1.ReclaimAgentEnabled)
	return true, errors.Join(f.err, c.Patch(ctx, before, client.MergeFrom(node)))
}

func (f *fakeAgents) Disarm(context.Context, client.Client, *corev1.Node, string) (bool, error) {
	f.asked = append(f.asked, "disarm")
	return true, f.err
}

func (f *fakeAgents) Ready(context.Context, client.Client, *corev1.Node, string, time.Time) (bool, string, error) {
	f.asked = append(f.asked, "ready?")
	return f.why == "", f.why, nil
}

type fakeInstallation struct{ problem error }

func (f fakeInstallation) Namespace(context.Context, client.Reader) (string, error) {
	return agentNamespace, nil
}
func (f fakeInstallation) Problem(client.ObjectKey) error { return f.problem }

func reclaimable(sm *v1alpha1.ScheduledMachine) {
	active(sm)
	sm.Spec.KillIfCommands = []string{"idea", "java -jar ide.jar"}
}

func agentDaemonSet() *appsv1.DaemonSet {
	key := provision.DaemonSetKey(agentNamespace)
	return &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{
		Namespace: key.Namespace, Name: key.Name,
		Labels: map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedByFiveSpot},
	}}
}

func newAgentHarness(t *testing.T, sm *v1alpha1.ScheduledMachine, agents *fakeAgents, objs ...client.Object) *harness {
	t.Helper()
	h := newHarness(t, knownCAPI, nil, sm, tradingCluster(), runningMachine(sm))
	h.onNode(interceptor.Funcs{}, objs...)
	h.agents, h.installation = agents, fakeInstallation{}
	return h
}

func (h *harness) reconcileTo(t *testing.T) time.Duration {
	t.Helper()
	result, err := h.reconcile()
	h.g.Expect(err).NotTo(HaveOccurred())
	return result.RequeueAfter
}

func TestTheAgentIsArmedAndThenLeftAlone(t *testing.T) {
	t.Parallel()
	agents := &fakeAgents{}
	h := newAgentHarness(t, deskSM(reclaimable), agents, readyNode(nil), agentDaemonSet())
	h.reconcileTo(t)
	h.g.Expect(agents.asked).To(Equal([]string{"arm 5spot-system", "ready?"}))
	h.g.Expect(agents.told.Commands).To(ConsistOf("idea"))
	h.g.Expect(agents.told.ArgvSubstrings).To(ConsistOf("java -jar ide.jar"))
	h.g.Expect(h.condition(v1alpha1.ReclaimAgentReadyCondition)).To(Equal("True/Armed"))

	h.reconcileTo(t)
	h.clock.Step(3 * time.Minute)
	h.reconcileTo(t)
	h.g.Expect(agents.asked).To(HaveLen(2), "it was seen a short while ago")
	h.g.Expect(h.condition(v1alpha1.ReclaimAgentReadyCondition)).To(Equal("True/Armed"))
	h.clock.Step(2 * time.Minute)
	h.reconcileTo(t)
	h.g.Expect(agents.asked).To(HaveLen(4))
}

func TestAnAgentThatWasInstalledByHandIsArmed(t *testing.T) {
	t.Parallel()
	agents, byHand := &fakeAgents{}, agentDaemonSet()
	byHand.Labels[v1alpha1.ManagedByLabel] = "kustomize"
	h := newAgentHarness(t, deskSM(reclaimable), agents, readyNode(nil), byHand)
	h.installation = fakeInstallation{fmt.Errorf("DaemonSet x %w", provision.ErrForeign)}
	h.reconcileTo(t)
	h.g.Expect(agents.asked).To(Equal([]string{"arm 5spot-system", "ready?"}))
	h.g.Expect(h.condition(v1alpha1.ReclaimAgentReadyCondition)).To(Equal("True/Armed"))
}

func TestALabelThatWasTakenOffIsPutBack(t *testing.T) {
	t.Parallel()
	agents := &fakeAgents{}
	h := newAgentHarness(t, deskSM(reclaimable), agents, readyNode(nil), agentDaemonSet())
	h.reconcileTo(t)
	bare := h.node()
	bare.Labels = nil
	h.g.Expect(h.workload.Update(t.Context(), bare)).To(Succeed())
	h.reconcileTo(t)
	h.g.Expect(h.node().Labels).To(HaveKey(v1alpha1.ReclaimAgentLabel))
}

func TestAnEditOfTheCommandsIsTold(t *testing.T) {
	t.Parallel()
	agents := &fakeAgents{}
	sm := deskSM(reclaimable)
	h := newAgentHarness(t, sm, agents, readyNode(nil), agentDaemonSet())
	h.reconcileTo(t)
	edited := h.read()
	edited.Spec.KillIfCommands, edited.Generation = []string{"eclipse"}, 2
	h.g.Expect(h.api.Update(t.Context(), edited)).To(Succeed())
	h.reconcileTo(t)
	h.g.Expect(agents.told.Commands).To(ConsistOf("eclipse"))
}

func TestWhatKeepsTheAgentFromWatching(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		agents       *fakeAgents
		installation fakeInstallation
		objs         []client.Object
		want         string
		message      string
		armed        bool
	}{
		"it is not installed yet": {agents: &fakeAgents{}, want: "False/Pending", message: "not installed in the workload cluster yet"},
		"it could not be installed": {
			agents: &fakeAgents{}, installation: fakeInstallation{errors.New("DaemonSet five-spot-reclaim-agent exists")},
			objs: []client.Object{agentDaemonSet()}, want: "False/Pending", message: "DaemonSet five-spot-reclaim-agent exists",
		},
		"somebody else has an object of its name": {
			agents: &fakeAgents{}, installation: fakeInstallation{fmt.Errorf("ClusterRole x %w", provision.ErrForeign)},
			want: "False/Pending", message: "ClusterRole x exists and is not labelled",
		},
		"somebody else has an object of its name, of which the rest is there": {
			agents: &fakeAgents{}, installation: fakeInstallation{fmt.Errorf("ClusterRole x %w", provision.ErrForeign)},
			objs: []client.Object{agentDaemonSet()}, want: "False/Pending", message: "ClusterRole x exists and is not labelled",
		},
		"the workload cluster is too old": {
			agents: &fakeAgents{}, installation: fakeInstallation{provision.ErrPolicyUnsupported},
			want: "False/PolicyUnsupported", message: "Kubernetes 1.30",
		},
		"there is no policy": {
			agents: &fakeAgents{unguarded: true}, objs: []client.Object{agentDaemonSet()},
			want: "False/Pending", message: "The policy that says who may ask for a reclaim is not in the workload cluster",
		},
		"its Pod does not run yet": {
			agents: &fakeAgents{why: "Pod x is not Ready: ImagePullBackOff"}, objs: []client.Object{agentDaemonSet()},
			want: "False/Pending", message: "ImagePullBackOff", armed: true,
		},
		"it cannot be told": {
			agents: &fakeAgents{err: errors.New("configmaps is forbidden")}, objs: []client.Object{agentDaemonSet()},
			want: "False/Pending", message: "configmaps is forbidden", armed: true,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newAgentHarness(t, deskSM(reclaimable), test.agents, append(test.objs, readyNode(nil))...)
			h.installation = test.installation
			again := h.reconcileTo(t)
			h.g.Expect(h.condition(v1alpha1.ReclaimAgentReadyCondition)).To(Equal(test.want))
			condition := meta.FindStatusCondition(h.read().Status.Conditions, v1alpha1.ReclaimAgentReadyCondition)
			h.g.Expect(condition.Message).To(ContainSubstring(test.message))
			h.g.Expect(again).To(BeNumerically("<=", nodeRetry), "no watch tells when that changes")
			if !test.armed {
				h.g.Expect(test.agents.asked).To(BeEmpty(), "nothing is armed without a policy")
			}
		})
	}
}

func TestLookingForTheAgentGetsRarer(t *testing.T) {
	t.Parallel()
	h := newAgentHarness(t, deskSM(reclaimable), &fakeAgents{why: "not yet"}, readyNode(nil), agentDaemonSet())
	var waits []time.Duration
	for range 12 {
		wait := h.reconcileTo(t)
		waits = append(waits, wait.Truncate(time.Second))
		h.clock.Step(wait)
	}
	h.g.Expect(waits[0]).To(Equal(2 * time.Second))
	h.g.Expect(waits).To(HaveEach(BeNumerically("<=", 30*time.Second)))
	h.g.Expect(waits[11]).To(BeNumerically(">", waits[0]))
}

func TestTheAgentIsTakenOffWhenNothingIsLookedFor(t *testing.T) {
	t.Parallel()
	agents := &fakeAgents{}
	h := newAgentHarness(t, deskSM(active), agents, readyNode(func(n *corev1.Node) {
		n.Labels = map[string]string{v1alpha1.ReclaimAgentLabel: v1alpha1.ReclaimAgentEnabled}
	}))
	h.reconcileTo(t)
	h.g.Expect(agents.asked).To(Equal([]string{"disarm"}))
	h.g.Expect(h.condition(v1alpha1.ReclaimAgentReadyCondition)).To(Equal("False/NoCommands"))
}

func TestWithoutAnImageThereIsNoAgent(t *testing.T) {
	t.Parallel()
	agents := &fakeAgents{}
	h := newAgentHarness(t, deskSM(reclaimable), agents, readyNode(nil), agentDaemonSet())
	h.noAgentImage = true
	h.reconcileTo(t)
	h.g.Expect(agents.asked).To(BeEmpty())
	h.g.Expect(h.condition(v1alpha1.ReclaimAgentReadyCondition)).To(Equal("False/Unavailable"))
}

func TestAnAgentIsTakenOffAlsoWhereThereIsNoImageOfItAnyMore(t *testing.T) {
	t.Parallel()
	agents := &fakeAgents{}
	h := newAgentHarness(t, deskSM(active), agents, readyNode(func(n *corev1.Node) {
		n.Labels = map[string]string{v1alpha1.ReclaimAgentLabel: v1alpha1.ReclaimAgentEnabled}
	}))
	h.noAgentImage = true
	h.reconcileTo(t)
	h.g.Expect(agents.asked).To(Equal([]string{"disarm"}), "it would go on to eject a machine that lists no programs")
	h.g.Expect(h.condition(v1alpha1.ReclaimAgentReadyCondition)).To(Equal("False/NoCommands"))
}

func TestTheAgentIsArmedAlsoWhereTaintsAreRefused(t *testing.T) {
	t.Parallel()
	agents := &fakeAgents{}
	sm := deskSM(reclaimable)
	sm.Spec.NodeTaints = []v1alpha1.NodeTaint{{Key: "spot", Effect: corev1.TaintEffectNoSchedule}}
	h := newHarness(t, knownCAPI, nil, sm, tradingCluster(), runningMachine(sm))
	h.onNode(interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			if body, err := patch.Data(obj); err == nil && bytes.Contains(body, []byte("taints")) {
				return errors.New("admission webhook denied the request")
			}
			return c.Patch(ctx, obj, patch, opts...)
		},
	}, readyNode(nil), agentDaemonSet())
	h.agents, h.installation = agents, fakeInstallation{}
	h.reconcileTo(t)
	h.g.Expect(h.condition(v1alpha1.NodeTaintedCondition)).To(Equal("False/ApplyFailed"))
	h.g.Expect(agents.asked).To(Equal([]string{"arm 5spot-system", "ready?"}))
	h.g.Expect(h.condition(v1alpha1.ReclaimAgentReadyCondition)).To(Equal("True/Armed"))
}
