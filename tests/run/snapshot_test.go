package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/finos/five-spot/api/v1alpha1"
)

func TestTimelineRow(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 9, 30, 1, 0, time.FixedZone("elsewhere", 3600))
	for name, test := range map[string]struct {
		row, want string
	}{
		"an object without status shows dashes": {
			row:  snapshot{}.row(now, snapshot{}),
			want: "08:30:01  -                -             -                                   -",
		},
		"a cordoned Node is told from a free one": {
			row: snapshot{
				phase: v1alpha1.PhaseShuttingDown, machine: "Running", node: "desk.default", nodeReady: true, cordoned: true,
				next: "Active 08:32:00", message: "The window closed",
			}.row(now, snapshot{}),
			want: "08:30:01  ShuttingDown     Running       desk.default Ready,cordoned         Active 08:32:00     The window closed",
		},
		"a message is not repeated": {
			row:  snapshot{machine: "Running", message: "As before"}.row(now, snapshot{message: "As before"}),
			want: "08:30:01  -                Running       -                                   -",
		},
		"an event is told from a change of state": {
			row:  snapshot{phase: v1alpha1.PhasePending}.eventRow(now, "Normal MachineCreated: Created it"),
			want: "08:30:01  Pending          -             -                                   -                   * Normal MachineCreated: Created it",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, test.row); diff != "" {
				t.Errorf("row (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNextTransitionIsTheFirst(t *testing.T) {
	t.Parallel()
	at := metav1.NewTime(time.Date(2026, 5, 4, 9, 32, 0, 0, time.UTC))
	later := metav1.NewTime(at.Add(time.Minute))
	got := formatNext([]v1alpha1.ScheduleTransition{{Time: at, State: v1alpha1.ScheduleActive}, {Time: later, State: v1alpha1.ScheduleInactive}})
	if want := "Active 09:32:00"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	opts, err := parse([]string{"--once", "--deadline=90s"})
	if diff := cmp.Diff(options{once: true, deadline: 90 * time.Second}, opts, cmp.AllowUnexported(options{})); diff != "" || err != nil {
		t.Errorf("options (-want +got):\n%s, error %v", diff, err)
	}
	for _, bad := range []string{"--twice", "once"} {
		if _, err := parse([]string{bad}); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

// make run watches the Machine under the name that the sample gives it.
func TestTheWorkstationSampleNamesItsNamespace(t *testing.T) {
	t.Parallel()
	got, err := readSample("../../" + workstationSample)
	want := sample{namespace: "default", name: "workstation", cluster: "demo"}
	if got != want || err != nil {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}
