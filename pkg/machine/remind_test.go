package machine

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
)

func pausedCondition(status metav1.ConditionStatus) func(*clusterv1.Machine) {
	return func(m *clusterv1.Machine) {
		m.Status.Conditions = []metav1.Condition{{Type: clusterv1.PausedCondition, Status: status}}
	}
}

func TestStillPaused(t *testing.T) {
	t.Parallel()
	pausedItself := func(m *clusterv1.Machine) { m.Annotations[clusterv1.PausedAnnotation] = "" }
	for name, c := range map[string]struct {
		changes []func(*clusterv1.Machine)
		want    bool
	}{
		"never looked at":  {nil, false},
		"not paused":       {[]func(*clusterv1.Machine){pausedCondition(metav1.ConditionFalse)}, false},
		"with its Cluster": {[]func(*clusterv1.Machine){pausedCondition(metav1.ConditionTrue)}, true},
		"paused itself":    {[]func(*clusterv1.Machine){pausedCondition(metav1.ConditionTrue), pausedItself}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sm := scheduledMachine()
			if got := Observe(sm, presentMachine(t, sm, c.changes...)).StillPaused; got != c.want {
				t.Errorf("StillPaused = %t, want %t", got, c.want)
			}
		})
	}
}

func TestRemindChangesTheMachineAndIsRemembered(t *testing.T) {
	t.Parallel()
	now := created.Add(time.Minute + 7*time.Millisecond)
	for name, change := range map[string]func(*clusterv1.Machine){
		"running":        func(*clusterv1.Machine) {},
		"deleted":        deletingMachine,
		"reminded often": func(m *clusterv1.Machine) { m.Annotations[v1alpha1.RemindedAtAnnotation] = "yesterday" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sm := scheduledMachine()
			w := newWorld(t, presentMachine(t, sm, held, change))
			live := w.readMachine(t)
			if !Observe(sm, live).RemindedAt.IsZero() {
				t.Error("it was not reminded yet")
			}
			changed, err := w.objects.Remind(t.Context(), sm, live, now)
			if err != nil || !changed {
				t.Fatalf("Remind = %t, %v", changed, err)
			}
			if diff := cmp.Diff([]string{"patch Machine"}, w.writes()); diff != "" {
				t.Errorf("writes (-want +got):\n%s", diff)
			}
			if got := Observe(sm, w.readMachine(t)).RemindedAt; !got.Equal(now) {
				t.Errorf("RemindedAt = %s, want %s", got, now)
			}
		})
	}
}

func TestRemindLeavesAlone(t *testing.T) {
	t.Parallel()
	sm := scheduledMachine()

	t.Run("a Machine that is gone", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		changed, err := w.objects.Remind(t.Context(), sm, presentMachine(t, sm), created)
		if err != nil || changed {
			t.Errorf("Remind = %t, %v", changed, err)
		}
	})

	t.Run("a Machine that is not ours", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, presentMachine(t, sm, reown))
		_, err := w.objects.Remind(t.Context(), sm, w.readMachine(t), created)
		if !errors.Is(err, errNotOurs) || len(w.writes()) > 0 {
			t.Errorf("Remind = %v, writes %v", err, w.writes())
		}
	})

	t.Run("a Machine that has taken its name since", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, presentMachine(t, sm))
		former := w.readMachine(t)
		former.UID = "former"
		if changed, err := w.objects.Remind(t.Context(), sm, former, created); err != nil || changed {
			t.Errorf("Remind = %t, %v", changed, err)
		}
		now := w.readMachine(t)
		if _, reminded := now.Annotations[v1alpha1.RemindedAtAnnotation]; reminded {
			t.Errorf("%s was reminded", client.ObjectKeyFromObject(now))
		}
	})
}
