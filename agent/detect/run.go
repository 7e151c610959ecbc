//go:build linux

package detect

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// beatInterval is how often ModeNetlink looks whether the kernel still tells: some
	// versions stop without a word.
	beatInterval = 5 * time.Second

	// beatsPerSweep is how many of these there are to one look at all processes. The
	// kernel can lose an event without noticing when it has no memory.
	beatsPerSweep = 6

	// retryInterval is how often ModeAuto tries ModeNetlink after it did not work.
	retryInterval = time.Minute

	// retrySoon is how often what cannot be done without is tried.
	retrySoon = time.Second
)

// Reasons why the kernel's events are of no use.
var (
	errOtherPIDs = errors.New("the kernel tells of PIDs that are not those of this /proc: the host's PID namespace is needed")
	errStopped   = errors.New("the kernel has stopped to tell of processes")
)

// Run detects processes until ctx ends. It may be called once.
func (d *Detector) Run(ctx context.Context) error {
	d.setRunning(true)
	defer d.setRunning(false)
	for ctx.Err() == nil {
		d.mu.Lock()
		w := &watch{Detector: d, arming: d.arming, looked: map[int]struct{}{}}
		d.mu.Unlock()
		if w.arming.matcher == nil {
			w.use(ModeIdle, nil)
			w.fail(nil)
			w.wait(ctx, nil)
			continue
		}
		w.run(ctx)
	}
	return nil
}

func (d *Detector) setRunning(running bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running = running
}

// run looks for processes until something else is looked for.
func (w *watch) run(ctx context.Context) {
	all, err := openProcesses(w.ProcRoot)
	if err != nil {
		w.fail(err)
		w.pause(ctx)
		return
	}
	defer all.close()
	w.look = newLook(all, w.arming.matcher)

	retry := retryInterval
	from, reason := w.open()
	for !w.over(ctx) {
		switch {
		case from != nil:
			reason = w.follow(ctx, from)
			from.close()
			from, retry = nil, retrySoon
		case w.Options.Mode == ModeNetlink:
			w.use(ModeIdle, reason)
			w.fail(reason)
			w.pause(ctx)
			from, reason = w.open()
		default:
			from = w.poll(ctx, reason, retry)
			retry = retryInterval
		}
	}
	if from != nil {
		from.close()
	}
}

// open has the kernel tell. It returns nothing where that is not wanted.
func (w *watch) open() (source, error) {
	if w.Options.Mode == ModePoll {
		return nil, nil
	}
	if !w.look.isOfTheKernel() {
		return nil, errOtherPIDs
	}
	return w.listen(w.Clock)
}

// follow looks at the processes that the kernel tells of. It returns why it no longer
// does.
func (w *watch) follow(ctx context.Context, from source) error {
	w.from = from
	defer func() { w.from = nil }()
	w.use(ModeNetlink, nil)
	w.scan(CauseArmed)
	beat := w.Clock.NewTimer(beatInterval)
	defer beat.Stop()
	for beats := 1; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-w.arming.changed:
			return nil
		case <-from.ended():
			return errStopped
		case <-from.changes().filled:
			w.catchUp()
		case <-beat.C():
			if !from.beat() {
				return errStopped
			}
			if beats%beatsPerSweep == 0 {
				w.scan(CauseSweep)
			}
			beats++
			beat.Reset(beatInterval)
		}
	}
}

// poll looks at all processes in the interval until the kernel tells of them. It returns
// nil when something else is looked for.
func (w *watch) poll(ctx context.Context, reason error, retry time.Duration) source {
	w.use(ModePoll, reason)
	w.scan(CauseArmed)
	again := w.Clock.NewTimer(retry)
	defer again.Stop()
	timer := w.Clock.NewTimer(w.arming.interval)
	defer timer.Stop()
	opened := make(chan source)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.arming.changed:
			return nil
		case <-timer.C():
			w.scan(CausePoll)
			timer.Reset(w.arming.interval)
		case <-again.C():
			go w.reopen(ctx, opened)
		case from := <-opened:
			if from != nil {
				return from
			}
			again.Reset(retryInterval)
		}
	}
}

// reopen tries to have the kernel tell, which can take longer than the interval.
func (w *watch) reopen(ctx context.Context, opened chan<- source) {
	from, err := w.open()
	if err != nil {
		w.Log.V(1).Info("The kernel still does not tell of processes", "reason", err.Error())
		from = nil
	}
	select {
	case opened <- from:
		return
	case <-ctx.Done():
	case <-w.arming.changed:
	}
	if from != nil {
		from.close()
	}
}

// over is whether something else is looked for, or nothing at all any more.
func (w *watch) over(ctx context.Context) bool {
	select {
	case <-w.arming.changed:
		return true
	default:
		return ctx.Err() != nil
	}
}

// pause waits before something is tried again.
func (w *watch) pause(ctx context.Context) {
	timer := w.Clock.NewTimer(retrySoon)
	defer timer.Stop()
	w.wait(ctx, timer.C())
}

// wait waits until something else is looked for, or for more.
func (w *watch) wait(ctx context.Context, more <-chan time.Time) {
	select {
	case <-ctx.Done():
	case <-w.arming.changed:
	case <-more:
	}
}

// use tells which mode is in use, and why not a better one.
func (w *watch) use(mode Mode, reason error) {
	text := ""
	if reason != nil {
		text = reason.Error()
	}
	w.mu.Lock()
	same := w.mode == mode && w.reason == text
	w.mode, w.reason = mode, text
	w.mu.Unlock()
	if same {
		return
	}
	w.Log.Info("Detecting processes", "mode", mode, "reason", text)
	w.Observer.Using(mode, text)
}

// fail sets why nothing can be found.
func (w *watch) fail(err error) {
	w.mu.Lock()
	was := w.failure
	w.failure = err
	w.mu.Unlock()
	if err != nil && was == nil {
		w.Log.Error(fmt.Errorf("failed to detect processes: %w", err), "No process can be found")
	}
}
