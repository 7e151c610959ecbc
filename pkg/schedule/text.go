package schedule

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/finos/five-spot/api/v1alpha1"
)

// maxText bounds Schedule.String, in bytes.
const maxText = 512

// maxQuoted bounds a value that an error repeats, in bytes.
const maxQuoted = 64

// weekdays are the days as people and as the API write them, from Monday.
var (
	weekdayNames = [7]string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}
	weekdayKeys  = [7]v1alpha1.Weekday{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
)

// String writes the days as ranges, such as Mon-Wed,Fri. A range may run over the
// end of the week.
func (d daySet) String() string {
	if d == everyWeekday {
		return "Mon-Sun"
	}
	var ranges []string
	for first := range 7 {
		if !d.has(first) || d.has((first+6)%7) {
			continue
		}
		last := first
		for d.has((last + 1) % 7) {
			last = (last + 1) % 7
		}
		text := weekdayNames[first]
		if last != first {
			text += "-" + weekdayNames[last]
		}
		ranges = append(ranges, text)
	}
	return strings.Join(ranges, ",")
}

// String writes the hours as spans of time, such as 00:00-07:00,22:00-24:00.
func (h hourSet) String() string {
	var spans []string
	for first := 0; first < 24; first++ {
		if !h.has(first) {
			continue
		}
		end := first + 1
		for end < 24 && h.has(end) {
			end++
		}
		spans = append(spans, fmt.Sprintf("%02d:00-%02d:00", first, end))
		first = end
	}
	return strings.Join(spans, ",")
}

// lengthText writes a duration in its largest unit that is exact.
func lengthText(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	default:
		return fmt.Sprintf("%ds", d/time.Second)
	}
}

// line joins the parts of a rule with the zone and leaves out as many parts as do
// not fit.
func line(parts []string, zone string) string {
	for shown := len(parts); shown > 0; shown-- {
		text := strings.Join(parts[:shown], "; ")
		if left := len(parts) - shown; left > 0 {
			text += fmt.Sprintf("; and %d more", left)
		}
		if text += " " + zone; len(text) <= maxText {
			return text
		}
	}
	return zone
}

// shortened cuts a value off, so that an error that repeats it stays readable.
func shortened(value string) string {
	if len(value) <= maxQuoted {
		return value
	}
	cut := maxQuoted
	for cut > 0 && !utf8.RuneStart(value[cut]) {
		cut--
	}
	return value[:cut] + "…"
}
