package testenv_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/tests/testenv"
)

// deadline is generous: a machine that builds at the same time is slow.
const deadline = 2 * time.Minute

func startWorld(t *testing.T, opts testenv.Options) *testenv.World {
	t.Helper()
	if testing.Short() {
		t.Skip("starts control planes")
	}
	opts.Log = t.Output()
	started := time.Now()
	world, err := testenv.NewWorld(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := world.Stop(); err != nil {
			t.Error(err)
		}
	})
	t.Logf("The world started in %s", time.Since(started).Round(time.Millisecond))
	return world
}

func TestAMachineJoinsAndLeavesTheWorkloadCluster(t *testing.T) {
	world := startWorld(t, testenv.Options{})
	for name, version := range map[string]string{
		"with provider objects at v1beta1": "v1beta1",
		"with provider objects at v1beta2": "v1beta2",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			defer cancel()
			namespace, err := world.Namespace(ctx, "join")
			g.Expect(err).NotTo(HaveOccurred())
			_, err = world.CreateCluster(ctx, namespace, "prod")
			g.Expect(err).NotTo(HaveOccurred())

			machine := createMachine(ctx, g, world, namespace, version)
			g.Expect(testenv.WaitFor(ctx, world.Client, machine, func() bool {
				return machine.Status.Phase == string(clusterv1.MachinePhaseRunning) && machine.Status.NodeRef.Name != ""
			})).To(Succeed())
			g.Expect(machine.Status.NodeRef.Name).To(Equal(testenv.NodeName(namespace, "workstation")))

			node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: machine.Status.NodeRef.Name}}
			g.Expect(world.WorkloadClient.Get(ctx, client.ObjectKeyFromObject(node), node)).To(Succeed())
			g.Expect(node.Spec.ProviderID).To(Equal(machine.Spec.ProviderID))
			g.Expect(node.Spec.Taints).To(BeEmpty())
			g.Expect(node.Annotations).To(HaveKeyWithValue(clusterv1.MachineAnnotation, machine.Name))

			g.Expect(world.Client.Delete(ctx, machine)).To(Succeed())
			g.Expect(testenv.WaitGone(ctx, world.Client, machine)).To(Succeed())
			g.Expect(testenv.WaitGone(ctx, world.WorkloadClient, node)).To(Succeed())
		})
	}
}

// createMachine creates a Machine by hand, as 5-Spot does for a ScheduledMachine.
func createMachine(ctx context.Context, g *WithT, world *testenv.World, namespace, version string) *clusterv1.Machine {
	references := map[string]clusterv1.ContractVersionedObjectReference{}
	for kind, spec := range map[schema.GroupVersionKind]map[string]any{
		testenv.K0sWorkerConfigKind: {"version": "v1.36.3+k0s.0"},
		testenv.RemoteMachineKind:   {"address": "192.0.2.7", "port": int64(22), "user": "root"},
	} {
		obj := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
		obj.SetGroupVersionKind(kind.GroupKind().WithVersion(version))
		obj.SetNamespace(namespace)
		obj.SetName("workstation")
		g.Expect(world.Client.Create(ctx, obj)).To(Succeed())
		references[kind.Kind] = clusterv1.ContractVersionedObjectReference{APIGroup: kind.Group, Kind: kind.Kind, Name: obj.GetName()}
	}
	machine := &clusterv1.Machine{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "workstation"},
		Spec: clusterv1.MachineSpec{
			ClusterName:       "prod",
			Bootstrap:         clusterv1.Bootstrap{ConfigRef: references["K0sWorkerConfig"]},
			InfrastructureRef: references["RemoteMachine"],
		},
	}
	g.Expect(world.Client.Create(ctx, machine)).To(Succeed())
	return machine
}
