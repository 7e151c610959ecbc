// Package environment reads a program's settings from environment variables, which
// stand in for flags that are not given.
package environment

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MaxSeconds is a day: no setting in seconds makes sense beyond it, and a far larger number
// would overflow to one that looks fine.
const MaxSeconds = 24 * 60 * 60

// Variables are environment variables. One that is empty is not set. What cannot be read
// is collected for Err.
type Variables struct {
	lookup func(string) (string, bool)
	errs   []error
}

// New returns the variables that lookup knows, such as os.LookupEnv.
func New(lookup func(string) (string, bool)) *Variables { return &Variables{lookup: lookup} }

// Text returns the value of a variable.
func (v *Variables) Text(name, fallback string) string {
	if value, ok := v.lookup(name); ok && value != "" {
		return value
	}
	return fallback
}

// Number returns the value of a variable that must be a whole number.
func (v *Variables) Number(name string, fallback int) int {
	return read(v, name, fallback, "a number", strconv.Atoi)
}

// Flag returns the value of a variable that must be true or false.
func (v *Variables) Flag(name string, fallback bool) bool {
	return read(v, name, fallback, "true or false", strconv.ParseBool)
}

// Duration returns the value of a variable that must be a duration, such as 90s.
func (v *Variables) Duration(name string, fallback time.Duration) time.Duration {
	return read(v, name, fallback, "a duration such as 90s or 1h30m", time.ParseDuration)
}

// List returns the value of a variable as what stands between its commas.
func (v *Variables) List(name string, fallback []string) []string {
	return read(v, name, fallback, "a list", func(value string) ([]string, error) { return strings.Split(value, ","), nil })
}

// Seconds returns the value of a variable that must be a whole number of seconds, up to
// MaxSeconds.
func (v *Variables) Seconds(name string, fallback int) time.Duration {
	return read(v, name, time.Duration(fallback)*time.Second, fmt.Sprintf("a number of seconds up to %d", MaxSeconds), ParseSeconds)
}

// ParseSeconds reads a whole number of seconds from 0 to MaxSeconds.
func ParseSeconds(text string) (time.Duration, error) {
	seconds, err := strconv.Atoi(text)
	if err != nil || seconds < 0 || seconds > MaxSeconds {
		return 0, fmt.Errorf("must be a whole number of seconds up to %d", MaxSeconds)
	}
	return time.Duration(seconds) * time.Second, nil
}

// Err names the variables whose values could not be read, and the rule; nil if there
// are none.
func (v *Variables) Err() error { return errors.Join(v.errs...) }

func read[T any](v *Variables, name string, fallback T, rule string, parse func(string) (T, error)) T {
	value := v.Text(name, "")
	if value == "" {
		return fallback
	}
	parsed, err := parse(value)
	if err != nil {
		v.errs = append(v.errs, fmt.Errorf("environment variable %s must be %s, not %q", name, rule, value))
	}
	return parsed
}
