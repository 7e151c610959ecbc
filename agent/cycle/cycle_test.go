package cycle_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"github.com/finos/five-spot/agent/annotate"
	"github.com/finos/five-spot/agent/cycle"
	"github.com/finos/five-spot/agent/detect"
	"github.com/finos/five-spot/pkg/reclaim"
)

var errDown = errors.New("connection refused")

// world is a host with processes, an API server with a Node, and a diary of what the
// cycle did.
type world struct {
	mu      sync.Mutex
	diary   []string
	running map[string]bool // processes by the pattern that they match
	armed   reclaim.Config
	found   chan detect.Found

	requested bool
	refuse    error // what the next requests answer
	blind     bool  // whether looks fail
	looks     []time.Time
	attempts  []time.Time
}

func newWorld(running ...string) *world {
	w := &world{running: map[string]bool{}, found: make(chan detect.Found, 8)}
	for _, pattern := range running {
		w.running[pattern] = true
	}
	return w
}

func (w *world) note(format string, args ...any) {
	w.diary = append(w.diary, fmt.Sprintf(format, args...))
}

// Arm implements cycle.Detector: as the real one it forgets what it found, and scans.
func (w *world) Arm(config reclaim.Config) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.found) > 0 {
		<-w.found
	}
	w.armed = config
	for _, pattern := range config.Commands {
		if w.running[pattern] {
			w.found <- detect.Found{PID: 7, Pattern: pattern, At: time.Now()}
		}
	}
}

// Found implements cycle.Detector.
func (w *world) Found() <-chan detect.Found { return w.found }

// start starts a process, which the detector finds if it is armed.
func (w *world) start(pattern string) {
	w.mu.Lock()
	w.running[pattern] = true
	w.mu.Unlock()
	w.Arm(w.armed)
}

func (w *world) stop(pattern string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.running, pattern)
}

// Request implements cycle.Annotator.
func (w *world) Request(_ context.Context, request reclaim.Request) (annotate.Result, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attempts = append(w.attempts, time.Now())
	if w.refuse != nil {
		return "", w.refuse
	}
	if w.requested {
		return annotate.AlreadyRequested, nil
	}
	w.requested = true
	w.note("annotate %s", strings.TrimPrefix(request.Reason, "process-match: "))
	return annotate.Written, nil
}

// Requested implements cycle.Annotator.
func (w *world) Requested(context.Context) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks = append(w.looks, time.Now())
	if w.blind {
		return false, errDown
	}
	return w.requested, nil
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// observer is a cycle.Observer that writes down what it is told.
type observer struct{ *world }

func (o observer) RequestFailed(found detect.Found, attempt int, _ error) {
	if attempt == 1 {
		o.note("failed %s", found.Pattern)
	}
}

func (o observer) Requested(found detect.Found, result annotate.Result) {
	o.note("requested %s %s", found.Pattern, result)
}

func (o observer) Dropped(found detect.Found) { o.note("dropped %s", found.Pattern) }

func (o observer) LookFailed(error) { o.note("blind") }

func (o observer) Released(found detect.Found) { o.note("released %s", found.Pattern) }

// TestCycle plays stories: what happens on the host and at the API server, and what the
// cycle does. Two minutes pass after each step.
func TestCycle(t *testing.T) {
	t.Parallel()
	type act func(w *world, configs chan<- reclaim.Config)
	config := func(commands ...string) act {
		return func(_ *world, configs chan<- reclaim.Config) { configs <- reclaim.Config{Commands: commands} }
	}
	start := func(pattern string) act { return func(w *world, _ chan<- reclaim.Config) { w.start(pattern) } }
	stop := func(pattern string) act { return func(w *world, _ chan<- reclaim.Config) { w.stop(pattern) } }
	set := func(change func(w *world)) act {
		return func(w *world, _ chan<- reclaim.Config) { w.set(func() { change(w) }) }
	}
	release := set(func(w *world) { w.requested = false })
	down := set(func(w *world) { w.refuse = errDown })
	up := set(func(w *world) { w.refuse = nil })
	foreign := set(func(w *world) { w.refuse = annotate.ErrWrongHost })

	for name, test := range map[string]struct {
		running []string
		acts    []act
		diary   []string
	}{
		"without a configuration nothing is done": {[]string{"idea"}, []act{start("idea")}, nil},
		"an empty configuration does nothing":     {[]string{"idea"}, []act{config(), start("idea")}, nil},
		"what runs when it is armed is found":     {[]string{"idea"}, []act{config("idea")}, []string{"annotate idea", "requested idea written"}},
		"what starts later is found":              {nil, []act{config("idea"), start("idea")}, []string{"annotate idea", "requested idea written"}},
		"it does not end after a match, and what still runs is annotated again": {
			nil,
			[]act{config("idea"), start("idea"), release, release},
			[]string{
				"annotate idea", "requested idea written", "released idea",
				"annotate idea", "requested idea written", "released idea",
				"annotate idea", "requested idea written",
			},
		},
		"what has ended is not annotated again, and another start is": {
			nil,
			[]act{config("idea"), start("idea"), stop("idea"), release, start("idea")},
			[]string{"annotate idea", "requested idea written", "released idea", "annotate idea", "requested idea written"},
		},
		"while it waits, other processes do not count": {
			nil,
			[]act{config("idea", "java"), start("idea"), start("java")},
			[]string{"annotate idea", "requested idea written"},
		},
		"a request that stands already is waited for": {
			[]string{"idea"},
			[]act{set(func(w *world) { w.requested = true }), config("idea"), stop("idea"), release},
			[]string{"requested idea already_requested", "released idea"},
		},
		"a request lands once the API server is back, though the process has ended": {
			nil,
			[]act{config("idea"), down, start("idea"), stop("idea"), up},
			[]string{"failed idea", "annotate idea", "requested idea written"},
		},
		"a wrong host is tried again and lands when it is the right one": {
			nil,
			[]act{config("idea"), foreign, start("idea"), up},
			[]string{"failed idea", "annotate idea", "requested idea written"},
		},
		"a request that nobody wants any more is dropped": {
			nil,
			[]act{config("idea"), down, start("idea"), config("java"), up},
			[]string{"failed idea", "dropped idea"},
		},
		"a request is dropped with its ConfigMap": {
			nil,
			[]act{config("idea"), down, start("idea"), config(), up},
			[]string{"failed idea", "dropped idea"},
		},
		"an edit that keeps the pattern keeps the request": {
			nil,
			[]act{config("idea"), down, start("idea"), stop("idea"), config("java", "idea"), up},
			[]string{"failed idea", "annotate idea", "requested idea written"},
		},
		"an edit while it waits counts afterwards": {
			[]string{"java"},
			[]act{config("idea"), start("idea"), config("java"), release},
			[]string{"annotate idea", "requested idea written", "released idea", "annotate java", "requested java written"},
		},
		"an edit finds what runs already": {
			[]string{"java"},
			[]act{config("idea"), config("java")},
			[]string{"annotate java", "requested java written"},
		},
		"a request that it cannot see is taken to be there": {
			nil,
			[]act{config("idea"), start("idea"), stop("idea"), set(func(w *world) { w.blind = true; w.diary = nil }), release, set(func(w *world) { w.blind = false; w.diary = nil })},
			[]string{"released idea"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(test.running...)
				configs, stopped := run(t, w)
				for _, act := range test.acts {
					act(w, configs)
					<-time.After(2 * time.Minute)
					synctest.Wait()
				}
				g := NewWithT(t)
				g.Expect(stopped).NotTo(BeClosed())
				g.Expect(w.diary).To(Equal(test.diary))
			})
		})
	}
}

// run runs a cycle until the test ends.
func run(t *testing.T, w *world) (configs chan<- reclaim.Config, stopped <-chan struct{}) {
	t.Helper()
	in, done := make(chan reclaim.Config), make(chan struct{})
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	go func() {
		defer close(done)
		cycle.New(w, w, observer{w}).Run(ctx, in)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return in, done
}

func TestAttemptsAreQuickAtFirstAndNeverEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, w := NewWithT(t), newWorld("idea")
		w.refuse = errDown
		configs, _ := run(t, w)
		configs <- reclaim.Config{Commands: []string{"idea"}}
		<-time.After(time.Hour)
		synctest.Wait()
		pauses := pausesOf(w.attempts)
		g.Expect(pauses[0]).To(BeNumerically("<=", 150*time.Millisecond))
		for _, pause := range pauses {
			g.Expect(pause).To(BeNumerically("<=", 18*time.Second))
		}
		g.Expect(len(pauses)).To(BeNumerically(">=", 200))
		g.Expect(len(pauses)).To(BeNumerically("<=", 260))
	})
}

func TestLooksAreSeldom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, w := NewWithT(t), newWorld("idea")
		configs, _ := run(t, w)
		configs <- reclaim.Config{Commands: []string{"idea"}}
		<-time.After(time.Hour)
		synctest.Wait()
		g.Expect(len(w.looks)).To(BeNumerically("<=", 260))
		for _, pause := range pausesOf(w.looks) {
			g.Expect(pause).To(BeNumerically("<=", 18*time.Second))
		}
	})
}

func pausesOf(times []time.Time) []time.Duration {
	var pauses []time.Duration
	for i := range len(times) - 1 {
		pauses = append(pauses, times[i+1].Sub(times[i]))
	}
	return pauses
}
