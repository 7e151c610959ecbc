package integration_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	gomegatypes "github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

// podGrace is the grace period of pods that are to leave. They take all of it.
const podGrace = time.Second

// deployed creates a Deployment whose pods may only run on the given Nodes, and waits
// until all are Ready.
func deployed(ctx context.Context, pods *testenv.Pods) *testenv.Pods {
	GinkgoHelper()
	pods.Grace = max(pods.Grace, podGrace)
	_, err := world.CreateDeployment(ctx, pods)
	Expect(err).NotTo(HaveOccurred())
	waitReady(ctx, pods, int(pods.Replicas))
	return pods
}

// waitReady waits until exactly this many of the pods are Ready.
func waitReady(ctx context.Context, pods *testenv.Pods, count int) {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	_, err := world.WaitForReadyPods(ctx, pods, count)
	Expect(err).NotTo(HaveOccurred())
}

// guard creates a PodDisruptionBudget for the pods.
func guard(ctx context.Context, pods *testenv.Pods, budget policyv1.PodDisruptionBudgetSpec) *policyv1.PodDisruptionBudget {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	created, err := world.CreateBudget(ctx, pods, budget)
	Expect(err).NotTo(HaveOccurred())
	return created
}

// blocked puts a pod on the object's Node that may not be evicted, in a namespace of
// its own.
func blocked(ctx context.Context, sm *v1alpha1.ScheduledMachine) (*testenv.Pods, *policyv1.PodDisruptionBudget) {
	GinkgoHelper()
	pods := deployed(ctx, &testenv.Pods{
		Namespace: workloadNamespace(ctx), Name: "held", Replicas: 1, Nodes: []string{nodeName(sm)},
	})
	return pods, guard(ctx, pods, testenv.NoneEver)
}

// workloadNamespace creates a namespace in the workload cluster, to be removed with
// its pods after the spec.
func workloadNamespace(ctx context.Context) string {
	GinkgoHelper()
	name, err := world.WorkloadNamespace(ctx, "drain")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func(ctx context.Context) {
		Expect(world.DeleteWorkloadNamespace(ctx, name)).To(Succeed())
	}, NodeTimeout(soon))
	return name
}

// spareNode adds a Node that belongs to no Machine, until the end of the spec.
func spareNode(ctx context.Context, name string) string {
	GinkgoHelper()
	node, err := world.Provider.AddSpareNode(ctx, name)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func(ctx context.Context) {
		Expect(world.Provider.RemoveSpareNode(ctx, node)).To(Succeed())
	}, NodeTimeout(soon))
	return name
}

// podsOf lists the pods that are there.
func podsOf(ctx context.Context, pods *testenv.Pods) []corev1.Pod {
	GinkgoHelper()
	list := &corev1.PodList{}
	Expect(world.WorkloadClient.List(ctx, list, client.InNamespace(pods.Namespace), pods.Selector())).To(Succeed())
	return list.Items
}

// expectStaying looks that the pods of one Node are all there, and none was asked to
// leave.
func expectStaying(ctx context.Context, pods *testenv.Pods) {
	GinkgoHelper()
	count := max(1, int(pods.Replicas)) // A DaemonSet has none.
	Expect(podsOf(ctx, pods)).To(And(HaveLen(count), HaveEach(HaveField("DeletionTimestamp", BeNil()))), pods.Name)
}

// blockedBy reads what holds up the drain, for Eventually.
func blockedBy(ctx context.Context, sm *v1alpha1.ScheduledMachine) func() ([]string, error) {
	return func() ([]string, error) {
		now, err := read(ctx, sm)
		if err != nil || now.Status.Drain == nil {
			return nil, err
		}
		return now.Status.Drain.BlockedBy, nil
	}
}

// expectBlocked waits until the drain is held up by the only pod and its budget, and
// returns the status then.
func expectBlocked(ctx context.Context, sm *v1alpha1.ScheduledMachine, pods *testenv.Pods) v1alpha1.ScheduledMachineStatus {
	GinkgoHelper()
	Eventually(blockedBy(ctx, sm)).Should(ConsistOf(namesPodAndBudget(pods)))
	now := statusOf(ctx, sm)
	Expect(now.Shutdown).NotTo(BeNil())
	Expect(now.Shutdown.DrainStartedAt).NotTo(BeNil())
	return now
}

// namesPodAndBudget matches a text that names a pod and the budget that holds it.
func namesPodAndBudget(pods *testenv.Pods) gomegatypes.GomegaMatcher {
	return And(ContainSubstring("Pod %s/%s-", pods.Namespace, pods.Name), ContainSubstring("disruption budget "+pods.Name))
}

// messageOf reads the message of a condition.
func messageOf(ctx context.Context, sm *v1alpha1.ScheduledMachine, conditionType string) string {
	GinkgoHelper()
	found := meta.FindStatusCondition(statusOf(ctx, sm).Conditions, conditionType)
	Expect(found).NotTo(BeNil())
	return found.Message
}

// sighting is a state of an object and what the operator's clock showed when it was
// told of.
type sighting[T client.Object] struct {
	object  T
	deleted bool
	at      time.Time
}

// sightings are the states of the objects of a watch, in order.
type sightings[T client.Object] struct {
	mu  sync.Mutex
	all []sighting[T]
}

// watch sees every state of the selected objects from now on.
func watch[T client.Object](ctx context.Context, c client.WithWatch, o *operator, list client.ObjectList, opts ...client.ListOption) *sightings[T] {
	GinkgoHelper()
	watcher, err := c.Watch(ctx, list, opts...)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(watcher.Stop)
	seen := &sightings[T]{}
	go func() {
		for event := range watcher.ResultChan() {
			if object, ok := event.Object.(T); ok {
				seen.mu.Lock()
				seen.all = append(seen.all, sighting[T]{object, event.Type == "DELETED", o.clock.Now()})
				seen.mu.Unlock()
			}
		}
	}()
	return seen
}

// watchMachine sees the Machine of the object.
func watchMachine(ctx context.Context, o *operator, sm *v1alpha1.ScheduledMachine) *sightings[*clusterv1.Machine] {
	GinkgoHelper()
	return watch[*clusterv1.Machine](ctx, world.Client, o, &clusterv1.MachineList{},
		client.InNamespace(sm.Namespace), client.MatchingFields{"metadata.name": sm.Name})
}

// watchPods sees the pods of a namespace of the workload cluster.
func watchPods(ctx context.Context, o *operator, namespace string, opts ...client.ListOption) *sightings[*corev1.Pod] {
	GinkgoHelper()
	return watch[*corev1.Pod](ctx, world.WorkloadClient, o, &corev1.PodList{}, append(opts, client.InNamespace(namespace))...)
}

// list is what was seen so far.
func (s *sightings[T]) list() []sighting[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]sighting[T](nil), s.all...)
}

// deletion waits for the first state in which the object was being deleted.
func (s *sightings[T]) deletion() sighting[T] {
	GinkgoHelper()
	var found sighting[T]
	Eventually(func() error {
		for _, seen := range s.list() {
			if seen.object.GetDeletionTimestamp() != nil || seen.deleted {
				found = seen
				return nil
			}
		}
		return fmt.Errorf("none of %d states is being deleted", len(s.list()))
	}).Should(Succeed())
	return found
}

// isOlder is whether an object is an earlier state of the cluster than another.
func isOlder(a, b client.Object) bool {
	GinkgoHelper()
	order, err := resourceversion.CompareResourceVersion(a.GetResourceVersion(), b.GetResourceVersion())
	Expect(err).NotTo(HaveOccurred())
	return order < 0
}

// haveSkipped matches the annotations of a Machine that leaves without a drain by
// Cluster API, and either waits for its volumes or not.
func haveSkipped(volumes bool) gomegatypes.GomegaMatcher {
	if volumes {
		return And(HaveKey(clusterv1.ExcludeNodeDrainingAnnotation), HaveKey(clusterv1.ExcludeWaitForNodeVolumeDetachAnnotation))
	}
	return And(HaveKey(clusterv1.ExcludeNodeDrainingAnnotation), Not(HaveKey(clusterv1.ExcludeWaitForNodeVolumeDetachAnnotation)))
}

func nodeNamed(name string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// theMachine is the Machine of the object, which must be there.
func theMachine(ctx context.Context, sm *v1alpha1.ScheduledMachine) *clusterv1.Machine {
	GinkgoHelper()
	machine, err := machineOf(ctx, sm)
	Expect(err).NotTo(HaveOccurred())
	Expect(machine).NotTo(BeNil())
	return machine
}
