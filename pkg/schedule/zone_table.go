package schedule

import (
	"fmt"
	"sync"
	"time"
)

// The years that zone tables cover. Other years work too, but take longer.
const (
	firstTableYear = 2000
	lastTableYear  = 2100
)

// zones remembers what loadZone made of a name, since thousands of schedules share
// few zones. It holds valid names only, of which there are some 600; what it holds
// never changes.
var zones sync.Map

// loadZone returns the zone of an IANA name.
func loadZone(name string) (zone, error) {
	known, _ := zones.Load(name)
	if z, ok := known.(zone); ok {
		return z, nil
	}
	location, err := time.LoadLocation(name)
	if err != nil {
		return zone{}, fmt.Errorf("failed to load time zone: %w", err)
	}
	z := newZone(location)
	zones.Store(name, z)
	return z, nil
}

func newZone(location *time.Location) zone {
	z := zone{location: location}
	end := time.Date(lastTableYear+1, time.January, 1, 0, 0, 0, 0, time.UTC).Unix()
	for t := time.Date(firstTableYear, time.January, 1, 0, 0, 0, 0, time.UTC).Unix(); t < end; {
		s := stretchAt(location, t)
		t = s.end
		if last := len(z.table) - 1; last >= 0 && z.table[last].offset == s.offset {
			z.table[last].end = s.end
		} else {
			z.table = append(z.table, s)
		}
	}
	return z
}

// stretchAt asks the standard library.
func stretchAt(location *time.Location, t int64) stretch {
	instant := time.Unix(t, 0).In(location)
	_, offset := instant.Zone()
	start, end := instant.ZoneBounds()
	s := stretch{start: ever, end: never, offset: int64(offset)}
	if !start.IsZero() {
		s.start = start.Unix()
	}
	if !end.IsZero() {
		s.end = end.Unix()
	}
	if s.end <= t {
		// The standard library ends a year that follows a rule after 365 days, so
		// on the last day of a leap year the end has already passed.
		s.end = (floorDiv(t, secondsPerDay) + 1) * secondsPerDay
	}
	return s
}
