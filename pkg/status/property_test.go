package status

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/lifecycle"
	"github.com/finos/five-spot/pkg/schedule"
)

// anyInput is an observation of any world, what the rules make of it, and outcomes
// of any kind.
func anyInput(random *rand.Rand) Input {
	coin := func() bool { return random.IntN(2) == 0 }
	rare := func() bool { return random.IntN(6) == 0 }
	maybe := func(reason string) *lifecycle.Problem {
		if rare() {
			return &lifecycle.Problem{Reason: reason, Message: "problem\t" + reason}
		}
		return nil
	}
	o := lifecycle.Observation{
		Now:      now,
		Settings: lifecycle.Settings{FinalizerTimeout: 10 * time.Minute, ForceFinalizer: coin(), JoinTimeout: 30 * time.Minute},
		Object: lifecycle.Object{
			HasFinalizer: true, KillSwitch: rare(), Enabled: !rare(), Invalid: maybe(v1alpha1.ScheduleInvalidReason),
			GracefulShutdownTimeout: 5 * time.Minute, NodeDrainTimeout: 3 * time.Minute,
			WantsTaints: coin(), WantsReclaimAgent: coin(), Phase: v1alpha1.Phases()[random.IntN(8)],
		},
		Pause:           lifecycle.Pause{Object: rare(), Cluster: rare()},
		Schedule:        schedule.Evaluation{Active: coin(), Cause: v1alpha1.CauseWindow, NextActivation: now.Add(time.Hour), NextCleanup: now.Add(2 * time.Hour), WindowStart: now},
		ScheduleUnknown: maybe(v1alpha1.CalendarNotFoundReason),
		Cluster:         lifecycle.Cluster{APIMissing: rare(), Exists: !rare(), Deleting: rare(), InfrastructureProvisioned: !rare(), ControlPlaneInitialized: !rare(), Reachable: coin()},
		References:      maybe(v1alpha1.SecretNotFoundReason),
		Machine: lifecycle.Machine{
			Exists: coin(), ConfirmedAbsent: coin(), Deleting: coin(), Running: coin(), HasNodeRef: coin(), SkipsDrain: rare(),
			SpecChanged: rare(), CreatedAt: now.Add(-time.Duration(random.IntN(60)) * time.Minute),
		},
		Node: lifecycle.Node{Known: coin(), Exists: coin(), Ready: coin(), Name: "worker", ReclaimRequested: rare(), HasOwnTaints: coin(), CordonedByUs: rare()},
	}
	o.Schedule.Provision = o.Schedule.Active || rare()
	if rare() {
		o.Object.DeletedAt = now.Add(-time.Duration(random.IntN(20)) * time.Minute)
	}
	if rare() {
		o.CreateNotBefore = now.Add(time.Minute)
	}
	if rare() {
		o.Machine.Failed = "broken\x00"
	}
	if coin() {
		o.Object.Shutdown = &v1alpha1.ShutdownStatus{
			StartedAt: metav1.NewTime(now.Add(-time.Duration(random.IntN(10)) * time.Minute)), Reason: v1alpha1.ShutdownWindowClosed, Drained: rare(),
		}
		o.Object.Shutdown.DrainStartedAt = &o.Object.Shutdown.StartedAt
	}
	for range random.IntN(4) {
		o.Object.RecentReclaims = append(o.Object.RecentReclaims, now.Add(-time.Minute))
	}
	in := Input{Generation: 7, Observation: o, Decision: lifecycle.Decide(o), Facts: Facts{ResolvedSchedule: "always"}}
	if o.Machine.Exists {
		in.Facts.MachineRef = reference("Machine", "m-1")
		in.Facts.ProviderID = "x://1"
	}
	if coin() {
		in.Old.MachineRef, in.Old.NodeRef = reference("Machine", "m-1"), reference("Node", "n-0")
	}
	if o.Node.Known && o.Node.Exists {
		in.Facts.NodeRef = reference("Node", "n-1")
		in.Facts.AppliedNodeTaints = []v1alpha1.NodeTaint{{Key: "b"}, {Key: "a", Effect: "NoSchedule"}}
	}
	for _, action := range in.Decision.Actions {
		in.Outcomes = append(in.Outcomes, anyOutcome(random, action))
	}
	return in
}

func anyOutcome(random *rand.Rand, action lifecycle.Action) lifecycle.Outcome {
	o := lifecycle.Outcome{Action: action, Changed: random.IntN(2) == 0}
	switch random.IntN(4) {
	case 0:
		o.State = lifecycle.OutcomeDone
		o.Drained = action.Kind == lifecycle.ActionDrainNode
	case 1:
		o.State = lifecycle.OutcomePending
		o.Drain = &v1alpha1.DrainStatus{PodsTotal: 3, PodsRemaining: 2, BlockedBy: []string{"b", "a"}}
	case 2:
		o.State, o.Err = lifecycle.OutcomeFailed, errSecret
	default:
		o.State, o.RetryAt = lifecycle.OutcomeFailed, now.Add(time.Minute)
		o.Problem = &lifecycle.Problem{Reason: v1alpha1.ProviderRefusedReason, Message: "no"}
	}
	return o
}

var reasonPattern = regexp.MustCompile(`^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$`)

func TestEveryStatusIsCompleteAndSaysTheSameWhenNothingChanges(t *testing.T) {
	t.Parallel()
	foreign := metav1.Condition{Type: "example.com/Audited", Status: metav1.ConditionTrue, Reason: "Done", LastTransitionTime: metav1.NewTime(now.Truncate(time.Second).Local())}
	for seed := range uint64(2_000) {
		in := anyInput(rand.New(rand.NewPCG(seed, 0)))
		in.Old.Conditions = []metav1.Condition{foreign}
		first := Describe(in)
		if problem := incomplete(first, foreign); problem != "" {
			t.Fatalf("seed %d: %s\nrule %s\n%+v", seed, problem, in.Decision.Rule, first)
		}
		in.Old = stored(t, first)
		if diff := cmp.Diff(in.Old, first); diff != "" {
			t.Fatalf("seed %d: the API server keeps something else (-kept +described):\n%s", seed, diff)
		}
		in.Observation.Now = now.Add(90 * time.Second)
		if in.Observation.Now.After(in.Observation.CreateNotBefore) && !in.Observation.CreateNotBefore.IsZero() {
			in.Observation.CreateNotBefore = in.Observation.Now.Add(time.Hour)
			in.Old = stored(t, Describe(in))
		}
		if diff := cmp.Diff(in.Old, Describe(in)); diff != "" {
			t.Fatalf("seed %d, rule %s: the same world is described differently (-first +second):\n%s", seed, in.Decision.Rule, diff)
		}
	}
}

// incomplete is what is wrong with a status, whatever the world.
func incomplete(status v1alpha1.ScheduledMachineStatus, foreign metav1.Condition) string {
	if !slices.Contains(status.Conditions, foreign) {
		return "the condition of another owner is gone"
	}
	types := make([]string, 0, len(status.Conditions))
	for _, condition := range status.Conditions[1:] {
		types = append(types, condition.Type)
		switch {
		case condition.ObservedGeneration != 7:
			return condition.Type + " is of another generation"
		case !reasonPattern.MatchString(condition.Reason):
			return fmt.Sprintf("%s has the reason %q", condition.Type, condition.Reason)
		case condition.Message == "" || strings.ContainsAny(condition.Message, "\x00\t\n"):
			return fmt.Sprintf("%s has the message %q", condition.Type, condition.Message)
		case strings.Contains(condition.Message, "hunter2"):
			return condition.Type + " shows an error of the API"
		}
	}
	if diff := cmp.Diff(v1alpha1.ConditionTypes(), types); diff != "" {
		return "the conditions are (-want +got):\n" + diff
	}
	if !consistent(status) {
		return "Ready says as scheduled, but the Machine is not Ready"
	}
	return ""
}

func consistent(status v1alpha1.ScheduledMachineStatus) bool {
	is := func(condition string) metav1.Condition {
		return status.Conditions[slices.IndexFunc(status.Conditions, func(c metav1.Condition) bool { return c.Type == condition })]
	}
	return is(v1alpha1.ReadyCondition).Reason != v1alpha1.ReadyAsScheduledReason || is(v1alpha1.MachineReadyCondition).Status == metav1.ConditionTrue
}

func BenchmarkDescribe(b *testing.B) {
	in := running()
	in.Old = Describe(in)
	b.ReportAllocs()
	for b.Loop() {
		Describe(in)
	}
}
