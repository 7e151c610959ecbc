package agent_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/agent/apiclient"
	"github.com/finos/five-spot/pkg/reclaim"
)

// settled is how long something is watched that must not happen: several times what the
// agent takes for it.
const settled = time.Second

func TestAProcessWithALongNameHasTheNodeAnnotatedAgainAndAgain(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	name := h.program("idea")
	h.lookFor(name)
	a := h.startAgent()
	h.Eventually(a.log.String).Should(ContainSubstring("Detecting processes"))
	h.Expect(h.untouched()).To(BeTrue())

	before := time.Now().Add(-time.Second)
	stop := h.run(name)
	h.Eventually(h.requested(name)).Should(BeTrue())
	request, _ := reclaim.RequestOf(h.annotations())
	h.Expect(request.At).To(BeTemporally("~", before, 10*time.Second))
	node := &corev1.Node{}
	h.Expect(admin.Get(t.Context(), client.ObjectKey{Name: h.node}, node)).To(Succeed())
	var managers []string
	for _, entry := range node.ManagedFields {
		managers = append(managers, entry.Manager)
	}
	h.Expect(managers).To(ContainElement("5spot-reclaim-agent"))
	h.Eventually(h.events).Should(ContainElement("Normal ReclaimRequested"))

	h.release() // and the process still runs
	h.Eventually(h.requested(name)).Should(BeTrue())

	stop()
	released := strings.Count(a.log.String(), "gone from the Node")
	h.release()
	h.Eventually(func() int { return strings.Count(a.log.String(), "gone from the Node") }).Should(Equal(released + 1))
	h.Consistently(h.untouched, settled).Should(BeTrue())

	h.run(name) // and no match has ended the agent
	h.Eventually(h.requested(name)).Should(BeTrue())
	h.Expect(a.log.String()).NotTo(ContainSubstring("forbidden"), "its rights are enough")
}

func TestAProcessThatRanBeforeTheAgentIsFound(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	name := h.program("before")
	h.lookFor(name)
	h.run(name)
	h.startAgent()
	h.Eventually(h.requested(name)).Should(BeTrue())
}

func TestTheConfigurationIsFollowed(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	first, second := h.program("first"), h.program("second")
	h.run(first)
	a := h.startAgent()
	h.Consistently(h.untouched, settled).Should(BeTrue(), "without a ConfigMap nothing is looked for")

	h.lookFor(second)
	h.Eventually(a.log.String).Should(ContainSubstring("Looking for processes"))
	malformed := h.configMap(`match_commands = ["` + first)
	h.Expect(admin.Update(t.Context(), malformed)).To(Succeed())
	h.Eventually(h.events).Should(ContainElement("Warning ReclaimConfigInvalid"))
	h.Consistently(h.untouched, settled).Should(BeTrue())
	stop := h.run(second)
	h.Eventually(h.requested(second)).Should(BeTrue(), "the last good one is in force")

	stop()
	h.Expect(admin.Delete(t.Context(), h.configMap(""))).To(Succeed())
	h.release()
	h.lookFor(first)
	h.Eventually(h.requested(first)).Should(BeTrue(), "what is looked for now ran already")

	h.Expect(admin.Delete(t.Context(), h.configMap(""))).To(Succeed())
	h.Eventually(func() int { return strings.Count(a.log.String(), "Nothing to look for") }).Should(Equal(2))
	h.release()
	h.Eventually(func() int { return strings.Count(a.log.String(), "gone from the Node") }).Should(Equal(2))
	h.Consistently(h.untouched, settled).Should(BeTrue(), "the ConfigMap is gone")
}

func TestTheNodeOfAnotherMachineIsNeverPatched(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]string{
		"another machine-id": strings.Repeat("f", 32),
		"no machine-id":      "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			right, err := os.ReadFile(h.machineID)
			h.Expect(err).NotTo(HaveOccurred())
			h.Expect(os.WriteFile(h.machineID, []byte(id), 0o600)).To(Succeed())
			program := h.program("idea")
			h.lookFor(program)
			h.run(program)
			a := h.startAgent("--metrics-bind-address", freePort(t))
			h.Eventually(h.events).Should(ContainElement("Warning ReclaimWrongHost"))
			h.Eventually(func() int { return strings.Count(a.log.String(), "trying again") }).Should(BeNumerically(">=", 3))
			h.Expect(h.untouched()).To(BeTrue())

			h.Expect(os.WriteFile(h.machineID, right, 0o600)).To(Succeed())
			h.Eventually(h.requested(program)).Should(BeTrue(), "it was tried again")
		})
	}
}

func TestAnotherMachinesNodeIsPatchedWhenTheCheckIsSkipped(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.Expect(os.Remove(h.machineID)).To(Succeed())
	name := h.program("idea")
	h.lookFor(name)
	h.run(name)
	h.startAgent("--skip-host-id-check")
	h.Eventually(h.requested(name)).Should(BeTrue())
}

func TestAMatchDuringAnOutageIsNotLost(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	name := h.program("idea")
	h.lookFor(name)
	a := h.startAgent()
	h.Eventually(a.log.String).Should(ContainSubstring("Detecting processes"))
	h.proxy.Cut()
	stop := h.run(name)
	h.Eventually(func() int { return strings.Count(a.log.String(), "trying again") }).Should(BeNumerically(">=", 2))
	stop()
	h.proxy.Restore()
	h.Eventually(h.requested(name)).Should(BeTrue())
}

func TestARefusalIsToldAndTheRequestLandsOnceItIsAllowed(t *testing.T) {
	t.Parallel()
	h := newHostWith(t, func(node string) rights {
		allowed := exactly(node)
		allowed.nodes[0].Verbs = []string{"get"}
		return allowed
	})
	name := h.program("idea")
	h.lookFor(name)
	h.run(name)
	h.startAgent()
	h.Eventually(h.events).Should(ContainElement("Warning ReclaimRefused"))
	h.Expect(h.untouched()).To(BeTrue())
	role := clusterRole("agent-" + h.node)
	role.Rules = exactly(h.node).nodes
	h.Expect(admin.Update(t.Context(), role)).To(Succeed())
	h.Eventually(h.requested(name)).Should(BeTrue())
}

func TestAnAgentThatMayNotReadItsConfigurationIsAliveAndNotReady(t *testing.T) {
	t.Parallel()
	h := newHostWith(t, func(node string) rights {
		allowed := exactly(node)
		allowed.own[0].Verbs = []string{"get"}
		return allowed
	})
	a := h.startAgent()
	h.Consistently(a.answers("/readyz"), settled).Should(Equal(http.StatusServiceUnavailable))
	h.Expect(a.answers("/healthz")()).To(Equal(http.StatusOK))
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "agent-" + h.node}, Rules: exactly(h.node).own}
	h.Expect(admin.Update(t.Context(), role)).To(Succeed())
	h.Eventually(a.answers("/readyz")).Should(Equal(http.StatusOK), "that there is no ConfigMap is known")
}

func TestANodeThatTookTheNameOfTheOneThatWasCheckedIsNotPatched(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	api, err := apiclient.New(h.config)
	h.Expect(err).NotTo(HaveOccurred())
	err = api.PatchNode(t.Context(), h.node, []byte(`{"metadata":{"uid":"8a7ddd1e-0c5c-4b2c-a2e5-0f9c4ac39c9f","annotations":{"5spot.finos.org/reclaim-requested":"true"}}}`))
	h.Expect(apierrors.IsConflict(err) || apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
	h.Expect(h.untouched()).To(BeTrue())
}
