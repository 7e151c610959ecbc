package lifecycle

import (
	"time"

	"github.com/finos/five-spot/api/v1alpha1"
)

// standstill says what has to be mended before anything is decided again.
func standstill(o Observation) string {
	if o.Object.Invalid != nil {
		return o.Object.Invalid.Message
	}
	return "An object stands in the way that 5-Spot did not create for this ScheduledMachine: " + quoted(o.Machine.Foreign)
}

// standstillRetry is when to look again: an invalid spec waits for its edit, an
// object in the way sends no event when it goes.
func standstillRetry(o Observation) time.Time {
	if o.Object.Invalid != nil {
		return wake(o)
	}
	return wake(o, later(o.Now.Add(foreignRecheckAfter), o.CreateNotBefore))
}

// unknown is what is shown while the schedule cannot be evaluated.
func unknown(o Observation, phase v1alpha1.Phase) shown {
	return shown{phase, v1alpha1.ReadyWaitingReason, o.ScheduleUnknown.Message}
}

// holdMachine looks after a Machine that stays because nobody knows better.
func holdMachine(o Observation) Decision {
	d := keep(o)
	held := unknown(o, d.Phase)
	d.Reason, d.Message = held.reason, held.message
	return d
}

// holdAbsence creates nothing. What was on its way stays Pending; everything else
// is Inactive as soon as it is certain that there is no Machine.
func holdAbsence(o Observation) Decision {
	phase, wakeAt := v1alpha1.PhaseInactive, wake(o)
	waiting := o.Object.Phase == v1alpha1.PhasePending || o.Object.Phase == v1alpha1.PhaseActive
	switch {
	case waiting || o.Machine.Exists:
		phase = v1alpha1.PhasePending
	case !o.Machine.ConfirmedAbsent && !o.Object.AtRest():
		phase, wakeAt = v1alpha1.PhasePending, wake(o, o.Now.Add(recheckAfter))
	}
	held := unknown(o, phase)
	return Decision{Phase: held.phase, Reason: held.reason, Message: held.message, WakeAt: wakeAt}
}
