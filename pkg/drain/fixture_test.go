package drain_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/finos/five-spot/pkg/drain"
)

const (
	markKey   = "5spot.finos.org/cordoned-by"
	owner     = types.UID("2f6c1b1e-0000-4000-8000-000000000001")
	nodeName  = "desk-7"
	kubelet   = "test.example.com/kubelet"
	manager   = "5spot-controller"
	namespace = "shop"
)

var errKilled = errors.New("the process was killed")

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

// bench is a Node with Pods, on clients in which every request can be refused.
type bench struct {
	*WithT

	workload   client.WithWatch
	management client.WithWatch
	drainer    *drain.Drainer
	cluster    *clusterv1.Cluster
	machine    *clusterv1.Machine
	previous   drain.Progress

	// evict answers in the place of the API server; nil accepts every eviction.
	evict func(ctx context.Context, pod *corev1.Pod) error
	// remove does so for the deletion of Pods.
	remove func(ctx context.Context, pod *corev1.Pod) error
	// list does so for lists, before the real one.
	list func(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error

	// mu guards what follows: a request may outlive its step.
	mu sync.Mutex

	// evicted and deleted are the Pods that were asked for, in order, with the
	// options of the last request by name.
	evicted, deleted []string
	options          map[string]metav1.DeleteOptions

	// patches are the patches of Nodes. After writesLeft writes, every request fails;
	// a negative number means never.
	patches    int
	writesLeft int
}

func newBench(t *testing.T, objects ...client.Object) *bench {
	t.Helper()
	scheme := runtime.NewScheme()
	b := &bench{WithT: NewWithT(t), options: map[string]metav1.DeleteOptions{}, writesLeft: -1}
	b.Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	b.Expect(clusterv1.AddToScheme(scheme)).To(Succeed())

	objects = append(objects, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
	b.workload = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithIndex(&corev1.Pod{}, "spec.nodeName", func(obj client.Object) []string { return []string{obj.(*corev1.Pod).Spec.NodeName} }).
		WithInterceptorFuncs(b.interceptors()).Build()
	b.management = fake.NewClientBuilder().WithScheme(scheme).Build()
	b.cluster = &clusterv1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: "bank", Name: "trading"}}
	b.machine = &clusterv1.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: "bank", Name: "desk-7"}}
	b.restart()
	return b
}

func (b *bench) interceptors() interceptor.Funcs {
	return interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			if err := b.write(); err != nil {
				return err
			}
			b.patches++
			return c.Patch(ctx, obj, patch, opts...)
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if b.list != nil {
				if err := b.list(ctx, list, opts...); err != nil {
					return err
				}
			}
			return c.List(ctx, list, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
			all := client.DeleteOptions{}
			all.ApplyOptions(opts)
			b.mu.Lock()
			b.options[obj.GetName()] = *all.AsDeleteOptions()
			b.deleted = append(b.deleted, obj.GetName())
			b.mu.Unlock()
			return b.answer(ctx, c, obj.(*corev1.Pod), b.remove)
		},
		SubResourceCreate: func(ctx context.Context, c client.Client, name string, obj, body client.Object, _ ...client.SubResourceCreateOption) error {
			b.Expect(name).To(Equal("eviction"))
			b.mu.Lock()
			b.options[obj.GetName()] = *body.(*policyv1.Eviction).DeleteOptions
			b.evicted = append(b.evicted, obj.GetName())
			b.mu.Unlock()
			return b.answer(ctx, c, obj.(*corev1.Pod), b.evict)
		},
	}
}

// answer is what the API server says to the removal of a Pod.
func (b *bench) answer(ctx context.Context, c client.Client, pod *corev1.Pod, answer func(context.Context, *corev1.Pod) error) error {
	if err := b.write(); err != nil {
		return err
	}
	if answer != nil {
		if err := answer(ctx, pod); err != nil {
			return err
		}
	}
	// Through the client below, so that it is not counted again.
	return c.(client.WithWatch).DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(pod.Namespace), client.MatchingLabels{"name": pod.Name})
}

func (b *bench) write() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.writesLeft == 0 {
		return errKilled
	}
	b.writesLeft--
	return nil
}

// restart forgets everything that a process holds in memory.
func (b *bench) restart() {
	b.drainer = drain.New(clock.RealClock{}, drain.Options{Management: b.management, MarkKey: markKey, FieldManager: manager})
	b.writesLeft = -1
}

func (b *bench) node(ctx context.Context) *corev1.Node {
	node := &corev1.Node{}
	b.Expect(b.workload.Get(ctx, client.ObjectKey{Name: nodeName}, node)).To(Succeed())
	return node
}

func (b *bench) request(ctx context.Context) drain.Request {
	return drain.Request{
		Workload: b.workload, Cluster: b.cluster, Machine: b.machine,
		Node: b.node(ctx), Owner: owner, Previous: b.previous,
	}
}

// step takes a step that must succeed, on the Node as it is.
func (b *bench) step(ctx context.Context) drain.Progress {
	progress, err := b.drainer.Step(ctx, b.request(ctx))
	b.Expect(err).NotTo(HaveOccurred())
	b.previous = progress
	return progress
}

// end plays the kubelet: what is terminating goes.
func (b *bench) end(ctx context.Context) {
	pods := &corev1.PodList{}
	b.Expect(b.workload.List(ctx, pods)).To(Succeed())
	for i := range pods.Items {
		if pod := &pods.Items[i]; !pod.DeletionTimestamp.IsZero() {
			pod.Finalizers = nil
			b.Expect(b.workload.Update(ctx, pod)).To(Succeed())
		}
	}
}

func aNode(changes ...func(*corev1.Node)) *corev1.Node {
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: nodeName},
		Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}},
	}
	for _, change := range changes {
		change(node)
	}
	return node
}

func unreachable(node *corev1.Node) { node.Status.Conditions[0].Status = corev1.ConditionUnknown }

func aPod(name string, changes ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, UID: types.UID("uid-of-" + name),
			Labels: map[string]string{"name": name}, Finalizers: []string{kubelet},
		},
		Spec: corev1.PodSpec{NodeName: nodeName},
	}
	for _, change := range changes {
		change(pod)
	}
	return pod
}

// pods are n Pods, pod-00 and so on.
func pods(n int) []client.Object {
	objects := make([]client.Object, 0, n+1)
	for i := range n {
		objects = append(objects, aPod(fmt.Sprintf("pod-%02d", i)))
	}
	return objects
}

func ofDaemonSet(pod *corev1.Pod) {
	pod.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "DaemonSet", Name: "logs", UID: "uid-of-logs", Controller: new(true),
	}}
}

func static(pod *corev1.Pod) {
	pod.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "hash"}
}

func aDaemonSet() *appsv1.DaemonSet {
	return &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "logs"}}
}

func labelled(value string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { pod.Labels[clusterv1.PodDrainLabel] = value }
}

// budgetExhausted is how the API server refuses for a PodDisruptionBudget.
func budgetExhausted(text string) error {
	err := apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 0)
	err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{Type: policyv1.DisruptionBudgetCause, Message: text})
	return err
}

// only gives the error to the named Pods.
func only(err error, names ...string) func(context.Context, *corev1.Pod) error {
	return func(_ context.Context, pod *corev1.Pod) error {
		if slices.Contains(names, pod.Name) {
			return err
		}
		return nil
	}
}

// pass moves the clock of a synctest bubble. It takes no time.
func pass(d time.Duration) { <-time.After(d) }
