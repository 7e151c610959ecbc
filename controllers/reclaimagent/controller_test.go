package reclaimagent

import (
	"context"
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clocktesting "k8s.io/utils/clock/testing"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/controllers/clustercache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/controllers/scheduledmachine"
	"github.com/finos/five-spot/pkg/reclaim/provision"
	"github.com/finos/five-spot/pkg/workload"
)

var trading = client.ObjectKey{Namespace: "bank", Name: "trading"}

// fakeClusters have one workload cluster.
type fakeClusters struct {
	client client.Client // nil while it cannot be reached
	asked  []string
}

func (f *fakeClusters) Connect(client.ObjectKey) { f.asked = append(f.asked, "connect") }

func (f *fakeClusters) UncachedClient(context.Context, client.ObjectKey) (client.Client, error) {
	if f.client == nil {
		return nil, workload.ErrNotConnected
	}
	return f.client, nil
}

func (f *fakeClusters) WatchDaemonSets(context.Context, client.ObjectKey, clustercache.SourceWatcher[reconcile.Request],
	func(context.Context, client.Object) []reconcile.Request,
) error {
	f.asked = append(f.asked, "watch")
	return nil
}

// fakeInstaller takes down what it was asked.
type fakeInstaller struct {
	asked   []string
	err     error
	pending int // how often Uninstall is not done yet
}

func (f *fakeInstaller) Install(_ context.Context, _ client.Client, namespace string) (bool, error) {
	f.asked = append(f.asked, "install in "+namespace)
	return true, f.err
}

func (f *fakeInstaller) Uninstall(_ context.Context, _ client.Client, namespace string) (bool, error) {
	f.asked = append(f.asked, "uninstall from "+namespace)
	f.pending--
	return f.pending < 0, f.err
}

func machine(name string, change func(*v1alpha1.ScheduledMachine)) *v1alpha1.ScheduledMachine {
	sm := &v1alpha1.ScheduledMachine{ObjectMeta: metav1.ObjectMeta{Namespace: trading.Namespace, Name: name}}
	sm.Spec.ClusterName, sm.Spec.KillIfCommands = trading.Name, []string{"idea"}
	if change != nil {
		change(sm)
	}
	return sm
}

func kubeSystemNamespace(uid types.UID) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kube-system", UID: uid}}
}

type bench struct {
	*Reconciler
	*WithT
	workloads *fakeClusters
	installer *fakeInstaller
	clock     *clocktesting.FakeClock
	api       client.Client
}

func newBench(t *testing.T, workloadUID types.UID, objs ...client.Object) *bench {
	t.Helper()
	scheme := runtime.NewScheme()
	b := &bench{WithT: NewWithT(t), installer: &fakeInstaller{}, clock: clocktesting.NewFakeClock(time.Now())}
	b.Expect(errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme))).To(Succeed())
	b.api = fake.NewClientBuilder().WithScheme(scheme).WithObjects(append(objs, kubeSystemNamespace("here"))...).
		WithIndex(&v1alpha1.ScheduledMachine{}, scheduledmachine.ClusterIndex, func(obj client.Object) []string {
			return []string{obj.(*v1alpha1.ScheduledMachine).Spec.ClusterName}
		}).Build()
	b.workloads = &fakeClusters{client: fake.NewClientBuilder().WithObjects(kubeSystemNamespace(workloadUID)).Build()}
	b.Reconciler = New(Options{Clock: b.clock, Client: b.api, Live: b.api, Installer: b.installer, ManagerNamespace: "5spot-system"})
	b.clusters = b.workloads
	return b
}

func (b *bench) pass(t *testing.T) ctrl.Result {
	t.Helper()
	result, err := b.Reconcile(t.Context(), ctrl.Request{NamespacedName: trading})
	b.Expect(err).NotTo(HaveOccurred())
	return result
}

func TestTheAgentIsInstalledWhereAMachineWantsIt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		machines []client.Object
		uid      types.UID
		want     string
	}{
		"one does":                       {[]client.Object{machine("a", nil)}, "there", "install in 5spot-system"},
		"one of several does":            {[]client.Object{machine("a", wantsNothing), machine("b", nil)}, "there", "install in 5spot-system"},
		"none does":                      {[]client.Object{machine("a", wantsNothing)}, "there", "uninstall from 5spot-system"},
		"the only one is being deleted":  {[]client.Object{machine("a", deleting)}, "there", "uninstall from 5spot-system"},
		"one of another cluster does":    {[]client.Object{machine("a", func(sm *v1alpha1.ScheduledMachine) { sm.Spec.ClusterName = "other" })}, "there", "uninstall from 5spot-system"},
		"one of another namespace does":  {[]client.Object{machine("a", func(sm *v1alpha1.ScheduledMachine) { sm.Namespace = "other" })}, "there", "uninstall from 5spot-system"},
		"the cluster is the manager's":   {[]client.Object{machine("a", nil)}, "here", "install in 5spot-agent"},
		"and none wants it there at all": {nil, "here", "uninstall from 5spot-agent"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, test.uid, test.machines...)
			b.pass(t)
			b.Expect(b.installer.asked).To(Equal([]string{test.want}))
		})
	}
}

func wantsNothing(sm *v1alpha1.ScheduledMachine) { sm.Spec.KillIfCommands = nil }

func deleting(sm *v1alpha1.ScheduledMachine) {
	sm.Finalizers, sm.DeletionTimestamp = []string{v1alpha1.Finalizer}, &metav1.Time{Time: time.Unix(1, 0)}
}

func TestAnInstalledAgentIsComparedAgainInAWhile(t *testing.T) {
	t.Parallel()
	b := newBench(t, "there", machine("a", nil))
	b.Expect(b.pass(t).RequeueAfter).To(And(BeNumerically(">", 4*time.Minute), BeNumerically("<=", 5*time.Minute)))
	b.Expect(b.workloads.asked).To(Equal([]string{"watch"}))
	b.Expect(b.Problem(trading)).To(Succeed())
}

func TestWhatKeepsTheAgentFromBeingInstalled(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err     error
		problem bool
		again   time.Duration // 0 for the back-off of an error
	}{
		"an old cluster":             {provision.ErrPolicyUnsupported, true, 5 * time.Minute},
		"somebody else's object":     {provision.ErrForeign, true, 5 * time.Minute},
		"a restricted namespace":     {provision.ErrRestrictedNamespace, true, 5 * time.Minute},
		"an object that is going":    {provision.ErrBeingDeleted, true, 5 * time.Second},
		"an error of the API server": {errors.New("down"), true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "there", machine("a", nil))
			b.installer.err = test.err
			result, err := b.Reconcile(t.Context(), ctrl.Request{NamespacedName: trading})
			b.Expect(result.RequeueAfter).To(Equal(test.again))
			b.Expect(err != nil).To(Equal(test.again == 0))
			b.Expect(b.Problem(trading)).To(MatchError(test.err))

			b.installer.err = nil
			b.pass(t)
			b.Expect(b.Problem(trading)).To(Succeed(), "it is forgotten when it is gone")
		})
	}
}

func TestANewerAgentIsLeftToItsManager(t *testing.T) {
	t.Parallel()
	b := newBench(t, "there", machine("a", nil))
	b.installer.err = provision.ErrNewerInstalled
	b.pass(t)
	b.Expect(b.Problem(trading)).To(Succeed())
}

// No watch tells of it, and somebody's finalizer may hold it for ever.
func TestWhatIsBeingDeletedIsLookedForLessAndLess(t *testing.T) {
	t.Parallel()
	for sentence, change := range map[string]func(*v1alpha1.ScheduledMachine){
		"when the agent is taken out":                    wantsNothing,
		"when it is installed where it was just deleted": nil,
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "there", machine("a", change))
			waits := func() (seconds []float64) {
				for range 9 {
					b.installer.pending, b.installer.err = 1, nil
					if change == nil {
						b.installer.err = provision.ErrBeingDeleted
					}
					after := b.pass(t).RequeueAfter
					b.clock.Step(after)
					seconds = append(seconds, after.Seconds())
				}
				return seconds
			}
			growing := []float64{5, 5, 10, 20, 40, 80, 160, 300, 300}
			b.Expect(waits()).To(Equal(growing))
			b.installer.pending, b.installer.err = 0, nil
			b.pass(t)
			delete(b.clean, trading)
			b.Expect(waits()).To(Equal(growing), "the next time begins anew")
		})
	}
}

// It may be another cluster of that name when it is reached again.
func TestAClusterThatIsOutOfReachIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	b := newBench(t, "there", machine("a", wantsNothing))
	b.installer.pending = 3
	b.pass(t)
	b.clock.Step(time.Hour)
	reached := b.workloads.client
	b.workloads.client = nil
	b.Expect(b.pass(t)).To(BeZero())
	b.Expect(b.going).To(BeEmpty())
	b.workloads.client = reached
	b.Expect(b.pass(t).RequeueAfter).To(Equal(goneCheck))
}

func TestWhatIsTakenOutIsNotLookedForAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t, "there", machine("a", wantsNothing))
	b.installer.pending = 1
	b.Expect(b.pass(t).RequeueAfter).To(Equal(goneCheck))
	b.Expect(b.pass(t)).To(BeZero())
	b.pass(t)
	b.Expect(b.installer.asked).To(HaveLen(2))

	again := machine("a", nil)
	b.Expect(b.api.Get(t.Context(), client.ObjectKeyFromObject(again), again)).To(Succeed())
	again.Spec.KillIfCommands = []string{"idea"}
	b.Expect(b.api.Update(t.Context(), again)).To(Succeed())
	b.pass(t)
	b.Expect(b.installer.asked[2]).To(Equal("install in 5spot-system"))
	again.Spec.KillIfCommands = nil
	b.Expect(b.api.Update(t.Context(), again)).To(Succeed())
	b.pass(t)
	b.Expect(b.installer.asked[3]).To(Equal("uninstall from 5spot-system"))
}

func TestAClusterIsNeededUntilItsAgentIsOut(t *testing.T) {
	t.Parallel()
	last := machine("desk", nil)
	b := newBench(t, "there", last)
	cluster := &clusterv1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: trading.Namespace, Name: trading.Name}}
	b.Expect(b.WantsCluster(cluster)).To(BeTrue())
	b.pass(t)
	b.Expect(b.api.Delete(t.Context(), last)).To(Succeed())
	b.Expect(b.WantsCluster(cluster)).To(BeTrue(), "the agent is still there")
	b.installer.pending = 1
	b.pass(t)
	b.Expect(b.WantsCluster(cluster)).To(BeTrue(), "its Pods are still there")
	b.pass(t)
	b.Expect(b.WantsCluster(cluster)).To(BeFalse())
}

func TestAClusterThatCannotBeReachedIsConnectedToOnlyForAnAgent(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		machine *v1alpha1.ScheduledMachine
		want    []string
	}{
		"a machine wants it": {machine("a", nil), []string{"connect"}},
		"none does":          {machine("a", wantsNothing), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "there", test.machine)
			b.workloads.client = nil
			b.Expect(b.pass(t)).To(BeZero())
			b.Expect(b.workloads.asked).To(Equal(test.want))
			b.Expect(b.installer.asked).To(BeEmpty())
		})
	}
}

func TestOnlyTheAgentsDaemonSetIsHeeded(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	agent, other := &appsv1.DaemonSet{}, &appsv1.DaemonSet{}
	agent.Name, other.Name = "five-spot-reclaim-agent", "node-exporter"
	g.Expect(always(trading)(t.Context(), agent)).To(ConsistOf(reconcile.Request{NamespacedName: trading}))
	g.Expect(always(trading)(t.Context(), other)).To(BeEmpty())
}
