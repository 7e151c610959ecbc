package status

import (
	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/lifecycle"
)

// Input is everything that a status is made of.
type Input struct {
	// Old is the present status.
	Old v1alpha1.ScheduledMachineStatus

	// Generation is the metadata.generation of the spec that was observed.
	Generation int64

	Observation lifecycle.Observation
	Decision    lifecycle.Decision
	Outcomes    []lifecycle.Outcome

	Facts Facts
}

// Facts are what the rules do not need and people want to see.
type Facts struct {
	// MachineRef, BootstrapRef and InfrastructureRef are the objects of ours that
	// are there, those included that were created a moment ago.
	MachineRef, BootstrapRef, InfrastructureRef *v1alpha1.ObjectReference

	// NodeRef is the Machine's Node; nil when it is not there or cannot be asked for.
	NodeRef *v1alpha1.ObjectReference

	// ProviderID is the Machine's spec.providerID.
	ProviderID string

	// ResolvedSchedule is the schedule in one line for people; empty when it cannot
	// be evaluated.
	ResolvedSchedule string

	// AppliedNodeTaints are the taints on the Node that 5-Spot owns. They count
	// only while the Node is known.
	AppliedNodeTaints []v1alpha1.NodeTaint
}

// Describe returns the status that shows in. While the ScheduledMachine is paused
// the status stays as it was, but for the condition Paused and what the schedule
// says.
func Describe(in Input) v1alpha1.ScheduledMachineStatus {
	next := in.Old.DeepCopy()
	describeSchedule(in, next)
	if !in.paused() || next.Phase == "" {
		next.Phase = in.Decision.Phase
	}
	if !in.paused() {
		next.ObservedGeneration = in.Generation
		describeObjects(in, next)
		describeShutdown(in, next)
	}
	if !in.paused() || next.Message == "" {
		next.Message = readable(ready(in).message)
	}
	describeConditions(in, next)
	return *next
}

func (in Input) paused() bool { return in.Decision.Rule == lifecycle.RulePaused }

// outcome is how an action of the given kind went; nil when there was none.
func (in Input) outcome(kind lifecycle.ActionKind) *lifecycle.Outcome {
	for i := range in.Outcomes {
		if in.Outcomes[i].Action.Kind == kind {
			return &in.Outcomes[i]
		}
	}
	return nil
}

// firstProblem is what the first of these actions met with; nil when none met with any.
func (in Input) firstProblem(kinds ...lifecycle.ActionKind) *lifecycle.Problem {
	for _, kind := range kinds {
		if outcome := in.outcome(kind); outcome != nil && outcome.Problem != nil {
			return outcome.Problem
		}
	}
	return nil
}
