// Package match tells whether a process is one that its Node's owner listed, from the
// contents of the process's files in /proc. It is pure, and safe for concurrent use.
//
// The contents are whatever a process wants them to be: they may be empty, long, without
// a terminator, and no text at all.
package match

import (
	"bytes"

	"github.com/finos/five-spot/pkg/reclaim"
)

// Process is what is known of a process.
type Process struct {
	// Comm is the content of /proc/<pid>/comm: the name, of which the kernel keeps 15
	// bytes, and a line feed. The name may hold every byte but zero.
	Comm []byte

	// Cmdline is the content of /proc/<pid>/cmdline: every argument and a zero byte
	// after it. It is empty for a kernel thread and for what has ended.
	Cmdline []byte
}

// Matcher looks for the patterns of a Config.
type Matcher struct {
	commands map[string]struct{}
	argv     []substring
	pods     bool
}

type substring struct {
	text  string
	bytes []byte
}

// New returns a Matcher for the Config.
func New(config reclaim.Config) *Matcher {
	m := &Matcher{commands: make(map[string]struct{}, len(config.Commands)), pods: config.MatchPods}
	for _, command := range config.Commands {
		m.commands[command] = struct{}{}
	}
	// An empty one would be in everything.
	delete(m.commands, "")
	for _, text := range config.ArgvSubstrings {
		if text != "" {
			m.argv = append(m.argv, substring{text, []byte(text)})
		}
	}
	return m
}

// Pods is whether processes inside Kubernetes Pods are looked for too.
func (m *Matcher) Pods() bool { return m.pods }

// Match returns the pattern that the process matches. Case counts. A command matches
// when it equals comm or the base name of argv[0], so that names can be longer than the
// kernel keeps them; a part of a command line matches when the arguments, joined by
// blanks, contain it. Commands come first, then parts of command lines in the order of
// the Config. A process without a command line matches nothing.
func (m *Matcher) Match(p Process) (pattern string, ok bool) {
	if len(p.Cmdline) == 0 {
		return "", false
	}
	for _, name := range [][]byte{bytes.TrimSuffix(p.Comm, []byte{'\n'}), baseName(p.Cmdline)} {
		if _, ok := m.commands[string(name)]; ok {
			return string(name), true
		}
	}
	if len(m.argv) == 0 {
		return "", false
	}
	joined := bytes.ReplaceAll(bytes.TrimSuffix(p.Cmdline, []byte{0}), []byte{0}, []byte{' '})
	for _, part := range m.argv {
		if bytes.Contains(joined, part.bytes) {
			return part.text, true
		}
	}
	return "", false
}

// baseName is what follows the last slash of argv[0].
func baseName(cmdline []byte) []byte {
	first, _, _ := bytes.Cut(cmdline, []byte{0})
	return first[bytes.LastIndexByte(first, '/')+1:]
}
