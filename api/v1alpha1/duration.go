package v1alpha1

import (
	"errors"
	"fmt"
	"time"
)

// MaxDuration is the longest Duration that any field accepts.
const MaxDuration = 24 * time.Hour

// Duration is a whole number of seconds, minutes or hours, at most 24 hours,
// such as 90s, 5m or 2h.
//
// +kubebuilder:validation:MinLength=2
// +kubebuilder:validation:MaxLength=16
// +kubebuilder:validation:Pattern=`^[0-9]+[smh]$`
// +kubebuilder:validation:XValidation:rule="self.matches('^0*[0-9]{1,5}[smh]$') && duration(self) <= duration('24h')",message="must be at most 24h"
type Duration string

var (
	errDurationFormat = errors.New("must be a whole number followed by s, m or h, such as 90s, 5m or 2h")
	errDurationCap    = errors.New("must be at most 24h")
)

// Parse returns the length of d. It never overflows: the number is capped while
// it is read, so that an absurdly long one is refused instead of wrapping around.
func (d Duration) Parse() (time.Duration, error) {
	if len(d) < 2 || len(d) > 16 {
		return 0, errDurationFormat
	}
	unit, ok := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour}[d[len(d)-1]]
	if !ok {
		return 0, errDurationFormat
	}
	limit := int64(MaxDuration / unit)
	var n int64
	for i := range len(d) - 1 {
		if d[i] < '0' || d[i] > '9' {
			return 0, errDurationFormat
		}
		n = min(n*10+int64(d[i]-'0'), limit+1)
	}
	if n > limit {
		return 0, errDurationCap
	}
	return time.Duration(n) * unit, nil
}

// ParseOr is Parse, with fallback for the empty Duration of a field that was not set.
func (d Duration) ParseOr(fallback time.Duration) (time.Duration, error) {
	if d == "" {
		return fallback, nil
	}
	parsed, err := d.Parse()
	if err != nil {
		return 0, fmt.Errorf("%.16q %w", string(d), err)
	}
	return parsed, nil
}
