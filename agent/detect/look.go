//go:build linux

package detect

import "github.com/finos/five-spot/agent/match"

// look tells processes that match, each of them once.
type look struct {
	*processes
	matcher *match.Matcher

	// settled are processes that matched and were told, or are in a Pod, by when they
	// were started. Others are looked at each time: the same process can become another
	// program, and telling that it did not takes longer than to look.
	settled map[int]settled
	round   int
}

type settled struct {
	started uint64
	round   int
}

func newLook(all *processes, matcher *match.Matcher) *look {
	return &look{processes: all, matcher: matcher, settled: map[int]settled{}}
}

// at returns the pattern that the process matches, if it was not told before.
func (l *look) at(pid int) (pattern string, ok bool) {
	if _, ok := l.matcher.Match(l.process(pid)); !ok {
		delete(l.settled, pid)
		return "", false
	}
	return l.closer(pid)
}

// closer looks again at a process that seems to match. All that it reads is of the same
// process.
func (l *look) closer(pid int) (string, bool) {
	process, err := l.hold(pid)
	if err != nil {
		return "", false
	}
	defer process.release()
	pattern, ok := l.matcher.Match(process.process())
	if !ok {
		return "", false
	}
	started, err := process.started()
	if err != nil {
		return "", false
	}
	before, ok := l.settled[pid]
	if ok && before.started == started {
		l.settled[pid] = settled{started, l.round}
		return "", false
	}
	if !l.matcher.Pods() {
		inPod, err := process.inPod()
		if err != nil {
			return "", false
		}
		if inPod {
			l.settled[pid] = settled{started, l.round}
			return "", false
		}
	}
	l.settled[pid] = settled{started, l.round}
	return pattern, true
}

// all looks at all processes and returns their number.
func (l *look) all(tell func(pid int, pattern string), between func()) (int, error) {
	const often = 16
	l.round++
	n := 0
	err := l.each(func(pid int) {
		if pattern, ok := l.at(pid); ok {
			tell(pid, pattern)
		}
		if n++; n%often == 0 {
			between()
		}
	})
	if err == nil {
		l.forget()
	}
	return n, err
}

// forget drops what was settled about processes that were not there in this round.
func (l *look) forget() {
	for pid, s := range l.settled {
		if s.round != l.round {
			delete(l.settled, pid)
		}
	}
}
