package integration_test

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/secret"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

const (
	garbageCollector    = "garbage-collector-controller"
	namespaceController = "namespace-controller"
)

// The garbage collector and the namespace controller take a while to start.
var _ = Describe("With garbage collection", Ordered, ContinueOnFailure, func() {
	BeforeAll(func(ctx context.Context) {
		manage(ctx, newEmptyNamespace(ctx), garbageCollector, namespaceController)
	}, NodeTimeout(soon))

	DescribeTable("a deletion in the middle of a window cuts nothing short, whatever becomes of the dependents",
		func(ctx context.Context, cascade metav1.DeletionPropagation) {
			namespace := newNamespace(ctx)
			operator := startOperator(ctx, insideWindow)
			sm := apply(ctx, namespace, businessHours)
			machine := joined(ctx, sm)
			spare := spareNode(ctx, "spare-"+namespace)
			tenants := deployed(ctx, &testenv.Pods{
				Namespace: workloadNamespace(ctx), Name: "tenants", Replicas: 3, Nodes: []string{nodeName(sm), spare},
			})
			guard(ctx, tenants, testenv.OneAtATime)
			// The one that is evicted finds no place, so that the next has to wait.
			setUnschedulable(ctx, spare, true)
			operator.requests.Reset()

			Expect(world.Client.Delete(ctx, sm.DeepCopy(), client.PropagationPolicy(cascade))).To(Succeed())
			Eventually(blockedBy(ctx, sm)).ShouldNot(BeEmpty())
			started := shutdownStarted(ctx, sm)
			Consistently(func(g Gomega) {
				now, err := machineOf(ctx, sm)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(now.UID).To(Equal(machine.UID))
				g.Expect(now.DeletionTimestamp).To(BeNil())
				expectProvidedStay(ctx, g, sm)
			}, moment).Should(Succeed())
			waitReady(ctx, tenants, 2)

			behave(namespace, testenv.Behaviour{HoldRemoval: true})
			setUnschedulable(ctx, spare, false)
			Eventually(machineIsDeleting(ctx, sm)).Should(BeTrue())
			for _, pod := range podsOf(ctx, tenants) {
				Expect(pod.Spec.NodeName).To(Equal(spare), "the Machine goes when its Node is drained")
			}
			deleting, err := machineOf(ctx, sm)
			Expect(err).NotTo(HaveOccurred())
			Expect(deleting.Annotations).To(haveSkipped(false))
			Consistently(objectExists(ctx, sm), moment).Should(BeTrue())
			now := statusOf(ctx, sm)
			Expect(now.Shutdown.StartedAt.Time).To(Equal(started))
			Expect(now.Shutdown.Drained).To(BeTrue())

			behave(namespace, testenv.Behaviour{})
			Eventually(objectExists(ctx, sm)).Should(BeFalse())
			expectNothingLeft(ctx, sm)
			Expect(sentDeletions(operator, namespace)).To(Equal([]string{"machines/desk-7"}))
			Expect(eventReasons(ctx, sm)()).NotTo(ContainElement("ShutdownTimedOut"))
		},
		Entry("foreground, as GitOps tools delete", metav1.DeletePropagationForeground),
		Entry("background, as kubectl deletes", metav1.DeletePropagationBackground),
		Entry("orphan", metav1.DeletePropagationOrphan),
	)

	DescribeTable("a namespace that is deleted goes, and leaves nothing",
		func(ctx context.Context, prepare func(context.Context, *operator, *v1alpha1.ScheduledMachine)) {
			namespace := newNamespace(ctx)
			operator := startOperator(ctx, insideWindow)
			sm := apply(ctx, namespace, businessHours)
			other := apply(ctx, namespace, businessHours, func(sm *v1alpha1.ScheduledMachine) { sm.Name = "desk-8" })
			joined(ctx, sm)
			joined(ctx, other)
			blocked(ctx, sm)
			prepare(ctx, operator, sm)

			Expect(world.Client.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
			expectNamespaceGone(ctx, namespace)
			for _, gone := range []*v1alpha1.ScheduledMachine{sm, other} {
				Eventually(nodeExists(ctx, nodeName(gone))).Should(BeFalse())
			}
			Expect(counted(operator, "fivespot_finalizer_cleanup_timeouts_total")).To(BeZero())
		},
		Entry("with a machine in its window and another in mid-drain", func(ctx context.Context, _ *operator, sm *v1alpha1.ScheduledMachine) {
			deleteObject(ctx, sm)
			Eventually(blockedBy(ctx, sm)).ShouldNot(BeEmpty())
		}),
		Entry("with the Cluster and its kubeconfig a moment before", func(ctx context.Context, operator *operator, sm *v1alpha1.ScheduledMachine) {
			operator.jumpTo(windowCloses)
			Eventually(blockedBy(ctx, sm)).ShouldNot(BeEmpty())
			deleteKubeconfig(ctx, sm.Namespace)
			Expect(world.Client.Delete(ctx, clusterIn(sm.Namespace))).To(Succeed())
		}),
	)

	It("a namespace that is deleted lets the object go in the end where a provider never lets go of the machine", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		behave(namespace, testenv.Behaviour{HoldRemoval: true})
		Expect(world.Client.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
		Eventually(machineIsDeleting(ctx, sm)).Should(BeTrue())
		started := shutdownStarted(ctx, sm)
		operator.jumpTo(started.Add(10*time.Minute - 20*time.Second))
		Consistently(objectExists(ctx, sm), moment).Should(BeTrue())
		operator.jumpTo(started.Add(11 * time.Minute))
		Eventually(objectExists(ctx, sm)).Should(BeFalse())
		// What is left is what the provider holds.
		Expect(machineIsDeleting(ctx, sm)()).To(BeTrue())
		Eventually(counted).WithArguments(operator, "fivespot_finalizer_cleanup_timeouts_total").Should(BeEquivalentTo(1))
		behave(namespace, testenv.Behaviour{})
		expectNamespaceGone(ctx, namespace)
	})
})

var _ = Describe("A deletion in mid-drain", func() {
	It("ends at what the finalizer's timeout leaves, when the kubeconfig goes in mid-drain", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours, func(sm *v1alpha1.ScheduledMachine) {
			sm.Spec.GracefulShutdownTimeout, sm.Spec.NodeDrainTimeout = "1h", "1h"
		})
		joined(ctx, sm)
		pods, _ := blocked(ctx, sm)
		deleteObject(ctx, sm)
		expectBlocked(ctx, sm, pods)
		started := shutdownStarted(ctx, sm)

		// A connection that is there outlives its kubeconfig; a new one cannot be had.
		deleteKubeconfig(ctx, namespace)
		operator.stop()
		operator = resumeOperator(ctx, operator.clock)
		operator.clock.Step(time.Minute)
		expectCondition(ctx, sm, v1alpha1.DrainedCondition, "False/WorkloadClusterUnreachable")

		operator.jumpTo(started.Add(8*time.Minute - 20*time.Second))
		operator.settle()
		Expect(machineIsDeleting(ctx, sm)()).To(BeFalse())
		operator.jumpTo(started.Add(8 * time.Minute))
		Eventually(machineIsDeletingOrGone(ctx, sm)).Should(BeTrue())
		Eventually(objectExists(ctx, sm)).Should(BeFalse())
		expectNothingLeft(ctx, sm)
		Eventually(eventReasons(ctx, sm)).Should(ContainElement("ShutdownTimedOut"))
	})

	It("leaks no Machine that is being reclaimed, even if nobody lets it be deleted at first", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		allow := refuseMachines(ctx, namespace, admissionv1.Delete)
		requestReclaim(ctx, nodeName(sm))
		expectPhase(ctx, sm, v1alpha1.PhaseEmergencyRemove)
		deleteObject(ctx, sm)
		expectPhase(ctx, sm, v1alpha1.PhaseShuttingDown)
		operator.clock.Step(11 * time.Minute)
		Eventually(eventReasons(ctx, sm)).Should(ContainElement("FinalizerCleanupTimedOut"))
		Consistently(objectExists(ctx, sm), moment).Should(BeTrue())
		Expect(machineIsDeleting(ctx, sm)()).To(BeFalse())
		allow()
		operator.clock.Step(3 * time.Minute)
		Eventually(objectExists(ctx, sm)).Should(BeFalse())
		expectNothingLeft(ctx, sm)
	})
})

var _ = Describe("A Cluster that is deleted", func() {
	It("takes its machines along, waits for them, and nothing comes back", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		blocked(ctx, sm)
		behave(namespace, testenv.Behaviour{HoldRemoval: true})
		cluster := clusterIn(namespace)
		Expect(world.Client.Delete(ctx, cluster)).To(Succeed())

		// Cluster API deletes the Machines of a Cluster that goes, and drains none.
		Eventually(machineIsDeleting(ctx, sm)).Should(BeTrue())
		expectCondition(ctx, sm, v1alpha1.ReferencesValidCondition, "False/ClusterDeleting")
		expectPhase(ctx, sm, v1alpha1.PhaseShuttingDown)
		expectCondition(ctx, sm, v1alpha1.DrainedCondition, "False/Skipped")
		Expect(messageOf(ctx, sm, v1alpha1.DrainedCondition)).To(ContainSubstring("Cluster"))
		Consistently(func() error {
			return world.Client.Get(ctx, client.ObjectKeyFromObject(cluster), &clusterv1.Cluster{})
		}, moment).Should(Succeed())

		behave(namespace, testenv.Behaviour{})
		expectNothingLeft(ctx, sm)
		Eventually(func() bool {
			return apierrors.IsNotFound(world.Client.Get(ctx, client.ObjectKeyFromObject(cluster), &clusterv1.Cluster{}))
		}).Should(BeTrue())
		expectCondition(ctx, sm, v1alpha1.ReferencesValidCondition, "False/ClusterNotFound")
		operator.passTo(at(1, 10, 0))
		expectPhase(ctx, sm, v1alpha1.PhasePending)
		expectNoMachine(ctx, sm)
	})
})

// manage runs controllers of kube-controller-manager, which the management cluster of
// these specs lacks, until the end of the spec. It returns when the garbage collector,
// which has to be among them, works.
func manage(ctx context.Context, namespace string, controllers ...string) {
	GinkgoHelper()
	binaries, err := testenv.Binaries(ctx, GinkgoWriter, testenv.KubeControllerManager)
	Expect(err).NotTo(HaveOccurred())
	kubeconfig, err := world.Management.WriteKubeconfig(world.Config(), "controllers-of-specs")
	Expect(err).NotTo(HaveOccurred())
	manager, err := testenv.StartProcess(GinkgoWriter, filepath.Join(binaries, testenv.KubeControllerManager), []string{
		"--kubeconfig=" + kubeconfig, "--leader-elect=false", "--bind-address=127.0.0.1", "--secure-port=0",
		"--controllers=" + strings.Join(controllers, ","),
	}, nil)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(manager.Stop, soon)

	// A dependent of an owner that does not exist goes as soon as the collector works.
	orphan := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "orphan", OwnerReferences: []metav1.OwnerReference{{
		APIVersion: "v1", Kind: "ConfigMap", Name: "nobody", UID: "6b0a52ef-0000-4000-8000-000000000000",
	}}}}
	Expect(world.Client.Create(ctx, orphan)).To(Succeed())
	Eventually(func() bool {
		return apierrors.IsNotFound(world.Client.Get(ctx, client.ObjectKeyFromObject(orphan), &corev1.ConfigMap{}))
	}).Should(BeTrue())
}

// expectNamespaceGone waits until the namespace is gone, and tells what holds it
// otherwise.
func expectNamespaceGone(ctx context.Context, name string) {
	GinkgoHelper()
	Eventually(func() string {
		namespace := &corev1.Namespace{}
		err := world.Client.Get(ctx, client.ObjectKey{Name: name}, namespace)
		if apierrors.IsNotFound(err) {
			return "gone"
		}
		held := "there"
		for _, condition := range namespace.Status.Conditions {
			if condition.Status == corev1.ConditionTrue {
				held += "; " + condition.Message
			}
		}
		return held
	}).Should(Equal("gone"))
}

// expectProvidedStay looks that neither the infrastructure nor the bootstrap object
// was asked to go.
func expectProvidedStay(ctx context.Context, g Gomega, sm *v1alpha1.ScheduledMachine) {
	GinkgoHelper()
	infrastructure, err := provided(ctx, sm, testenv.RemoteMachineKind)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(infrastructure).NotTo(BeNil())
	g.Expect(infrastructure.GetDeletionTimestamp()).To(BeNil())
	bootstrap, err := provided(ctx, sm, testenv.K0sWorkerConfigKind)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(bootstrap).NotTo(BeNil())
	g.Expect(bootstrap.GetDeletionTimestamp()).To(BeNil())
}

// machineIsDeletingOrGone is for Eventually.
func machineIsDeletingOrGone(ctx context.Context, sm *v1alpha1.ScheduledMachine) func() (bool, error) {
	return func() (bool, error) {
		machine, err := machineOf(ctx, sm)
		return err == nil && (machine == nil || machine.DeletionTimestamp != nil), err
	}
}

// nodeExists is for Eventually.
func nodeExists(ctx context.Context, name string) func() (bool, error) {
	return func() (bool, error) {
		err := world.WorkloadClient.Get(ctx, client.ObjectKey{Name: name}, &corev1.Node{})
		return err == nil, client.IgnoreNotFound(err)
	}
}

// deleteKubeconfig takes the access to the workload cluster away.
func deleteKubeconfig(ctx context.Context, namespace string) {
	GinkgoHelper()
	metadata := metav1.ObjectMeta{Namespace: namespace, Name: secret.Name(clusterName, secret.Kubeconfig)}
	Expect(world.Client.Delete(ctx, &corev1.Secret{ObjectMeta: metadata})).To(Succeed())
}

// setUnschedulable cordons a Node, or lets Pods onto it again, as kubectl does.
func setUnschedulable(ctx context.Context, node string, unschedulable bool) {
	GinkgoHelper()
	changeNode(ctx, node, func(n *corev1.Node) { n.Spec.Unschedulable = unschedulable })
}
