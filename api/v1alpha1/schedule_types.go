package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DayRange is days of the week: mon, mon-fri, or mon-wed,fri-sun. A range may
// wrap around the week, as fri-mon does. Blanks around days are ignored.
//
// +kubebuilder:validation:MinLength=3
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:Pattern=`^ *(mon|tue|wed|thu|fri|sat|sun)( *- *(mon|tue|wed|thu|fri|sat|sun))?( *, *(mon|tue|wed|thu|fri|sat|sun)( *- *(mon|tue|wed|thu|fri|sat|sun))?)* *$`
type DayRange string

// HourRange is hours of the day: 9, 9-17, or 0-9,18-23. Both ends of a range
// belong to it, so that 9-17 is 09:00 to 18:00. A range may wrap around
// midnight, as 22-6 does; it then still means these hours of each listed day.
// Blanks around hours are ignored.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=128
// +kubebuilder:validation:Pattern=`^ *([01]?[0-9]|2[0-3])( *- *([01]?[0-9]|2[0-3]))?( *, *([01]?[0-9]|2[0-3])( *- *([01]?[0-9]|2[0-3]))?)* *$`
type HourRange string

// Weekday is one day of the week.
//
// +kubebuilder:validation:Enum=mon;tue;wed;thu;fri;sat;sun
type Weekday string

// ScheduleState is what an exception or an override makes of the schedule.
//
// +kubebuilder:validation:Enum=Active;Inactive
type ScheduleState string

const (
	// ScheduleActive means that the machine should be there.
	ScheduleActive ScheduleState = "Active"

	// ScheduleInactive means that the machine should not be there.
	ScheduleInactive ScheduleState = "Inactive"
)

// Schedule says when the machine should be part of its cluster. Exactly one of
// three forms is given: daysOfWeek with hoursOfDay, cron, or windows.
//
// +kubebuilder:validation:XValidation:rule="((has(self.daysOfWeek) && size(self.daysOfWeek) > 0) || (has(self.hoursOfDay) && size(self.hoursOfDay) > 0) ? 1 : 0) + (has(self.cron) ? 1 : 0) + (has(self.windows) && size(self.windows) > 0 ? 1 : 0) == 1",message="exactly one schedule form must be given: daysOfWeek with hoursOfDay, cron, or windows"
// +kubebuilder:validation:XValidation:rule="(has(self.daysOfWeek) && size(self.daysOfWeek) > 0) == (has(self.hoursOfDay) && size(self.hoursOfDay) > 0)",message="daysOfWeek and hoursOfDay must be given together"
// +kubebuilder:validation:XValidation:rule="!has(self.duration) || has(self.cron)",message="duration goes with cron only"
// +kubebuilder:validation:XValidation:rule="!has(self.cron) || has(self.duration) || self.cron.matches('^(@[a-z]+|[ \\t]*([*]|[0-9]+)[ \\t].*)$')",message="cron without duration must have * or one value in its minute field; give a duration for anything else"
type Schedule struct {
	// daysOfWeek are the days, in the schedule's timezone, on which the hours of
	// hoursOfDay are active.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=7
	DaysOfWeek []DayRange `json:"daysOfWeek,omitempty"`

	// hoursOfDay are the hours that are active on each day of daysOfWeek.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=24
	HoursOfDay []HourRange `json:"hoursOfDay,omitempty"`

	// cron is five cron fields (minute, hour, day of month, month, day of week)
	// or one of the macros @hourly, @daily, @midnight, @weekly, @monthly, @yearly
	// and @annually, in the schedule's timezone. Each activation opens a window of
	// the given duration; without duration, of one minute where the minute field
	// is * and of one hour where it is a single value.
	// +optional
	// +kubebuilder:validation:MinLength=6
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|[ \t]*[0-9*/,?-]+[ \t]+[0-9*/,?-]+[ \t]+[0-9*/,?-]+[ \t]+[0-9A-Za-z*/,?-]+[ \t]+[0-9A-Za-z*/,?-]+[ \t]*)$`
	Cron *string `json:"cron,omitempty"`

	// duration is how long the window stays open that each activation of cron
	// opens.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('[1-9]')",message="must be longer than 0s"
	Duration *Duration `json:"duration,omitempty"`

	// windows are spans of local time with minute precision.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	Windows []Window `json:"windows,omitempty"`

	// exceptions are whole local days that overrule the windows. The first
	// exception that holds for an instant wins.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Exceptions []ScheduleException `json:"exceptions,omitempty"`

	// calendarRef names a MachineCalendar whose exceptions apply too. They lose to
	// the exceptions given here. While the calendar does not exist, the machine
	// stays as it is.
	// +optional
	CalendarRef *CalendarReference `json:"calendarRef,omitempty"`

	// override sets the state until a given time. It wins over exceptions and
	// windows and expires by itself.
	// +optional
	Override *ScheduleOverride `json:"override,omitempty"`

	// leadTime is how long before a window opens provisioning starts, so that the
	// Node is Ready when it opens. At most 2h.
	// +optional
	// +kubebuilder:default="0s"
	// +kubebuilder:validation:XValidation:rule="self.matches('^0*[0-9]{1,5}[smh]$') && duration(self) <= duration('2h')",message="must be at most 2h"
	LeadTime Duration `json:"leadTime,omitempty"`

	// timezone is the IANA name of the zone in which the schedule's local times
	// are meant.
	// +optional
	// +kubebuilder:default=UTC
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z][A-Za-z0-9_+\-/]*$`
	// +kubebuilder:validation:XValidation:rule="self != 'Local' && timestamp('2024-01-01T00:00:00Z').getHours(self) >= 0",message="must be an IANA time zone that the API server knows, such as Europe/Berlin"
	Timezone string `json:"timezone,omitempty"`

	// enabled set to false shuts the machine down gracefully and keeps it away. To
	// freeze a machine as it is, annotate the ScheduledMachine with
	// cluster.x-k8s.io/paused instead.
	// +optional
	// +kubebuilder:default=true
	Enabled *bool `json:"enabled,omitempty"`
}

// Window is a span of local time that recurs every week.
type Window struct {
	// days are the days on which the window starts.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=7
	Days []DayRange `json:"days"`

	// start is the local time at which the window opens, from 00:00 to 23:59.
	// +required
	// +kubebuilder:validation:MinLength=5
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:Pattern=`^([01][0-9]|2[0-3]):[0-5][0-9]$`
	Start string `json:"start"`

	// end is the local time at which the window closes, from 00:00 to 24:00. An
	// end at or before start is on the next day, unless endDay is given.
	// +required
	// +kubebuilder:validation:MinLength=5
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:Pattern=`^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$`
	End string `json:"end"`

	// endDay is the day on which the window closes, the next one of that name: a
	// window from fri 20:00 to mon 08:00 is open all weekend.
	// +optional
	EndDay *Weekday `json:"endDay,omitempty"`
}

// ScheduleException overrules the windows on whole local days.
//
// +kubebuilder:validation:XValidation:rule="self.from <= self.to",message="to must not be before from"
type ScheduleException struct {
	// from is the first day, as YYYY-MM-DD.
	// +required
	// +kubebuilder:validation:Format=date
	// +kubebuilder:validation:MinLength=10
	// +kubebuilder:validation:MaxLength=10
	From string `json:"from"`

	// to is the last day, as YYYY-MM-DD. It belongs to the exception.
	// +required
	// +kubebuilder:validation:Format=date
	// +kubebuilder:validation:MinLength=10
	// +kubebuilder:validation:MaxLength=10
	To string `json:"to"`

	// state is what the schedule is on these days.
	// +required
	State ScheduleState `json:"state"`

	// reason says why, for people.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Reason string `json:"reason,omitempty"`
}

// CalendarReference names a MachineCalendar.
type CalendarReference struct {
	// name of the MachineCalendar.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Name string `json:"name"`
}

// ScheduleOverride sets the state of a schedule for a limited time.
type ScheduleOverride struct {
	// state is what the schedule is while the override lasts.
	// +required
	State ScheduleState `json:"state"`

	// until is when the override ends, as RFC 3339 with capital T and Z or an
	// offset, such as 2026-12-24T18:00:00Z.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=date-time
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('1000-01-01T00:00:00Z')",message="must be an instant such as 2026-12-24T18:00:00Z"
	// +kubebuilder:validation:MaxLength=35
	// +kubebuilder:validation:Pattern=`^[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	Until metav1.Time `json:"until"`

	// reason says why, for people.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Reason string `json:"reason,omitempty"`
}
