package integration_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

// monday is 08:00 on a Monday: an hour before the window of businessHours opens. It
// lies far ahead of real time, at which the API server stamps objects, so that the
// order of the two is the same whenever the suite runs.
var monday = time.Date(2037, time.November, 23, 8, 0, 0, 0, time.UTC)

// businessHours is a manifest in the format of the original.
const businessHours = `
apiVersion: 5spot.finos.org/v1alpha1
kind: ScheduledMachine
metadata:
  name: desk-7
spec:
  clusterName: trading
  schedule:
    daysOfWeek: [mon-fri]
    hoursOfDay: ["9-17"]
    timezone: UTC
    enabled: true
  bootstrapSpec:
    apiVersion: bootstrap.cluster.x-k8s.io/v1beta1
    kind: K0sWorkerConfig
    spec:
      version: v1.30.0+k0s.0
  infrastructureSpec:
    apiVersion: infrastructure.cluster.x-k8s.io/v1beta1
    kind: RemoteMachine
    spec:
      address: 192.168.1.100
      port: 22
      user: admin
  machineTemplate:
    labels:
      node-role.kubernetes.io/worker: ""
    annotations:
      5spot.finos.org/scheduled-by: desk-7
  priority: 50
  gracefulShutdownTimeout: 5m
  nodeDrainTimeout: 5m
  killSwitch: false
`

// weekend is a manifest in the format of the original, with a cron schedule and
// provider objects of the older contract.
const weekend = `
apiVersion: 5spot.finos.org/v1alpha1
kind: ScheduledMachine
metadata:
  name: weekend
spec:
  clusterName: trading
  schedule:
    cron: "* * * * 0,6"
    timezone: UTC
    enabled: true
  bootstrapSpec:
    apiVersion: bootstrap.cluster.x-k8s.io/v1beta1
    kind: K0sWorkerConfig
    spec:
      version: v1.30.0+k0s.0
      downloadURL: https://get.k0s.sh
  infrastructureSpec:
    apiVersion: infrastructure.cluster.x-k8s.io/v1beta1
    kind: RemoteMachine
    spec:
      address: 192.168.1.101
      port: 22
      user: admin
      useSudo: true
  machineTemplate:
    labels:
      node-role.kubernetes.io/batch: ""
    annotations:
      5spot.finos.org/scheduled-by: weekend
  priority: 10
  gracefulShutdownTimeout: 10m
  nodeDrainTimeout: 5m
  killSwitch: false
  nodeTaints:
  - key: workload
    value: batch
    effect: NoSchedule
  killIfCommands:
  - idea
`

// newNamespace creates a namespace with a Cluster that is ready. At the end of the
// spec every ScheduledMachine in it is removed, so that it does not bear on the next.
func newNamespace(ctx context.Context) string {
	GinkgoHelper()
	namespace := newEmptyNamespace(ctx)
	_, err := world.CreateCluster(ctx, namespace, clusterName)
	Expect(err).NotTo(HaveOccurred())
	return namespace
}

// newEmptyNamespace creates a namespace without a Cluster.
func newEmptyNamespace(ctx context.Context) string {
	GinkgoHelper()
	namespace, err := world.Namespace(ctx, "spec")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func(ctx context.Context) { discard(ctx, namespace) }, NodeTimeout(soon))
	return namespace
}

// discard takes away what a spec left, without an operator.
func discard(ctx context.Context, namespace string) {
	list := &v1alpha1.ScheduledMachineList{}
	Expect(world.Client.List(ctx, list, client.InNamespace(namespace))).To(Succeed())
	for i := range list.Items {
		sm := &list.Items[i]
		Expect(client.IgnoreNotFound(world.Client.Patch(ctx, sm, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))))).To(Succeed())
		Expect(client.IgnoreNotFound(world.Client.Delete(ctx, sm))).To(Succeed())
	}
	Expect(world.Client.DeleteAllOf(ctx, &clusterv1.Machine{}, client.InNamespace(namespace))).To(Succeed())
}

// apply creates the object of a manifest, as a user would.
func apply(ctx context.Context, namespace, manifest string, adjust ...func(*v1alpha1.ScheduledMachine)) *v1alpha1.ScheduledMachine {
	GinkgoHelper()
	sm := &v1alpha1.ScheduledMachine{}
	Expect(yaml.UnmarshalStrict([]byte(manifest), sm)).To(Succeed())
	sm.Namespace = namespace
	for _, a := range adjust {
		a(sm)
	}
	Expect(world.Client.Create(ctx, sm)).To(Succeed())
	return sm
}

// change patches the spec or metadata of the object.
func change(ctx context.Context, sm *v1alpha1.ScheduledMachine, patch string) {
	GinkgoHelper()
	target := sm.DeepCopy()
	Expect(world.Client.Patch(ctx, target, client.RawPatch("application/merge-patch+json", []byte(patch)), client.FieldOwner("kubectl-patch"))).To(Succeed())
}

// read returns the object as it is now.
func read(ctx context.Context, sm *v1alpha1.ScheduledMachine) (*v1alpha1.ScheduledMachine, error) {
	now := &v1alpha1.ScheduledMachine{}
	err := world.Client.Get(ctx, client.ObjectKeyFromObject(sm), now)
	return now, err
}

// phase reads the phase, for Eventually and Consistently.
func phase(ctx context.Context, sm *v1alpha1.ScheduledMachine) func() (v1alpha1.Phase, error) {
	return func() (v1alpha1.Phase, error) {
		now, err := read(ctx, sm)
		return now.Status.Phase, err
	}
}

// condition reads a condition as "Status/Reason", for Eventually and Consistently.
func condition(ctx context.Context, sm *v1alpha1.ScheduledMachine, conditionType string) func() (string, error) {
	return func() (string, error) {
		now, err := read(ctx, sm)
		if err != nil {
			return "", err
		}
		found := meta.FindStatusCondition(now.Status.Conditions, conditionType)
		if found == nil {
			return "absent", nil
		}
		return fmt.Sprintf("%s/%s", found.Status, found.Reason), nil
	}
}

// machineOf reads the Machine of the object; nil when there is none.
func machineOf(ctx context.Context, sm *v1alpha1.ScheduledMachine) (*clusterv1.Machine, error) {
	machine := &clusterv1.Machine{}
	err := world.Client.Get(ctx, client.ObjectKeyFromObject(sm), machine)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return machine, err
}

// machineExists is for Eventually and Consistently.
func machineExists(ctx context.Context, sm *v1alpha1.ScheduledMachine) func() (bool, error) {
	return func() (bool, error) {
		machine, err := machineOf(ctx, sm)
		return machine != nil, err
	}
}

// provided reads a provider object of the object's name; nil when there is none.
func provided(ctx context.Context, sm *v1alpha1.ScheduledMachine, kind schema.GroupVersionKind) (*unstructured.Unstructured, error) {
	obj := &unstructured.Unstructured{}
	obj.SetGroupVersionKind(kind)
	err := world.Client.Get(ctx, client.ObjectKeyFromObject(sm), obj)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return obj, err
}

// eventReasons lists the reasons of the events of the object, for Eventually.
func eventReasons(ctx context.Context, sm *v1alpha1.ScheduledMachine) func() ([]string, error) {
	return func() ([]string, error) {
		list := &eventsv1.EventList{}
		if err := world.Client.List(ctx, list, client.InNamespace(sm.Namespace)); err != nil {
			return nil, err
		}
		var reasons []string
		for i := range list.Items {
			if list.Items[i].Regarding.UID == sm.UID {
				reasons = append(reasons, list.Items[i].Reason)
			}
		}
		return reasons, nil
	}
}

// joined waits until the object is Active, and returns its Machine.
func joined(ctx context.Context, sm *v1alpha1.ScheduledMachine) *clusterv1.Machine {
	GinkgoHelper()
	Eventually(phase(ctx, sm)).Should(Equal(v1alpha1.PhaseActive))
	machine, err := machineOf(ctx, sm)
	Expect(err).NotTo(HaveOccurred())
	Expect(machine).NotTo(BeNil())
	return machine
}

// nodeName is the Node that the object's machine joins as.
func nodeName(sm *v1alpha1.ScheduledMachine) string { return testenv.NodeName(sm.Namespace, sm.Name) }
