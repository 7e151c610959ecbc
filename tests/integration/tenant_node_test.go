package integration_test

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

func nameOf(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }

var _ = Describe("A tenant who wants the Node of somebody else", func() {
	const marks = `nodeTaints: [{key: example.com/mine, effect: NoExecute}], killIfCommands: [idea]`

	It("cannot name it as the host of his machine", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		victim, mallory := victimAndTenant(ctx, namespace)
		createSecret(ctx, namespace, map[string]string{v1alpha1.AllowSecretRefLabel: "true"}, "providerID: "+providerIDOf(victim))

		sm := mallory.create(ctx, fmt.Sprintf(`{metadata: {name: desk-8}, spec: {infrastructureSpec: {spec: {providerID: %q}}, %s}}`, providerIDOf(victim), marks))
		expectCondition(ctx, sm, v1alpha1.ScheduleValidCondition, "False/InvalidSpec")
		Expect(messageOf(ctx, sm, v1alpha1.ScheduleValidCondition)).To(ContainSubstring("spec.infrastructureSpec.spec.providerID"))
		expectNoMachine(ctx, sm)

		hidden := mallory.create(ctx, `{metadata: {name: desk-9}, spec: {infrastructureSpec: {secretRef: {name: ssh}}, `+marks+`}}`)
		expectCondition(ctx, hidden, v1alpha1.ReferencesValidCondition, "False/SecretInvalid")
		expectNoMachine(ctx, hidden)
		expectLeftAlone(ctx, victim)
	})

	It("does not reach it by a provider that takes one host for two machines", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		victim, mallory := victimAndTenant(ctx, namespace)
		pod := stubbornPod(ctx, nodeName(victim))
		world.Provider.Behave(namespace, "desk-8", testenv.Behaviour{HoldProvisioning: true})
		DeferCleanup(world.Provider.Behave, namespace, "desk-8", testenv.Behaviour{})
		sm := mallory.create(ctx, `{metadata: {name: desk-8}, spec: {`+marks+`}}`)
		var infrastructure client.Object
		Eventually(func() (bool, error) {
			found, err := provided(ctx, sm, testenv.RemoteMachineKind)
			infrastructure = found
			return found != nil, err
		}).Should(BeTrue())
		Expect(world.Client.Patch(ctx, infrastructure, client.RawPatch(mergePatch, fmt.Appendf(nil, `{"spec":{"providerID":%q}}`, providerIDOf(victim))))).To(Succeed())
		world.Provider.Behave(namespace, "desk-8", testenv.Behaviour{NeverJoin: true})
		Eventually(func() (string, error) {
			machine, err := machineOf(ctx, sm)
			if machine == nil {
				return "", err
			}
			return machine.Status.NodeRef.Name, err
		}).Should(Equal(nodeName(victim)), "Cluster API goes by the provider's word")

		expectCondition(ctx, sm, v1alpha1.MachineReadyCondition, "False/NodeContested")
		Expect(phase(ctx, sm)()).To(Equal(v1alpha1.PhasePending))
		expectLeftAlone(ctx, victim)
		change(ctx, sm, `{"spec":{"schedule":{"override":{"state":"Inactive","until":"2099-01-01T00:00:00Z"}}}}`)
		expectPhase(ctx, sm, v1alpha1.PhaseShuttingDown)
		mallory.operator.settle()
		expectLeftAlone(ctx, victim)
		Expect(world.WorkloadClient.Get(ctx, client.ObjectKeyFromObject(pod), pod)).To(Succeed())
		Expect(pod.DeletionTimestamp).To(BeNil())
		Expect(statusOf(ctx, sm).Drain).To(BeNil())
	})
})

// victimAndTenant are a machine that runs, and a tenant in its namespace.
func victimAndTenant(ctx context.Context, namespace string) (*v1alpha1.ScheduledMachine, tenant) {
	GinkgoHelper()
	operator := startOperator(ctx, insideWindow)
	victim := apply(ctx, namespace, businessHours)
	joined(ctx, victim)
	return victim, newTenant(ctx, operator, namespace)
}

func providerIDOf(sm *v1alpha1.ScheduledMachine) string {
	return "remote-machine://" + sm.Namespace + "/" + sm.Name
}

// expectLeftAlone looks for anything that 5-Spot puts on a Node.
func expectLeftAlone(ctx context.Context, sm *v1alpha1.ScheduledMachine) {
	GinkgoHelper()
	node := &corev1.Node{}
	Expect(world.WorkloadClient.Get(ctx, client.ObjectKey{Name: nodeName(sm)}, node)).To(Succeed())
	Expect(node.Spec.Unschedulable).To(BeFalse())
	Expect(node.Spec.Taints).NotTo(ContainElement(HaveField("Key", "example.com/mine")))
	for key := range node.Annotations {
		Expect(key).NotTo(HavePrefix(v1alpha1.GroupVersion.Group))
	}
	Expect(node.Labels).NotTo(HaveKey(v1alpha1.ReclaimAgentLabel))
}
