package scheduledmachine

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clocktesting "k8s.io/utils/clock/testing"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/lifecycle"
	"github.com/finos/five-spot/pkg/machine"
)

// FuzzScheduledMachine has the manager decide on any object that decodes, in any state of
// the world: from the JSON of an API server to the decision, with nothing of it faked but
// what is read of other objects.
func FuzzScheduledMachine(f *testing.F) {
	for i, seed := range []string{
		`{"spec":{"clusterName":"trading","schedule":{"daysOfWeek":["mon-fri"],"hoursOfDay":["9-17"]},"bootstrapSpec":{"apiVersion":"bootstrap.cluster.x-k8s.io/v1beta1","kind":"K0sWorkerConfig","spec":{}},"infrastructureSpec":{"apiVersion":"infrastructure.cluster.x-k8s.io/v1beta1","kind":"RemoteMachine","spec":{"address":"10.0.0.7"}}}}`,
		`{"spec":{"clusterName":"trading","killSwitch":true,"schedule":{"cron":"* * * * 0,6","enabled":false},"bootstrapSpec":{"apiVersion":"k0smotron.io/v1beta1","kind":"A"},"infrastructureSpec":{"apiVersion":"k0smotron.io/v1beta1","kind":"B","secretRef":{"name":"x"}},"nodeTaints":[{"key":"example.com/a","effect":"NoSchedule"}],"killIfCommands":["idea"]}}`,
		`{"metadata":{"deletionTimestamp":"2026-11-23T11:00:00Z","finalizers":["5spot.finos.org/scheduledmachine"]},"spec":{"schedule":{"windows":[{"days":["fri"],"start":"20:00","end":"08:00","endDay":"mon"}],"override":{"state":"Active","until":"2026-11-24T00:00:00Z"}}},"status":{"phase":"Active","shutdown":{"startedAt":"2026-11-23T11:00:00Z","reason":"Deleted"}}}`,
		`{"spec":{"schedule":{}},"status":{"phase":"EmergencyRemove","shutdown":{"startedAt":"2026-11-23T11:59:59Z","reason":"EmergencyReclaim"},"recentReclaims":["2026-11-23T11:58:00Z","2026-11-23T11:59:00Z","2026-11-23T11:59:59Z"]}}`,
		`{"spec":{"schedule":{"cron":"@daily","duration":"24h","leadTime":"2h","timezone":"Pacific/Apia","exceptions":[{"from":"2026-11-23","to":"2026-11-23","state":"Inactive"}]},"gracefulShutdownTimeout":"99h","nodeDrainTimeout":"-1s"}}`,
	} {
		f.Add(seed, uint32(1<<i), inWindow.Unix())
		f.Add(seed, ^uint32(0), inWindow.Unix())
	}
	f.Fuzz(func(t *testing.T, text string, facts uint32, now int64) {
		sm := &v1alpha1.ScheduledMachine{}
		if json.Unmarshal([]byte(text), sm) != nil {
			t.Skip()
		}
		// From the year 1 to the year 9999.
		at := time.Unix(now%253_402_300_800, 0).UTC()
		w := worldFrom(t, sm, facts, at)
		decision := lifecycle.Decide(w.Observation)
		assertSane(t, w.Observation, decision)
		if again := lifecycle.Decide(worldFrom(t, sm, facts, at).Observation); !cmp.Equal(decision, again, cmpopts.EquateEmpty()) {
			t.Errorf("decided differently: %s", cmp.Diff(decision, again))
		}
		buildAll(t, w)
	})
}

// worldFrom is the world as it is observed, with facts about other objects from the bits.
func worldFrom(t *testing.T, sm *v1alpha1.ScheduledMachine, facts uint32, now time.Time) *world {
	t.Helper()
	bit := func(n uint) bool { return facts>>n&1 == 1 }
	r := &Reconciler{clock: clocktesting.NewFakeClock(now)}
	w := &world{object: sm}
	w.Now = now
	w.Settings = lifecycle.Settings{FinalizerTimeout: 10 * time.Minute, ForceFinalizer: bit(0), JoinTimeout: 30 * time.Minute}
	r.observeObject(w)
	if w.schedule != nil && sm.Spec.Schedule.CalendarRef == nil {
		if err := r.observeSchedule(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	} else if w.schedule != nil {
		w.ScheduleUnknown = &lifecycle.Problem{Reason: v1alpha1.CalendarNotFoundReason, Message: "x"}
	}
	w.Pause = observePause(sm, nil)
	w.Cluster = lifecycle.Cluster{
		Exists: bit(1), Deleting: bit(1) && bit(2), InfrastructureProvisioned: bit(1) && bit(3), ControlPlaneInitialized: bit(1) && bit(4),
	}
	w.Machine.ConfirmedAbsent = bit(6)
	if bit(5) {
		w.Machine = lifecycle.Machine{
			Exists: true, Deleting: bit(6), Running: bit(7) && !bit(6), HasNodeRef: bit(8), SkipsDrain: bit(9), SkipsVolumeDetach: bit(10),
			SpecChanged: bit(11), CreatedAt: now.Add(-time.Hour),
		}
	} else if bit(12) {
		w.Leftovers = []v1alpha1.ObjectReference{{Kind: "A", Name: "x"}}
	}
	if bit(13) {
		w.CreateNotBefore = now.Add(time.Minute)
	}
	return w
}

// assertSane holds what no decision may break.
func assertSane(t *testing.T, o lifecycle.Observation, d lifecycle.Decision) {
	t.Helper()
	creates := d.Has(lifecycle.ActionEnsureMachine) || d.Has(lifecycle.ActionUncordonNode)
	removes := d.Has(lifecycle.ActionDeleteMachine) || d.Has(lifecycle.ActionDeleteLeftovers) || d.Has(lifecycle.ActionDrainNode) || d.Has(lifecycle.ActionReleaseFinalizer)
	switch {
	case creates && removes:
		t.Errorf("both creates and removes: %+v", d)
	case d.Has(lifecycle.ActionEnsureMachine) && (o.Object.Invalid != nil || o.Object.KillSwitch || !o.Object.Enabled || !o.Object.DeletedAt.IsZero()):
		t.Errorf("creates: %+v from %+v", d, o.Object)
	case o.Object.Invalid != nil && d.Rule == lifecycle.RuleInvalid && o.Object.Shutdown == nil && removes:
		t.Errorf("removes what is invalid: %+v", d)
	case !slices.Contains(v1alpha1.Phases(), d.Phase) && d.Phase != o.Object.Phase:
		t.Errorf("phase %q", d.Phase)
	case len(d.Message) > 4096 || strings.ContainsFunc(d.Message, func(r rune) bool { return r < ' ' }):
		t.Errorf("unfit message %q", d.Message)
	case !d.WakeAt.IsZero() && d.WakeAt.Before(o.Now.Add(-24*time.Hour)):
		t.Errorf("wakes at %s, and it is %s", d.WakeAt, o.Now)
	}
}

// buildAll makes the objects of what is valid.
func buildAll(t *testing.T, w *world) {
	t.Helper()
	if w.Object.Invalid != nil {
		return
	}
	var parts []*unstructured.Unstructured
	for _, provider := range []v1alpha1.ProviderObject{w.object.Spec.BootstrapSpec, w.object.Spec.InfrastructureSpec} {
		var secret []byte
		if provider.SecretRef != nil {
			secret = []byte("{}")
		}
		built, err := machine.BuildProviderObject(w.object, provider, secret)
		if err != nil {
			t.Errorf("what is valid cannot be built: %v", err)
			continue
		}
		if built.GetNamespace() != w.object.Namespace || built.GetName() != w.object.Name || built.GetKind() != provider.Kind {
			t.Errorf("built is %s %s/%s", built.GetKind(), built.GetNamespace(), built.GetName())
		}
		if owners := built.GetOwnerReferences(); len(owners) != 1 || owners[0].UID != w.object.UID {
			t.Errorf("its owners are %v", owners)
		}
		if _, err := built.MarshalJSON(); err != nil {
			t.Errorf("it cannot be sent: %v", err)
		}
		parts = append(parts, built)
	}
	if len(parts) < 2 {
		return
	}
	// To Cluster API, 0 and nothing are without limit.
	deletion := machine.BuildMachine(w.object, &clusterv1.Cluster{}, parts[0], parts[1]).Spec.Deletion
	for _, timeout := range []*int32{deletion.NodeDrainTimeoutSeconds, deletion.NodeVolumeDetachTimeoutSeconds, deletion.NodeDeletionTimeoutSeconds} {
		if timeout == nil || *timeout < 1 || *timeout > 86400 {
			t.Errorf("a timeout is not bounded: %+v", deletion)
		}
	}
}
