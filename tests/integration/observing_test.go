package integration_test

import (
	"context"
	"slices"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

// wakeUp is at least the time for which the manager leaves an object alone when
// nothing is due.
const wakeUp = 5 * time.Minute

// at is an instant of the Monday of these specs, or of a day after it.
func at(days, hours, minutes int) time.Time {
	return time.Date(monday.Year(), monday.Month(), monday.Day()+days, hours, minutes, 0, 0, time.UTC)
}

// expectPhase waits for the phase.
func expectPhase(ctx context.Context, sm *v1alpha1.ScheduledMachine, want v1alpha1.Phase) {
	GinkgoHelper()
	Eventually(phase(ctx, sm)).Should(Equal(want))
}

// expectCondition waits until the condition reads as "Status/Reason".
func expectCondition(ctx context.Context, sm *v1alpha1.ScheduledMachine, conditionType, want string) {
	GinkgoHelper()
	Eventually(condition(ctx, sm, conditionType)).Should(Equal(want))
}

// statusOf is the status as it is now.
func statusOf(ctx context.Context, sm *v1alpha1.ScheduledMachine) v1alpha1.ScheduledMachineStatus {
	GinkgoHelper()
	now, err := read(ctx, sm)
	Expect(err).NotTo(HaveOccurred())
	return now.Status
}

// expectNoMachine looks once: what is absent by then must have been absent all along.
func expectNoMachine(ctx context.Context, sm *v1alpha1.ScheduledMachine) {
	GinkgoHelper()
	Expect(machineOf(ctx, sm)).To(BeNil())
	Expect(provided(ctx, sm, testenv.RemoteMachineKind)).To(BeNil())
	Expect(provided(ctx, sm, testenv.K0sWorkerConfigKind)).To(BeNil())
}

// measured sums up the counters and gauges of a name that carry the given label
// values.
func (o *operator) measured(name string, values ...string) float64 {
	GinkgoHelper()
	families, err := o.registry.Gather()
	Expect(err).NotTo(HaveOccurred())
	var sum float64
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			var has []string
			for _, label := range metric.GetLabel() {
				has = append(has, label.GetValue())
			}
			if !slices.ContainsFunc(values, func(value string) bool { return !slices.Contains(has, value) }) {
				sum += metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// observed are the number and the sum of what a histogram has observed, with the
// given label value.
func (o *operator) observed(name, value string) (count uint64, sum float64) {
	GinkgoHelper()
	families, err := o.registry.Gather()
	Expect(err).NotTo(HaveOccurred())
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() == name && metric.GetLabel()[0].GetValue() == value {
				count += metric.GetHistogram().GetSampleCount()
				sum += metric.GetHistogram().GetSampleSum()
			}
		}
	}
	return count, sum
}

// looks is how often the manager has looked at an object so far.
func (o *operator) looks() float64 {
	GinkgoHelper()
	return o.measured("fivespot_reconciliations_total")
}

// lookAgain lets time pass until each of so many objects was looked at once more,
// although nothing happened.
func (o *operator) lookAgain(objects int) {
	GinkgoHelper()
	before := o.looks()
	o.clock.Step(wakeUp)
	Eventually(o.looks).Should(BeNumerically(">=", before+float64(objects)))
}

// passTo lets time pass to an instant, at which the only object is looked at once
// more. It takes a wake-up at least.
func (o *operator) passTo(instant time.Time) {
	GinkgoHelper()
	before := o.looks()
	o.jumpTo(instant)
	Eventually(o.looks).Should(BeNumerically(">", before))
}

// settle waits until the manager has nothing more to say to the API server.
func (o *operator) settle() {
	GinkgoHelper()
	sent := func() int { return len(o.requests.List(testenv.WithoutUpkeep)) }
	for last := -1; last != sent(); {
		last = sent()
		Consistently(sent).WithTimeout(500 * time.Millisecond).Should(BeNumerically(">=", last))
	}
}

// sent lists the requests of a method for a path.
func (o *operator) sent(method, path string) []testenv.Request {
	return o.requests.List(func(r testenv.Request) bool { return r.Method == method && r.Path == path })
}

// history is every state of the objects of a namespace that the API server told of.
type history struct {
	mu     sync.Mutex
	states []v1alpha1.ScheduledMachine
}

// record begins a history.
func record(ctx context.Context, namespace string) *history {
	GinkgoHelper()
	watch, err := world.Client.Watch(ctx, &v1alpha1.ScheduledMachineList{}, client.InNamespace(namespace))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(watch.Stop)
	h := &history{}
	go func() {
		for event := range watch.ResultChan() {
			if sm, ok := event.Object.(*v1alpha1.ScheduledMachine); ok {
				h.mu.Lock()
				h.states = append(h.states, *sm)
				h.mu.Unlock()
			}
		}
	}()
	return h
}

// sequence is what was seen of each state, without repetitions in a row.
func (h *history) sequence(see func(*v1alpha1.ScheduledMachine) string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []string
	for i := range h.states {
		if seen := see(&h.states[i]); seen != "" {
			all = append(all, seen)
		}
	}
	return slices.Compact(all)
}

// createCalendar creates a MachineCalendar, to be removed after the spec.
func createCalendar(ctx context.Context, name string, exceptions ...v1alpha1.ScheduleException) *v1alpha1.MachineCalendar {
	GinkgoHelper()
	calendar := &v1alpha1.MachineCalendar{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1alpha1.MachineCalendarSpec{Timezone: "UTC", Exceptions: exceptions},
	}
	Expect(world.Client.Create(ctx, calendar)).To(Succeed())
	DeferCleanup(func(ctx context.Context) {
		Expect(client.IgnoreNotFound(world.Client.Delete(ctx, calendar))).To(Succeed())
	})
	return calendar
}

// onMonday is an exception for the Monday of these specs.
func onMonday(state v1alpha1.ScheduleState, reason string) v1alpha1.ScheduleException {
	day := monday.Format(time.DateOnly)
	return v1alpha1.ScheduleException{From: day, To: day, State: state, Reason: reason}
}
