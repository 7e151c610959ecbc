package admission_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/finos/five-spot/controllers"
	"github.com/finos/five-spot/pkg/admission"
	"github.com/finos/five-spot/tests/testenv"
)

func TestAPolicyThatAFinalizerHoldsIsNotPolledAndComesBackWhenItHasGone(t *testing.T) {
	i := newInstallation(t)
	requests := &testenv.Requests{}
	clock := clocktesting.NewFakeClock(time.Now())
	stand := testenv.LetFlow(clock)
	t.Cleanup(stand)
	m, err := startManager(t.Context(), requests.Wrap(i.config), "v1.0.0", nil, func(opts *controllers.Options) { opts.Clock = clock })
	i.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { i.Expect(m.stop()).To(Succeed()) })
	installedBy(i, m)
	stand() // From now on, no time passes but what is stepped.

	i.asIs(policyKind, admission.CRDGuard, types.MergePatchType, `{"metadata": {"finalizers": ["example.com/held"]}}`)
	i.Expect(i.server.client.Delete(t.Context(), i.get(policyKind, admission.CRDGuard))).To(Succeed())
	states := all("installed")
	states[admission.CRDGuard] = "failed"
	i.Eventually(m.states).Should(Equal(states))
	last := 0
	i.Eventually(func() int {
		looks := len(requests.List(func(request testenv.Request) bool {
			return request.Method == http.MethodGet && strings.HasSuffix(request.Path, "/validatingadmissionpolicies/"+admission.CRDGuard)
		}))
		more := looks - last
		last = looks
		clock.Step(time.Second)
		return more
	}).WithPolling(200*time.Millisecond).Should(BeZero(), "nothing is polled")

	i.asIs(policyKind, admission.CRDGuard, types.MergePatchType, `{"metadata": {"finalizers": null}}`)
	i.Eventually(m.states).Should(Equal(all("installed")), "its end wakes the manager, and no timer")
	i.Expect(i.specs()).To(Equal(wanted(admission.Defaults())))
}
