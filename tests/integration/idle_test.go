package integration_test

import (
	"context"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

// promptly is how soon a boundary of a schedule is to be acted on.
const promptly = time.Second

// actsWithin steps the clock to a boundary and returns how long it takes, in real
// time, until the manager sends the request. A minute earlier the manager looks at
// its only object, so that nothing but the timer of the boundary can wake it.
func (o *operator) actsWithin(boundary time.Time, method, path string) time.Duration {
	GinkgoHelper()
	before := o.looks()
	o.jumpTo(boundary.Add(-time.Minute))
	Eventually(o.looks).Should(BeNumerically(">", before))
	o.settle()
	Expect(o.sent(method, path)).To(BeEmpty())
	started := time.Now()
	o.jumpTo(boundary)
	Eventually(func() []testenv.Request { return o.sent(method, path) }).
		WithPolling(5 * time.Millisecond).ShouldNot(BeEmpty())
	return time.Since(started)
}

var _ = Describe("A boundary", func() {
	It("is acted on within one second of its instant", func(ctx context.Context) {
		operator := startOperator(ctx, monday)
		namespace := newNamespace(ctx)
		sm := apply(ctx, namespace, businessHours)
		expectPhase(ctx, sm, v1alpha1.PhaseInactive)
		machines := "/apis/cluster.x-k8s.io/v1beta2/namespaces/" + namespace + "/machines"

		for day := range 3 {
			operator.requests.Reset()
			opening := operator.actsWithin(at(day, 9, 0), http.MethodPost, machines)
			joined(ctx, sm)
			closing := operator.actsWithin(at(day, 18, 0), http.MethodDelete, machines+"/"+sm.Name)
			expectPhase(ctx, sm, v1alpha1.PhaseInactive)

			AddReportEntry("boundary to request", "opening "+opening.String()+", closing "+closing.String())
			Expect(opening).To(BeNumerically("<", promptly), "from 09:00:00 to the creation of the Machine")
			Expect(closing).To(BeNumerically("<", promptly), "from 18:00:00 to the deletion of the Machine")
		}
		for _, direction := range []string{"activate", "deactivate"} {
			count, sum := operator.observed("fivespot_transition_lag_seconds", direction)
			Expect(count).To(BeEquivalentTo(3), direction)
			Expect(sum/3).To(BeNumerically("<", promptly.Seconds()), direction)
			Expect(sum).To(BeNumerically(">", 0), direction)
		}
	})
})

var _ = Describe("An idle ScheduledMachine", func() {
	It("causes no request and no write between boundaries", func(ctx context.Context) {
		operator := startOperator(ctx, monday)
		namespace := newNamespace(ctx)
		var idle []*v1alpha1.ScheduledMachine
		for phase, adjust := range map[v1alpha1.Phase]func(*v1alpha1.ScheduledMachine){
			v1alpha1.PhaseActive:     func(*v1alpha1.ScheduledMachine) {},
			v1alpha1.PhaseInactive:   func(sm *v1alpha1.ScheduledMachine) { sm.Spec.Schedule.HoursOfDay = []v1alpha1.HourRange{"20"} },
			v1alpha1.PhaseDisabled:   func(sm *v1alpha1.ScheduledMachine) { sm.Spec.Schedule.Enabled = new(false) },
			v1alpha1.PhaseTerminated: func(sm *v1alpha1.ScheduledMachine) { sm.Spec.KillSwitch = true },
		} {
			sm := apply(ctx, namespace, businessHours, adjust, func(sm *v1alpha1.ScheduledMachine) { sm.Name = strings.ToLower(string(phase)) })
			idle = append(idle, sm)
			if phase != v1alpha1.PhaseActive {
				expectPhase(ctx, sm, phase)
			}
		}
		operator.jumpTo(at(0, 9, 0))
		Eventually(func(g Gomega) {
			for _, phase := range []v1alpha1.Phase{v1alpha1.PhaseActive, v1alpha1.PhaseInactive, v1alpha1.PhaseDisabled, v1alpha1.PhaseTerminated} {
				g.Expect(operator.measured("fivespot_machines_by_phase", string(phase))).To(BeEquivalentTo(1), string(phase))
			}
		}).Should(Succeed())
		operator.settle()

		versions := map[string]string{}
		for _, sm := range idle {
			now, err := read(ctx, sm)
			Expect(err).NotTo(HaveOccurred())
			versions[sm.Name] = now.ResourceVersion
		}
		operator.requests.Reset()
		for range 6 {
			operator.lookAgain(len(idle))
		}
		for hour := 10; hour < 18; hour++ {
			before := operator.looks()
			operator.jumpTo(at(0, hour, 0))
			Eventually(operator.looks).Should(BeNumerically(">=", before+float64(len(idle))))
		}
		Expect(operator.requests.List(testenv.WithoutUpkeep)).To(BeEmpty())
		list := &v1alpha1.ScheduledMachineList{}
		Expect(world.Client.List(ctx, list, client.InNamespace(namespace))).To(Succeed())
		for i := range list.Items {
			Expect(list.Items[i].ResourceVersion).To(Equal(versions[list.Items[i].Name]), string(list.Items[i].Status.Phase))
		}
	})
})
