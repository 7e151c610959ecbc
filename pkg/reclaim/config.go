package reclaim

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

const (
	// ConfigKey is the key of the ConfigMap under which the Config lies.
	ConfigKey = "reclaim.toml"

	// DefaultPollInterval is how often the agent reads /proc where the kernel does not
	// tell it of processes.
	DefaultPollInterval = 250 * time.Millisecond

	// MinPollInterval is how often at most.
	MinPollInterval = 50 * time.Millisecond

	// MaxPollInterval is how often at least.
	MaxPollInterval = time.Minute

	// maxPatterns and maxPattern bound the patterns: how many there are of both kinds,
	// and how many characters each has. They are those of spec.killIfCommands.
	maxPatterns = 100
	maxPattern  = 256

	// maxConfig bounds the text, in bytes; it is far above what the other bounds allow.
	maxConfig = 1 << 18

	// configMapPrefix is before the Node's name in the name of its ConfigMap.
	configMapPrefix = "reclaim-agent-"

	// maxName is how long the name of an object may be.
	maxName = 253
)

// Errors of Parse.
var (
	errTooLong      = errors.New("reclaim.toml is too long")
	errPattern      = fmt.Errorf("a pattern must have 1 to %d characters", maxPattern)
	errPatterns     = fmt.Errorf("there must be at most %d patterns", maxPatterns)
	errPollInterval = fmt.Errorf("poll_interval_ms must be between %d and %d", MinPollInterval.Milliseconds(), MaxPollInterval.Milliseconds())
)

// Config is what the agent on one Node looks for.
type Config struct {
	// Commands match a process by its name: comm, or the base name of argv[0].
	Commands []string

	// ArgvSubstrings match a process whose arguments, joined by blanks, contain them.
	ArgvSubstrings []string

	// PollInterval is how often /proc is read where the kernel does not tell.
	PollInterval time.Duration

	// MatchPods makes processes inside Kubernetes Pods match too.
	MatchPods bool
}

// file is a Config as it is written down.
type file struct {
	Commands       []string `toml:"match_commands"`
	ArgvSubstrings []string `toml:"match_argv_substrings"`
	PollIntervalMS int64    `toml:"poll_interval_ms"`
	MatchPods      bool     `toml:"match_pods,omitempty"`
}

// ConfigFor is the Config for spec.killIfCommands: what has neither a blank nor a slash
// is the name of a command, everything else a part of a command line. Doubles and empty
// patterns are dropped.
func ConfigFor(killIfCommands []string) Config {
	config := Config{PollInterval: DefaultPollInterval}
	for _, pattern := range killIfCommands {
		switch {
		case !isPattern(pattern):
		case strings.ContainsAny(pattern, " \t\n\r\v\f/"):
			config.ArgvSubstrings = append(config.ArgvSubstrings, pattern)
		default:
			config.Commands = append(config.Commands, pattern)
		}
	}
	config.Commands, config.ArgvSubstrings = unique(config.Commands), unique(config.ArgvSubstrings)
	return config
}

func unique(patterns []string) []string {
	slices.Sort(patterns)
	return slices.Compact(patterns)
}

// Empty is whether nothing is looked for.
func (c Config) Empty() bool { return len(c.Commands)+len(c.ArgvSubstrings) == 0 }

// Render writes the Config down. It is the same text for the same Config.
func (c Config) Render() (string, error) {
	text, err := toml.Marshal(file{
		Commands:       nonNil(c.Commands),
		ArgvSubstrings: nonNil(c.ArgvSubstrings),
		PollIntervalMS: c.PollInterval.Milliseconds(),
		MatchPods:      c.MatchPods,
	})
	if err != nil {
		return "", fmt.Errorf("failed to render reclaim.toml: %w", err)
	}
	return string(text), nil
}

// nonNil has an empty list written down as such.
func nonNil(patterns []string) []string {
	if patterns == nil {
		return []string{}
	}
	return patterns
}

// Parse reads a Config. What is not there has its default; keys that are not known are
// ignored, so that an agent can be older than what configures it. The error names what
// is wrong.
func Parse(text string) (Config, error) {
	if len(text) > maxConfig {
		return Config{}, errTooLong
	}
	read := file{PollIntervalMS: DefaultPollInterval.Milliseconds()}
	if err := toml.NewDecoder(bytes.NewReader([]byte(text))).Decode(&read); err != nil {
		return Config{}, fmt.Errorf("failed to read reclaim.toml: %w", err)
	}
	if len(read.Commands)+len(read.ArgvSubstrings) > maxPatterns {
		return Config{}, errPatterns
	}
	for _, pattern := range slices.Concat(read.Commands, read.ArgvSubstrings) {
		if !isPattern(pattern) {
			return Config{}, errPattern
		}
	}
	if ms := read.PollIntervalMS; ms < MinPollInterval.Milliseconds() || ms > MaxPollInterval.Milliseconds() {
		return Config{}, errPollInterval
	}
	return Config{
		Commands:       read.Commands,
		ArgvSubstrings: read.ArgvSubstrings,
		PollInterval:   time.Duration(read.PollIntervalMS) * time.Millisecond,
		MatchPods:      read.MatchPods,
	}, nil
}

// ConfigMapName is the name of the ConfigMap for the agent on a Node. A Node's name may
// take all the length that a name may have; then a hash stands for its end.
func ConfigMapName(node string) string {
	name := configMapPrefix + node
	if len(name) <= maxName {
		return name
	}
	const hashed = 16
	sum := sha256.Sum256([]byte(node))
	return strings.TrimRight(name[:maxName-hashed-1], "-.") + "-" + hex.EncodeToString(sum[:])[:hashed]
}
