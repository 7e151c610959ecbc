package scheduledmachine

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/finos/five-spot/api/v1alpha1"
)

func TestANoteIsCutToWhatTheAPIServerTakes(t *testing.T) {
	t.Parallel()
	for name, note := range map[string]string{
		"of one byte characters":   strings.Repeat("a", 5000),
		"of many byte characters":  strings.Repeat("ä€", 600),
		"that is only just enough": strings.Repeat("a", 1025),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			cut := shortened(note)
			g.Expect(len(cut)).To(And(BeNumerically("<=", 1024), BeNumerically(">", 1015)))
			g.Expect(utf8.ValidString(cut)).To(BeTrue())
			g.Expect(cut).To(HaveSuffix("..."))
		})
	}
	NewWithT(t).Expect(shortened(strings.Repeat("a", 1024))).To(Equal(strings.Repeat("a", 1024)))
}

// joins is how often and how long after its creation a Machine was counted as joined.
func (h *harness) joins() (uint64, float64) {
	families, err := h.registry.Gather()
	h.g.Expect(err).NotTo(HaveOccurred())
	for _, family := range families {
		if family.GetName() == "fivespot_machine_join_seconds" {
			histogram := family.GetMetric()[0].GetHistogram()
			return histogram.GetSampleCount(), histogram.GetSampleSum()
		}
	}
	return 0, 0
}

func TestAMachineJoinsOnceHoweverOftenItIsShownAsActiveAgain(t *testing.T) {
	t.Parallel()
	sm := deskSM(func(sm *v1alpha1.ScheduledMachine) { sm.Status.Phase = v1alpha1.PhasePending })
	h := newHarness(t, clusterAPI{known: true, ready: true}, []client.Object{readyNode(nil)}, sm, tradingCluster(), runningMachine(sm))
	edit := func(change func(*v1alpha1.ScheduledMachine), phase v1alpha1.Phase) {
		edited := h.read()
		change(edited)
		h.g.Expect(h.api.Update(h.t.Context(), edited)).To(Succeed())
		_, err := h.reconcile()
		h.g.Expect(err).NotTo(HaveOccurred())
		h.g.Expect(h.read().Status.Phase).To(Equal(phase))
	}
	edit(func(*v1alpha1.ScheduledMachine) {}, v1alpha1.PhaseActive)
	count, sum := h.joins()
	h.g.Expect(count).To(BeEquivalentTo(1))
	h.g.Expect(sum).To(BeEquivalentTo((2 * time.Hour).Seconds()))

	h.clock.Step(time.Hour)
	edit(func(sm *v1alpha1.ScheduledMachine) { sm.Spec.BootstrapSpec.Kind = "no" }, v1alpha1.PhaseError)
	edit(func(sm *v1alpha1.ScheduledMachine) { sm.Spec.BootstrapSpec.Kind = configKind.Kind }, v1alpha1.PhaseActive)
	count, _ = h.joins()
	h.g.Expect(count).To(BeEquivalentTo(1), "it was up all the time")
}

func TestATimeoutThatLastsIsNotAnnouncedAgainAfterARestart(t *testing.T) {
	t.Parallel()
	sm := deskSM(func(sm *v1alpha1.ScheduledMachine) { sm.Status.Phase = v1alpha1.PhasePending })
	late := runningMachine(sm)
	late.Status.Phase, late.Status.NodeRef.Name = string(clusterv1.MachinePhaseProvisioned), ""
	h := newHarness(t, clusterAPI{known: true, ready: true}, nil, sm, tradingCluster(), late)
	for range 2 {
		_, err := h.reconcile()
		h.g.Expect(err).NotTo(HaveOccurred())
	}
	h.g.Expect(h.told()).To(ContainElement(eventJoinTimedOut))

	h.announced = newAnnounced()
	_, err := h.reconcile()
	h.g.Expect(err).NotTo(HaveOccurred())
	h.g.Expect(h.told()).NotTo(ContainElement(eventJoinTimedOut))
}

func TestAnObjectThatGoesIsForgotten(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	var forgotten []types.UID
	handler := byPriority(func(uid types.UID) { forgotten = append(forgotten, uid) })
	handler.Delete(t.Context(), event.DeleteEvent{Object: deskSM(nil)}, nil)
	g.Expect(forgotten).To(Equal([]types.UID{"sm-uid"}))
}

func TestWhichChangesOfAnObjectAreLookedAt(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(*v1alpha1.ScheduledMachine)
		want   bool
	}{
		"not a change of its status":         {change: active},
		"another object under the same name": {change: func(sm *v1alpha1.ScheduledMachine) { sm.UID = "another" }, want: true},
		"a change of its spec":               {change: func(sm *v1alpha1.ScheduledMachine) { sm.Generation++ }, want: true},
		"a change of its annotations":        {change: func(sm *v1alpha1.ScheduledMachine) { sm.Annotations = map[string]string{"a": "b"} }, want: true},
		"the begin of its deletion": {change: func(sm *v1alpha1.ScheduledMachine) {
			sm.DeletionTimestamp = new(sm.CreationTimestamp)
			sm.DeletionTimestamp.Time = inWindow
		}, want: true},
		"not a change of nothing but a label": {change: func(sm *v1alpha1.ScheduledMachine) { sm.Labels = map[string]string{"a": "b"} }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			passes := specOrMetadataChanged().Update(event.UpdateEvent{ObjectOld: deskSM(nil), ObjectNew: deskSM(test.change)})
			NewWithT(t).Expect(passes).To(Equal(test.want))
		})
	}
}

func TestTheEndOfADeletedMachineIsAnnounced(t *testing.T) {
	t.Parallel()
	sm := deskSM(func(sm *v1alpha1.ScheduledMachine) {
		deleted(sm)
		active(sm)
	})
	h := newHarness(t, clusterAPI{known: true, ready: true}, nil, sm, tradingCluster())
	_, err := h.reconcile()
	h.g.Expect(err).NotTo(HaveOccurred())
	h.g.Expect(h.told()).To(ContainElement(eventMachineGone))
}
