package integration_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/controllers"
	"github.com/finos/five-spot/pkg/reclaim"
	"github.com/finos/five-spot/pkg/sharding"
)

// disarm has a machine looked after by no agent.
const disarm = `{"spec":{"killIfCommands":null}}`

// checked is after the next check of what no watch tells of.
const checked = 6 * time.Minute

var _ = Describe("killIfCommands", func() {
	It("are followed by the agent that runs, and take it out of the cluster with the last of them", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		first, second := programFor(namespace, "first"), programFor(namespace, "second")
		removeAgentAfterwards()
		operator := startOperator(ctx, insideWindow, withAgent)
		sm := apply(ctx, namespace, businessHours, killIf(first))
		other := apply(ctx, namespace, businessHours, named("desk-8"), killIf("neighbour"))
		joined(ctx, sm)
		expectArmed(ctx, sm, first)
		joined(ctx, other)
		expectArmed(ctx, other, "neighbour")
		agent := startAgent(ctx, sm)
		Eventually(agent.log).Should(ContainSubstring(`"commands":["` + first + `"]`))

		change(ctx, sm, `{"spec":{"killIfCommands":["`+second+`"]}}`)
		edited := time.Now()
		Eventually(agent.log).Should(ContainSubstring(`"commands":["` + second + `"]`))
		AddReportEntry("edit to the agent", time.Since(edited).Round(time.Millisecond).String())
		run(first)
		Expect(requestOf(ctx, sm)()).To(BeEmpty())
		Expect(lookedFor(ctx, nodeName(other))()).To(ConsistOf("neighbour"))

		By("removing them from one machine")
		change(ctx, sm, disarm)
		expectCondition(ctx, sm, v1alpha1.ReclaimAgentReadyCondition, "False/NoCommands")
		Eventually(isLabelled(ctx, nodeName(sm))).Should(BeFalse())
		Eventually(lookedFor(ctx, nodeName(sm))).Should(BeNil())
		Eventually(agent.log).Should(ContainSubstring("Nothing to look for"))
		agent.stop()
		expectArmed(ctx, other, "neighbour")
		Expect(agentObjectsLeft(ctx)()).To(HaveLen(len(agentObjects())))

		By("removing them from the last machine")
		change(ctx, other, disarm)
		expectCondition(ctx, other, v1alpha1.ReclaimAgentReadyCondition, "False/NoCommands")
		expectTakenOut(ctx, operator)
		Expect(isLabelled(ctx, nodeName(other))()).To(BeFalse())
		Expect(phase(ctx, other)()).To(Equal(v1alpha1.PhaseActive))
	})

	It("of a machine that is deleted take the agent out of the cluster, but nothing of others", func(ctx context.Context) {
		removeAgentAfterwards()
		theirs := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: agentNamespace}}
		Expect(world.WorkloadClient.Create(ctx, theirs)).To(Succeed())
		operator := startOperator(ctx, insideWindow, withAgent)
		sm := apply(ctx, newNamespace(ctx), businessHours, killIf("idea"))
		joined(ctx, sm)
		expectArmed(ctx, sm, "idea")
		deleteObject(ctx, sm)
		expectTakenOut(ctx, operator, ContainSubstring("Namespace"))
		Eventually(objectExists(ctx, sm)).Should(BeFalse())
		now := &corev1.Namespace{}
		Expect(world.WorkloadClient.Get(ctx, client.ObjectKeyFromObject(theirs), now)).To(Succeed())
		Expect(now.UID).To(Equal(theirs.UID))
		Expect(now.DeletionTimestamp).To(BeNil())
		Expect(now.Labels).NotTo(HaveKey(v1alpha1.ManagedByLabel))
	})

	It("have no effect without an image of the agent, which is told", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		startOperator(ctx, insideWindow)
		sm := apply(ctx, namespace, businessHours, killIf("idea"))
		joined(ctx, sm)
		expectCondition(ctx, sm, v1alpha1.ReclaimAgentReadyCondition, "False/Unavailable")
		Expect(messageOf(ctx, sm, v1alpha1.ReclaimAgentReadyCondition)).To(ContainSubstring("--agent-image"))
		expectCondition(ctx, sm, v1alpha1.ReadyCondition, "True/AsScheduled")
		Expect(agentObjectsLeft(ctx)()).To(BeEmpty())
		Expect(isLabelled(ctx, nodeName(sm))()).To(BeFalse())
	})
})

var _ = Describe("An installed reclaim agent", func() {
	It("is repaired: the DaemonSet at once, everything else by the next check", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		removeAgentAfterwards()
		operator := startOperator(ctx, insideWindow, withAgent)
		sm := apply(ctx, namespace, businessHours, killIf("idea"))
		joined(ctx, sm)
		expectArmed(ctx, sm, "idea")
		Expect(agentObjectsLeft(ctx)()).To(HaveLen(len(agentObjects())))

		By("deleting the DaemonSet")
		former := installed(ctx)
		Expect(world.WorkloadClient.Delete(ctx, former.DeepCopy())).To(Succeed())
		Eventually(func(g Gomega) {
			now, err := daemonSet(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(now).NotTo(BeNil())
			g.Expect(now.UID).NotTo(Equal(former.UID))
		}).Should(Succeed())

		By("changing its image")
		edit(ctx, &appsv1.DaemonSet{ObjectMeta: inAgentNamespace(agentName)},
			`{"spec":{"template":{"spec":{"containers":[{"name":"agent","image":"registry.example.com/miner"}]}}}}`)
		Eventually(func() string { return installed(ctx).Spec.Template.Spec.Containers[0].Image }).Should(Equal(agentImage))

		By("taking the label off the Node")
		changeNode(ctx, nodeName(sm), func(node *corev1.Node) { delete(node.Labels, v1alpha1.ReclaimAgentLabel) })
		Eventually(isLabelled(ctx, nodeName(sm))).Should(BeTrue())
		expectCondition(ctx, sm, v1alpha1.ReclaimAgentReadyCondition, "True/Armed")

		By("changing what no watch tells of")
		operator.settle()
		edit(ctx, &corev1.ConfigMap{ObjectMeta: inAgentNamespace(reclaim.ConfigMapName(nodeName(sm)))}, `{"data":{"reclaim.toml":"match_commands = []"}}`)
		edit(ctx, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: agentName}}, `{"rules":[{"apiGroups":["*"],"resources":["*"],"verbs":["*"]}]}`)
		edit(ctx, &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: agentName}}, `{"spec":{"validationActions":["Audit"]}}`)
		Expect(world.WorkloadClient.Delete(ctx, &rbacv1.Role{ObjectMeta: inAgentNamespace(agentName)})).To(Succeed())
		operator.clock.Step(checked)
		Eventually(lookedFor(ctx, nodeName(sm))).Should(ConsistOf("idea"))
		Eventually(func(g Gomega) {
			role, binding := &rbacv1.ClusterRole{}, &admissionv1.ValidatingAdmissionPolicyBinding{}
			g.Expect(world.WorkloadClient.Get(ctx, client.ObjectKey{Name: agentName}, role)).To(Succeed())
			g.Expect(role.Rules).To(ConsistOf(rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"get", "patch"}}))
			g.Expect(world.WorkloadClient.Get(ctx, client.ObjectKey{Name: agentName}, binding)).To(Succeed())
			g.Expect(binding.Spec.ValidationActions).To(ConsistOf(admissionv1.Deny))
			g.Expect(agentObjectsLeft(ctx)()).To(HaveLen(len(agentObjects())))
		}).Should(Succeed())
		expectArmed(ctx, sm, "idea")
	})

	It("that somebody installed by hand is left alone, and armed behind its policy", func(ctx context.Context) {
		removeAgentAfterwards()
		Expect(world.WorkloadClient.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: agentNamespace}})).To(Succeed())
		theirs := daemonSetByHand()
		Expect(world.WorkloadClient.Create(ctx, theirs)).To(Succeed())
		operator := startOperator(ctx, insideWindow, withAgent)
		sm := apply(ctx, newNamespace(ctx), businessHours, killIf("idea"))
		joined(ctx, sm)
		Eventually(func() string { return messageOf(ctx, sm, v1alpha1.ReclaimAgentReadyCondition) }).Should(
			ContainSubstring("The policy that says who may ask for a reclaim is not in the workload cluster"))
		Expect(isLabelled(ctx, nodeName(sm))()).To(BeFalse())
		for _, object := range policyByHand() {
			Expect(world.WorkloadClient.Create(ctx, object)).To(Succeed())
		}
		operator.clock.Step(checked)
		expectArmed(ctx, sm, "idea")
		Expect(agentObjectsLeft(ctx)()).To(HaveLen(4), "nothing was written")
		change(ctx, sm, disarm)
		expectCondition(ctx, sm, v1alpha1.ReclaimAgentReadyCondition, "False/NoCommands")
		Eventually(isLabelled(ctx, nodeName(sm))).Should(BeFalse())
		operator.settle()
		Expect(installed(ctx).UID).To(Equal(theirs.UID))
		Expect(installed(ctx).Spec).To(Equal(theirs.Spec))

		By("making way")
		change(ctx, sm, `{"spec":{"killIfCommands":["idea"]}}`)
		expectArmed(ctx, sm, "idea")
		for _, object := range append(policyByHand(), theirs) {
			Expect(world.WorkloadClient.Delete(ctx, object)).To(Succeed())
		}
		operator.clock.Step(checked)
		Eventually(agentObjectsLeft(ctx)).Should(HaveLen(len(agentObjects())))
		agentPod(ctx, nodeName(sm))
		operator.clock.Step(checked)
		expectArmed(ctx, sm, "idea")
	})
})

var _ = Describe("An object of a reclaim agent's name", func() {
	It("that is somebody else's keeps the agent from being installed, which is told, until it is gone", func(ctx context.Context) {
		removeAgentAfterwards()
		theirs := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: agentName}, Rules: readOnly}
		Expect(world.WorkloadClient.Create(ctx, theirs)).To(Succeed())
		operator := startOperator(ctx, insideWindow, withAgent)
		sm := apply(ctx, newNamespace(ctx), businessHours, killIf("idea"))
		joined(ctx, sm)
		Eventually(func() string { return messageOf(ctx, sm, v1alpha1.ReclaimAgentReadyCondition) }).Should(
			ContainSubstring("ClusterRole five-spot-reclaim-agent exists and is not labelled app.kubernetes.io/managed-by=five-spot"))
		expectCondition(ctx, sm, v1alpha1.ReclaimAgentReadyCondition, "False/Pending")
		expectCondition(ctx, sm, v1alpha1.ReadyCondition, "True/AsScheduled")
		Expect(isLabelled(ctx, nodeName(sm))()).To(BeFalse())
		Expect(agentObjectsLeft(ctx)()).To(ConsistOf(ContainSubstring("ClusterRole")), "nothing was written")
		now := &rbacv1.ClusterRole{}
		Expect(world.WorkloadClient.Get(ctx, client.ObjectKeyFromObject(theirs), now)).To(Succeed())
		Expect(now.ResourceVersion).To(Equal(theirs.ResourceVersion))

		Expect(world.WorkloadClient.Delete(ctx, theirs)).To(Succeed())
		operator.clock.Step(checked)
		Eventually(agentObjectsLeft(ctx)).Should(HaveLen(len(agentObjects())))
		operator.clock.Step(checked)
		agentPod(ctx, nodeName(sm))
		operator.clock.Step(checked)
		expectArmed(ctx, sm, "idea")
	})
})

var _ = Describe("Of two instances", func() {
	It("the first installs the agent for both, and each arms it on its own Nodes", func(ctx context.Context) {
		namespace := newNamespace(ctx)
		removeAgentAfterwards()
		sms := oneForEach(ctx, namespace)
		instance := func(id int) func(*controllers.Options) {
			return func(opts *controllers.Options) {
				withAgent(opts)
				opts.InstanceID, opts.InstanceCount = id, len(sms)
			}
		}
		clock := clocktesting.NewFakeClock(insideWindow)
		second := resumeOperator(ctx, clock, instance(1))
		joined(ctx, sms[1])
		expectCondition(ctx, sms[1], v1alpha1.ReclaimAgentReadyCondition, "False/Pending")
		second.settle()
		Expect(agentObjectsLeft(ctx)()).To(BeEmpty())

		first := startOperator(ctx, insideWindow, instance(0))
		joined(ctx, sms[0])
		expectArmed(ctx, sms[0], "idea")
		expectArmed(ctx, sms[1], "idea")

		By("taking it out with the last machine, of whichever instance")
		change(ctx, sms[0], disarm)
		expectCondition(ctx, sms[0], v1alpha1.ReclaimAgentReadyCondition, "False/NoCommands")
		first.settle()
		expectArmed(ctx, sms[1], "idea")
		change(ctx, sms[1], disarm)
		expectTakenOut(ctx, first)
	})
})

// named gives an object another name.
func named(name string) func(*v1alpha1.ScheduledMachine) {
	return func(sm *v1alpha1.ScheduledMachine) { sm.Name = name }
}

// oneForEach creates one object for each of two instances.
func oneForEach(ctx context.Context, namespace string) [2]*v1alpha1.ScheduledMachine {
	GinkgoHelper()
	var sms [2]*v1alpha1.ScheduledMachine
	for i := 0; sms[0] == nil || sms[1] == nil; i++ {
		sm := apply(ctx, namespace, businessHours, named("desk-"+string(rune('a'+i))), killIf("idea"))
		if owner := sharding.Owner(sm.UID, len(sms)); sms[owner] == nil {
			sms[owner] = sm
		} else {
			deleteObject(ctx, sm)
		}
	}
	return sms
}

// installed is the agent's DaemonSet, which must be there.
func installed(ctx context.Context) *appsv1.DaemonSet {
	GinkgoHelper()
	found, err := daemonSet(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(found).NotTo(BeNil())
	return found
}

// expectTakenOut waits until the manager has removed the agent but for the objects that
// are somebody else's. It ends the Pods, which would take ten seconds, and lets time
// pass until the manager looks again.
func expectTakenOut(ctx context.Context, o *operator, theirs ...any) {
	GinkgoHelper()
	Eventually(daemonSet).WithArguments(ctx).Should(BeNil())
	Eventually(func() ([]string, error) {
		err := world.WorkloadClient.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(agentNamespace), client.GracePeriodSeconds(0))
		if err != nil {
			return nil, err
		}
		o.clock.Step(time.Second)
		return agentObjectsLeft(ctx)()
	}).Should(ConsistOf(theirs...))
}

func inAgentNamespace(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: agentNamespace, Name: name}
}

// edit patches an object of the workload cluster, as an administrator would.
func edit(ctx context.Context, obj client.Object, patch string) {
	GinkgoHelper()
	Expect(world.WorkloadClient.Patch(ctx, obj, client.RawPatch(types.StrategicMergePatchType, []byte(patch)), client.FieldOwner("kubectl-edit"))).To(Succeed())
}

// policyByHand is not labelled as ours. What it says does not matter here.
func policyByHand() []client.Object {
	nodes := admissionv1.NamedRuleWithOperations{RuleWithOperations: admissionv1.RuleWithOperations{
		Operations: []admissionv1.OperationType{admissionv1.Update},
		Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"nodes"}},
	}}
	return []client.Object{
		&admissionv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: agentName}, Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{nodes}},
			Validations:      []admissionv1.Validation{{Expression: "true"}},
		}},
		&admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: agentName}, Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: agentName, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
		}},
	}
}

// daemonSetByHand is not labelled as ours, but its Pods are agents.
func daemonSetByHand() *appsv1.DaemonSet {
	labels := map[string]string{"app.kubernetes.io/name": "five-spot", "app.kubernetes.io/component": "reclaim-agent"}
	return &appsv1.DaemonSet{ObjectMeta: inAgentNamespace(agentName), Spec: appsv1.DaemonSetSpec{
		Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
			NodeSelector:                  map[string]string{v1alpha1.ReclaimAgentLabel: v1alpha1.ReclaimAgentEnabled},
			TerminationGracePeriodSeconds: new(int64(0)),
			Containers:                    []corev1.Container{{Name: "agent", Image: "registry.example.com/agent:by-hand"}},
		}},
	}}
}
