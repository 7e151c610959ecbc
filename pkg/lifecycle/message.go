package lifecycle

import (
	"fmt"
	"strings"
	"time"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/schedule"
)

const (
	// maxMessage is the bound of status.message in bytes.
	maxMessage = 1024

	// maxNamed is how many objects or Pods a message names.
	maxNamed = 3
)

// scheduleCause says which part of the schedule makes it what it is, and until when.
func scheduleCause(e schedule.Evaluation) string {
	if e.Provision && !e.Active {
		return "The lead time of the window that opens at " + stamp(e.NextActivation) + " has begun"
	}
	cause := causeText(e)
	if e.Reason != "" {
		cause += " (" + quoted(e.Reason) + ")"
	}
	switch {
	case e.Active && !e.NextCleanup.IsZero():
		return cause + "; the schedule is active until " + stamp(e.NextCleanup)
	case !e.Active && !e.NextActivation.IsZero():
		return cause + "; the schedule is active again at " + stamp(e.NextActivation)
	default:
		return cause
	}
}

func causeText(e schedule.Evaluation) string {
	state := "inactive"
	if e.Active {
		state = "active"
	}
	switch e.Cause {
	case v1alpha1.CauseOverride:
		return "The override makes the schedule " + state
	case v1alpha1.CauseException:
		return "An exception makes the schedule " + state
	case v1alpha1.CauseCalendar:
		return "The MachineCalendar makes the schedule " + state
	case v1alpha1.CauseWindow:
	}
	if e.Active {
		return "A window is open"
	}
	return "No window is open"
}

// blockers tells what kept a drain from completing.
func blockers(drain *v1alpha1.DrainStatus) string {
	if drain == nil || drain.PodsRemaining == 0 {
		return ""
	}
	text := fmt.Sprintf("; %d of %d Pods remain", drain.PodsRemaining, drain.PodsTotal)
	if len(drain.BlockedBy) == 0 {
		return text
	}
	shortened := make([]string, 0, maxNamed)
	for _, pod := range drain.BlockedBy[:min(maxNamed, len(drain.BlockedBy))] {
		shortened = append(shortened, quoted(pod))
	}
	return text + ", blocked: " + strings.Join(shortened, ", ")
}

func names(references []v1alpha1.ObjectReference) string {
	named := make([]string, 0, len(references))
	for _, reference := range references {
		named = append(named, reference.Kind+" "+quoted(reference.Name))
	}
	return strings.Join(named[:min(maxNamed, len(named))], ", ")
}

// quoted makes somebody else's text safe to show: control characters are escaped
// and it is cut after 128 characters.
func quoted(text string) string { return fmt.Sprintf("%.128q", text) }

func stamp(instant time.Time) string { return instant.Format(time.RFC3339) }

// bounded cuts a message to the size of status.message, between two characters.
func bounded(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage], "")
}
