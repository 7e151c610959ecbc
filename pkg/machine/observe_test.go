package machine

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	capierrors "sigs.k8s.io/cluster-api/api/deprecated/errors" //nolint:staticcheck // Deprecated, and still all that there is.

	"github.com/finos/five-spot/api/v1alpha1"
)

func TestObserve(t *testing.T) {
	t.Parallel()
	ref := &v1alpha1.ObjectReference{APIVersion: "cluster.x-k8s.io/v1beta2", Kind: "Machine", Name: smName, UID: "present-Machine"}
	base := State{Exists: true, UID: "present-Machine", CreatedAt: created, Ref: ref}
	with := func(change func(*State)) State {
		state := base
		change(&state)
		return state
	}
	phase := func(phase clusterv1.MachinePhase) func(*clusterv1.Machine) {
		return func(m *clusterv1.Machine) { m.Status.SetTypedPhase(phase) }
	}
	for name, c := range map[string]struct {
		change func(*clusterv1.Machine)
		want   State
	}{
		"just created":     {func(*clusterv1.Machine) {}, base},
		"provisioning":     {phase(clusterv1.MachinePhaseProvisioning), base},
		"updated in place": {phase(clusterv1.MachinePhaseUpdating), with(func(s *State) { s.Running = true })},
		"running": {func(m *clusterv1.Machine) {
			phase(clusterv1.MachinePhaseRunning)(m)
			m.Status.NodeRef.Name = "node-7"
			m.Spec.ProviderID = "remote-machine://192.0.2.7:22"
		}, with(func(s *State) {
			s.Running, s.NodeName, s.ProviderID = true, "node-7", "remote-machine://192.0.2.7:22"
		})},
		"being deleted while its phase is old": {func(m *clusterv1.Machine) {
			phase(clusterv1.MachinePhaseRunning)(m)
			deletingMachine(m)
		}, with(func(s *State) { s.Deleting = true })},
		"told to skip steps, whatever the values": {func(m *clusterv1.Machine) {
			m.Annotations["machine.cluster.x-k8s.io/exclude-node-draining"] = ""
			m.Annotations["machine.cluster.x-k8s.io/exclude-wait-for-node-volume-detach"] = "false"
		}, with(func(s *State) { s.SkipsDrain, s.SkipsVolumeDetach = true, true })},
		"created from another spec": {func(m *clusterv1.Machine) {
			m.Annotations["5spot.finos.org/spec-hash"] = "other"
		}, with(func(s *State) { s.SpecChanged = true })},
		"without a word about its spec": {func(m *clusterv1.Machine) { m.Annotations = nil }, base},
		"foreign, whatever else it says": {func(m *clusterv1.Machine) {
			phase(clusterv1.MachinePhaseRunning)(m)
			reown(m)
		}, State{Foreign: `Machine "desk-7"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sm := scheduledMachine()
			if diff := cmp.Diff(c.want, Observe(sm, presentMachine(t, sm, c.change))); diff != "" {
				t.Errorf("State (-want +got):\n%s", diff)
			}
		})
	}
	if diff := cmp.Diff(State{}, Observe(scheduledMachine(), nil)); diff != "" {
		t.Errorf("no Machine (-want +got):\n%s", diff)
	}
}

func TestAMachineIsOursByTheUIDInTheStatus(t *testing.T) {
	t.Parallel()
	sm := scheduledMachine()
	live := presentMachine(t, sm, disown)
	sm.Status.MachineRef = &v1alpha1.ObjectReference{Name: smName, UID: string(live.UID)}
	if state := Observe(sm, live); !state.Exists || state.Foreign != "" {
		t.Errorf("State: %+v", state)
	}
}

func TestAMachineStaysOursWhenTheGarbageCollectorTakesItsOwnerAway(t *testing.T) {
	t.Parallel()
	sm := scheduledMachine()
	live := presentMachine(t, sm, func(m *clusterv1.Machine) { m.OwnerReferences = m.OwnerReferences[1:] })
	if state := Observe(sm, live); !state.Exists || state.Foreign != "" {
		t.Errorf("State: %+v", state)
	}
}

func TestAFailureIsQuotedAndBoundedAndNeverShownWithASecret(t *testing.T) {
	t.Parallel()
	//nolint:staticcheck // Deprecated, and still all that there is.
	failed := func(m *clusterv1.Machine) {
		m.Status.Deprecated = &clusterv1.MachineDeprecatedStatus{V1Beta1: &clusterv1.MachineV1Beta1DeprecatedStatus{
			FailureReason:  new(capierrors.CreateMachineError),
			FailureMessage: new("ssh: " + password + "\n" + strings.Repeat("x", 5000)),
		}}
	}
	sm := scheduledMachine()
	got := Observe(sm, presentMachine(t, sm, failed)).Failed
	if !strings.HasPrefix(got, `the Machine reports "CreateError: ssh: `+password+`\nxxx`) || len(got) > 320 {
		t.Errorf("Failed = %s", got)
	}
	live := presentMachine(t, sm, failed)
	if got := Observe(withSecretRef(sm), live).Failed; got == "" || strings.Contains(got, "ssh") {
		t.Errorf("with a secretRef: Failed = %q", got)
	}
	live.Annotations[v1alpha1.SpecHashAnnotation] = SpecHash(sm) // which has got one meanwhile
	if got := Observe(scheduledMachine(), live).Failed; got == "" || strings.Contains(got, "ssh") {
		t.Errorf("without the secretRef with which the Machine was created: Failed = %q", got)
	}
}
