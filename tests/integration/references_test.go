package integration_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

// controlPlaneName is that of the control plane of a Cluster that is created in
// pieces.
const controlPlaneName = clusterName + "-control-plane"

func clusterIn(namespace string) *clusterv1.Cluster {
	return &clusterv1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: clusterName}}
}

// createClusterInPieces creates a Cluster whose infrastructure and control plane are
// held back, each under its own name.
func createClusterInPieces(ctx context.Context, namespace string) {
	GinkgoHelper()
	world.Provider.HoldCluster(namespace, clusterName, true)
	world.Provider.HoldCluster(namespace, controlPlaneName, true)
	reference := func(kind schema.GroupVersionKind, name string) clusterv1.ContractVersionedObjectReference {
		obj := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{}}}
		obj.SetGroupVersionKind(kind)
		obj.SetNamespace(namespace)
		obj.SetName(name)
		Expect(world.Client.Create(ctx, obj)).To(Succeed())
		return clusterv1.ContractVersionedObjectReference{APIGroup: kind.Group, Kind: kind.Kind, Name: name}
	}
	cluster := clusterIn(namespace)
	cluster.Spec.InfrastructureRef = reference(testenv.RemoteClusterKind, clusterName)
	cluster.Spec.ControlPlaneRef = reference(testenv.K0smotronControlPlaneKind, controlPlaneName)
	Expect(world.Client.Create(ctx, cluster)).To(Succeed())
}

// finalizers sets the finalizers of an object.
func finalizers(ctx context.Context, obj client.Object, list string) {
	GinkgoHelper()
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":`+list+`}}`))
	Expect(client.IgnoreNotFound(world.Client.Patch(ctx, obj, patch))).To(Succeed())
}

var _ = Describe("The Cluster", func() {
	It("is waited for until it is there and ready", func(ctx context.Context) {
		operator := startOperator(ctx, at(0, 10, 0))
		namespace := newEmptyNamespace(ctx)
		sm := apply(ctx, namespace, businessHours)
		waits := func(reason string) {
			GinkgoHelper()
			expectCondition(ctx, sm, v1alpha1.ReferencesValidCondition, "False/"+reason)
			Expect(condition(ctx, sm, v1alpha1.ReadyCondition)()).To(Equal("False/Waiting"))
			Expect(phase(ctx, sm)()).To(Equal(v1alpha1.PhasePending))
			operator.lookAgain(1)
			expectNoMachine(ctx, sm)
		}
		waits(v1alpha1.ClusterNotFoundReason)
		createClusterInPieces(ctx, namespace)
		waits(v1alpha1.ClusterInfrastructureNotReadyReason)
		world.Provider.HoldCluster(namespace, clusterName, false)
		waits(v1alpha1.ClusterControlPlaneNotReadyReason)
		world.Provider.HoldCluster(namespace, controlPlaneName, false)
		joined(ctx, sm)
		expectCondition(ctx, sm, v1alpha1.ReferencesValidCondition, "True/Resolved")
	})

	It("that is absent does not matter while no window is open", func(ctx context.Context) {
		startOperator(ctx, monday)
		sm := apply(ctx, newEmptyNamespace(ctx), businessHours)
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
		expectCondition(ctx, sm, v1alpha1.ReadyCondition, "True/Inactive")
		Expect(condition(ctx, sm, v1alpha1.ReferencesValidCondition)()).To(Equal("False/ClusterNotFound"))
	})

	It("takes everything along when it is deleted, and nothing comes back", func(ctx context.Context) {
		operator := startOperator(ctx, at(0, 10, 0))
		sm := apply(ctx, newNamespace(ctx), businessHours)
		joined(ctx, sm)
		cluster := clusterIn(sm.Namespace)
		finalizers(ctx, cluster, `["cluster.cluster.x-k8s.io","example.com/held"]`)
		Expect(world.Client.Delete(ctx, cluster)).To(Succeed())

		expectCondition(ctx, sm, v1alpha1.ReferencesValidCondition, "False/ClusterDeleting")
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
		expectCondition(ctx, sm, v1alpha1.ReadyCondition, "False/Waiting")
		expectNoMachine(ctx, sm)
		Expect(statusOf(ctx, sm).Shutdown).To(BeNil())
		for _, instant := range []int{11, 17, 18 + 6, 24 + 9, 24 + 10} {
			operator.passTo(at(0, instant, 30))
			expectNoMachine(ctx, sm)
		}
		Expect(phase(ctx, sm)()).To(Equal(v1alpha1.PhaseInactive))

		finalizers(ctx, cluster, "null")
		expectCondition(ctx, sm, v1alpha1.ReferencesValidCondition, "False/ClusterNotFound")
		expectPhase(ctx, sm, v1alpha1.PhasePending)
		operator.lookAgain(1)
		expectNoMachine(ctx, sm)
	})

	It("that vanishes leaves the machine as it is", func(ctx context.Context) {
		operator := startOperator(ctx, at(0, 10, 0))
		sm := apply(ctx, newNamespace(ctx), businessHours)
		machine := joined(ctx, sm)

		// Cluster API puts its finalizer back and removes the Machines of a Cluster that
		// goes, unless it has seen that the Cluster is paused.
		pauseClusterOf(ctx, sm, true)
		expectCondition(ctx, sm, v1alpha1.PausedCondition, "True/ClusterPaused")
		cluster := clusterIn(sm.Namespace)
		Expect(testenv.WaitFor(ctx, world.Client, cluster, func() bool {
			return meta.IsStatusConditionTrue(cluster.Status.Conditions, clusterv1.PausedCondition)
		})).To(Succeed())
		finalizers(ctx, cluster, "null")
		Expect(client.IgnoreNotFound(world.Client.Delete(ctx, cluster))).To(Succeed())
		finalizers(ctx, cluster, "null")

		expectCondition(ctx, sm, v1alpha1.ReferencesValidCondition, "False/ClusterNotFound")
		expectPhase(ctx, sm, v1alpha1.PhasePending)
		operator.lookAgain(1)
		kept, err := machineOf(ctx, sm)
		Expect(err).NotTo(HaveOccurred())
		Expect(kept.UID).To(Equal(machine.UID))
		Expect(kept.DeletionTimestamp).To(BeNil())
	})
})

var _ = Describe("What the provider objects refer to", func() {
	It("is waited for when it is a Secret, and kept out of the ScheduledMachine", func(ctx context.Context) {
		operator := startOperator(ctx, at(0, 10, 0))
		namespace := newNamespace(ctx)
		sm := apply(ctx, namespace, businessHours, func(sm *v1alpha1.ScheduledMachine) {
			sm.Spec.InfrastructureSpec.SecretRef = &v1alpha1.SecretReference{Name: "access"}
		})
		expectCondition(ctx, sm, v1alpha1.ReferencesValidCondition, "False/SecretNotFound")

		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "access"},
			StringData: map[string]string{"spec": "address: 192.168.1.222\nuseSudo: true\n"},
		}
		Expect(world.Client.Create(ctx, secret)).To(Succeed())
		operator.lookAgain(1)
		expectCondition(ctx, sm, v1alpha1.ReferencesValidCondition, "False/SecretNotAllowed")
		expectNoMachine(ctx, sm)

		secret.Labels = map[string]string{v1alpha1.AllowSecretRefLabel: "true"}
		Expect(world.Client.Update(ctx, secret)).To(Succeed())
		operator.lookAgain(1)
		joined(ctx, sm)
		expectCondition(ctx, sm, v1alpha1.ReferencesValidCondition, "True/Resolved")
		Expect(addressOf(ctx, sm)).To(Equal("192.168.1.222"))
	})

	It("is named when it is a kind that nobody serves", func(ctx context.Context) {
		operator := startOperator(ctx, at(0, 10, 0))
		sm := apply(ctx, newNamespace(ctx), businessHours, func(sm *v1alpha1.ScheduledMachine) {
			sm.Spec.InfrastructureSpec.Kind = "Metal3Machine"
		})
		expectCondition(ctx, sm, v1alpha1.ReferencesValidCondition, "False/ProviderKindNotFound")
		Expect(phase(ctx, sm)()).To(Equal(v1alpha1.PhasePending))
		Expect(statusOf(ctx, sm).Message).To(ContainSubstring("Metal3Machine"))
		operator.lookAgain(1)
		expectNoMachine(ctx, sm)
		change(ctx, sm, `{"spec":{"infrastructureSpec":{"kind":"RemoteMachine"}}}`)
		operator.lookAgain(1)
		joined(ctx, sm)
	})
})
