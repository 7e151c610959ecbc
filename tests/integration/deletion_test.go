package integration_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/controllers"
	"github.com/finos/five-spot/tests/testenv"
)

// Instants of the window of businessHours on Monday.
var (
	windowOpens  = monday.Add(time.Hour)
	insideWindow = monday.Add(90 * time.Minute)
	windowCloses = monday.Add(10 * time.Hour)
)

// moment is how long is looked on to see that something does not happen.
const moment = time.Second

var _ = Describe("Deletion", func() {
	It("lets an object without a machine go at once", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, monday)
		sm := apply(ctx, namespace, businessHours)
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseInactive))
		deleteObject(ctx, sm)
		Eventually(objectExists(ctx, sm)).Should(BeFalse())
		Expect(sentDeletions(operator, namespace)).To(BeEmpty())
	})

	It("takes a machine out that is still being provisioned", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		behave(namespace, testenv.Behaviour{HoldProvisioning: true})
		sm := apply(ctx, namespace, businessHours)
		Eventually(machineExists(ctx, sm)).Should(BeTrue())
		Expect(phase(ctx, sm)()).To(Equal(v1alpha1.PhasePending))
		deleteObject(ctx, sm)
		Eventually(objectExists(ctx, sm)).Should(BeFalse())
		expectNothingLeft(ctx, sm)
		Expect(sentDeletions(operator, namespace)).To(Equal([]string{"machines/desk-7"}))
	})

	It("takes along what was created for a Machine that was refused", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		startOperator(ctx, insideWindow)
		refuseMachines(ctx, namespace, admissionv1.Create)
		sm := apply(ctx, namespace, businessHours)
		Eventually(provides(ctx, sm)).Should(BeTrue())
		Expect(machineOf(ctx, sm)).To(BeNil())
		deleteObject(ctx, sm)
		Eventually(objectExists(ctx, sm)).Should(BeFalse())
		expectNothingLeft(ctx, sm)
	})

	It("holds the object until the Machine is gone", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		behave(namespace, testenv.Behaviour{HoldRemoval: true})
		deleteObject(ctx, sm)
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseShuttingDown))
		Eventually(machineIsDeleting(ctx, sm)).Should(BeTrue())
		Consistently(objectExists(ctx, sm), moment).Should(BeTrue())
		behave(namespace, testenv.Behaviour{})
		Eventually(objectExists(ctx, sm)).Should(BeFalse())
		expectNothingLeft(ctx, sm)
		Expect(sentDeletions(operator, namespace)).To(Equal([]string{"machines/desk-7"}))
	})

	It("goes on with a shutdown that is under way, on the same clock", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		behave(namespace, testenv.Behaviour{HoldRemoval: true})
		operator.jumpTo(windowCloses)
		started := shutdownStarted(ctx, sm)
		operator.clock.Step(90 * time.Second)
		deleteObject(ctx, sm)
		Eventually(shutdownReason(ctx, sm)).Should(Equal(v1alpha1.ShutdownDeleted))
		Expect(shutdownStarted(ctx, sm)).To(Equal(started))
		behave(namespace, testenv.Behaviour{})
		Eventually(objectExists(ctx, sm)).Should(BeFalse())
		expectNothingLeft(ctx, sm)
	})

	It("takes the machine of an invalid object out", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		change(ctx, sm, reservedLabel)
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseError))
		deleteObject(ctx, sm)
		Eventually(objectExists(ctx, sm)).Should(BeFalse())
		expectNothingLeft(ctx, sm)
	})

	It("lets an object go whose name a foreign Machine has taken, and leaves that alone", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		foreign := foreignMachine(ctx, namespace)
		sm := apply(ctx, namespace, businessHours)
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseError))
		deleteObject(ctx, sm)
		Eventually(objectExists(ctx, sm)).Should(BeFalse())
		expectUntouched(ctx, foreign)
		Expect(sentDeletions(operator, namespace)).To(BeEmpty())
	})

	It("gives up on a provider that never lets go, once Cluster API has accepted the deletion", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		behave(namespace, testenv.Behaviour{HoldRemoval: true})
		deleteObject(ctx, sm)
		Eventually(machineIsDeleting(ctx, sm)).Should(BeTrue())
		operator.clock.Step(9 * time.Minute)
		Consistently(objectExists(ctx, sm), moment).Should(BeTrue())
		operator.clock.Step(time.Minute)
		Eventually(objectExists(ctx, sm)).Should(BeFalse())
		Expect(machineIsDeleting(ctx, sm)()).To(BeTrue())
		Eventually(eventNotes(ctx, sm, "FinalizerCleanupTimedOut")).Should(ConsistOf(ContainSubstring("the Machine")))
		Expect(counted(operator, "fivespot_finalizer_cleanup_timeouts_total")).To(BeEquivalentTo(1))
	})

	It("keeps the object for ever where the finalizer must not be forced", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow, func(opts *controllers.Options) { opts.ForceFinalizerOnTimeout = false })
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		behave(namespace, testenv.Behaviour{HoldRemoval: true})
		deleteObject(ctx, sm)
		Eventually(machineIsDeleting(ctx, sm)).Should(BeTrue())
		operator.clock.Step(11 * time.Minute)
		Eventually(eventReasons(ctx, sm)).Should(ContainElement("FinalizerCleanupTimedOut"))
		Consistently(objectExists(ctx, sm), moment).Should(BeTrue())
		behave(namespace, testenv.Behaviour{})
		Eventually(objectExists(ctx, sm)).Should(BeFalse())
		expectNothingLeft(ctx, sm)
	})

	It("never forces the finalizer before the deletion of the Machine was accepted", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		allow := refuseMachines(ctx, namespace, admissionv1.Delete)
		deleteObject(ctx, sm)
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseShuttingDown))
		operator.clock.Step(11 * time.Minute)
		Eventually(eventReasons(ctx, sm)).Should(ContainElement("FinalizerCleanupTimedOut"))
		Consistently(objectExists(ctx, sm), moment).Should(BeTrue())
		Expect(machineIsDeleting(ctx, sm)()).To(BeFalse())
		allow()
		operator.clock.Step(3 * time.Minute)
		Eventually(objectExists(ctx, sm)).Should(BeFalse())
		Eventually(machineExists(ctx, sm)).Should(BeFalse())
	})

	It("deletes only the Machine, and not before its Node was drained", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		operator := startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours)
		joined(ctx, sm)
		pod := stubbornPod(ctx, nodeName(sm))
		operator.jumpTo(windowCloses)
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseShuttingDown))
		Eventually(isCordoned(ctx, nodeName(sm))).Should(BeTrue())
		expectDraining(ctx, sm, pod)
		operator.clock.Step(5 * time.Minute)
		Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseInactive))
		expectNothingLeft(ctx, sm)
		Expect(sentDeletions(operator, namespace)).To(Equal([]string{"machines/desk-7"}))
		Eventually(eventReasons(ctx, sm)).Should(ContainElement("ShutdownTimedOut"))
	})
})

// expectDraining looks on for a moment: the Pod holds the drain up, and meanwhile
// nothing of the machine may go but the Machine.
func expectDraining(ctx context.Context, sm *v1alpha1.ScheduledMachine, pod *corev1.Pod) {
	GinkgoHelper()
	Consistently(func(g Gomega) {
		now := &corev1.Pod{}
		g.Expect(world.WorkloadClient.Get(ctx, client.ObjectKeyFromObject(pod), now)).To(Succeed())
		g.Expect(now.DeletionTimestamp).To(BeNil())
		expectProvidedStay(ctx, g, sm)
	}, moment).Should(Succeed())
}

// deleteObject deletes the object, as a user would.
func deleteObject(ctx context.Context, sm *v1alpha1.ScheduledMachine) {
	GinkgoHelper()
	Expect(world.Client.Delete(ctx, sm.DeepCopy())).To(Succeed())
}

// objectExists is for Eventually and Consistently.
func objectExists(ctx context.Context, sm *v1alpha1.ScheduledMachine) func() (bool, error) {
	return func() (bool, error) {
		_, err := read(ctx, sm)
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil, err
	}
}

// machineIsDeleting is for Eventually and Consistently.
func machineIsDeleting(ctx context.Context, sm *v1alpha1.ScheduledMachine) func() (bool, error) {
	return func() (bool, error) {
		machine, err := machineOf(ctx, sm)
		return machine != nil && machine.DeletionTimestamp != nil, err
	}
}

// provides is whether both provider objects are there, for Eventually.
func provides(ctx context.Context, sm *v1alpha1.ScheduledMachine) func() (bool, error) {
	return func() (bool, error) {
		bootstrap, err := provided(ctx, sm, testenv.K0sWorkerConfigKind)
		if err != nil || bootstrap == nil {
			return false, err
		}
		infrastructure, err := provided(ctx, sm, testenv.RemoteMachineKind)
		return infrastructure != nil, err
	}
}

// expectNothingLeft looks for what was created for the object.
func expectNothingLeft(ctx context.Context, sm *v1alpha1.ScheduledMachine) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		g.Expect(machineOf(ctx, sm)).To(BeNil())
		g.Expect(provided(ctx, sm, testenv.RemoteMachineKind)).To(BeNil())
		g.Expect(provided(ctx, sm, testenv.K0sWorkerConfigKind)).To(BeNil())
	}).Should(Succeed())
}

// shutdownStarted waits for the clock of a shutdown and returns it.
func shutdownStarted(ctx context.Context, sm *v1alpha1.ScheduledMachine) time.Time {
	GinkgoHelper()
	var started time.Time
	Eventually(func(g Gomega) {
		now, err := read(ctx, sm)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(now.Status.Shutdown).NotTo(BeNil())
		started = now.Status.Shutdown.StartedAt.Time
	}).Should(Succeed())
	return started
}

// shutdownReason reads the reason of a shutdown, for Eventually and Consistently.
func shutdownReason(ctx context.Context, sm *v1alpha1.ScheduledMachine) func() (v1alpha1.ShutdownReason, error) {
	return func() (v1alpha1.ShutdownReason, error) {
		now, err := read(ctx, sm)
		if err != nil || now.Status.Shutdown == nil {
			return "", err
		}
		return now.Status.Shutdown.Reason, nil
	}
}

// behave sets how the provider treats desk-7, until the end of the spec.
func behave(namespace string, behaviour testenv.Behaviour) {
	world.Provider.Behave(namespace, "desk-7", behaviour)
	DeferCleanup(world.Provider.Behave, namespace, "desk-7", testenv.Behaviour{})
}

// sentDeletions are what the manager asked to be deleted in the namespace, each
// object once, as resource/name.
func sentDeletions(o *operator, namespace string) []string {
	var sent []string
	for _, request := range o.requests.List(func(r testenv.Request) bool { return r.Method == http.MethodDelete }) {
		if _, object, found := strings.Cut(request.Path, "/namespaces/"+namespace+"/"); found {
			sent = append(sent, object)
		}
	}
	slices.Sort(sent)
	return slices.Compact(sent)
}

// isCordoned is for Eventually.
func isCordoned(ctx context.Context, node string) func() (bool, error) {
	return func() (bool, error) {
		now := &corev1.Node{}
		err := world.WorkloadClient.Get(ctx, client.ObjectKey{Name: node}, now)
		return now.Spec.Unschedulable, err
	}
}

// stubbornPod puts a Pod on the Node whose PodDisruptionBudget forbids its eviction:
// nobody ever says that a disruption is allowed.
func stubbornPod(ctx context.Context, node string) *corev1.Pod {
	GinkgoHelper()
	metadata := metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: node, Labels: map[string]string{"stubborn": node}}
	budget := &policyv1.PodDisruptionBudget{ObjectMeta: metadata, Spec: policyv1.PodDisruptionBudgetSpec{
		MinAvailable: new(intstr.FromInt32(1)),
		Selector:     &metav1.LabelSelector{MatchLabels: metadata.Labels},
	}}
	Expect(world.WorkloadClient.Create(ctx, budget)).To(Succeed())
	pod := &corev1.Pod{ObjectMeta: metadata, Spec: corev1.PodSpec{
		NodeName:                      node,
		AutomountServiceAccountToken:  new(false),
		TerminationGracePeriodSeconds: new(int64(0)),
		Containers:                    []corev1.Container{{Name: "app", Image: "registry.example.com/app"}},
	}}
	Expect(world.WorkloadClient.Create(ctx, pod)).To(Succeed())
	running := pod.DeepCopy()
	running.Status.Phase = corev1.PodRunning
	running.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	Expect(world.WorkloadClient.Status().Patch(ctx, running, client.MergeFrom(pod))).To(Succeed())
	workload := world.WorkloadClient
	DeferCleanup(func(ctx context.Context) {
		Expect(client.IgnoreNotFound(workload.Delete(ctx, budget))).To(Succeed())
		Expect(client.IgnoreNotFound(workload.Delete(ctx, pod, client.GracePeriodSeconds(0)))).To(Succeed())
	}, NodeTimeout(soon))
	return running
}

// eventNotes are the notes of the object's events of one reason, for Eventually.
func eventNotes(ctx context.Context, sm *v1alpha1.ScheduledMachine, reason string) func() ([]string, error) {
	return func() ([]string, error) {
		events, err := eventsOf(ctx, sm)
		var notes []string
		for i := range events {
			if events[i].Reason == reason {
				notes = append(notes, events[i].Note)
			}
		}
		return notes, err
	}
}
