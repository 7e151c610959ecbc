// Package event writes Events on the agent's Node. They are for people and may be lost:
// nothing waits for them, and nothing depends on them.
package event

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"
)

const (
	// Namespace is where Events on Nodes are: a Node has no namespace of its own.
	Namespace = metav1.NamespaceDefault

	controller = "5spot.finos.org/reclaim-agent"

	// Limits of the API server, in bytes.
	maxNote     = 1024
	maxInstance = 128
	maxNodeName = 230 // in the name of the Event, which has a time behind it

	// queued is how many Events wait at most while the API server cannot be reached.
	queued = 16
)

// Events creates Events.
type Events interface {
	CreateEvent(ctx context.Context, event *eventsv1.Event) error
}

// Recorder writes Events on one Node.
type Recorder struct {
	clock    clock.PassiveClock
	events   Events
	node     string
	instance string
	log      logr.Logger
	queue    chan *eventsv1.Event

	mu    sync.Mutex
	named int64 // the time in the name of the last Event, in nanoseconds
}

// New returns a Recorder for the named Node. Instance tells agents apart; it is the name
// of the agent's Pod where that is known.
func New(clk clock.PassiveClock, events Events, node, instance string, log logr.Logger) *Recorder {
	if instance == "" {
		instance = node
	}
	return &Recorder{
		clock: clk, events: events, node: node, instance: instance[:min(len(instance), maxInstance)], log: log,
		queue: make(chan *eventsv1.Event, queued),
	}
}

// Normal tells of something that is as it should be. It never waits.
func (r *Recorder) Normal(reason, action, note string) {
	r.emit(corev1.EventTypeNormal, reason, action, note)
}

// Warning tells of something that somebody should look at. It never waits.
func (r *Recorder) Warning(reason, action, note string) {
	r.emit(corev1.EventTypeWarning, reason, action, note)
}

func (r *Recorder) emit(kind, reason, action, note string) {
	select {
	case r.queue <- r.event(r.clock.Now(), kind, reason, action, note):
	default:
		r.log.Info("Too many events wait; leaving one out", "reason", reason)
	}
}

func (r *Recorder) event(now time.Time, kind, reason, action, note string) *eventsv1.Event {
	node := strings.TrimRight(r.node[:min(len(r.node), maxNodeName)], "-.")
	return &eventsv1.Event{
		ObjectMeta:          metav1.ObjectMeta{Namespace: Namespace, Name: node + "." + r.suffix(now)},
		EventTime:           metav1.NewMicroTime(now),
		ReportingController: controller,
		ReportingInstance:   r.instance,
		Type:                kind,
		Reason:              reason,
		Action:              action,
		Note:                strings.ToValidUTF8(note[:min(len(note), maxNote)], ""),
		// A kubelet uses the name as UID as well, and kubectl describe looks for it.
		Regarding: corev1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: r.node, UID: types.UID(r.node)},
	}
}

// suffix tells the names of Events apart, also of those at the same time.
func (r *Recorder) suffix(now time.Time) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.named = max(now.UnixNano(), r.named+1)
	return strconv.FormatInt(r.named, 16)
}

// Run writes Events until ctx ends. Each is tried for about a minute.
func (r *Recorder) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case event := <-r.queue:
			if err := r.write(ctx, event); err != nil {
				r.log.Error(err, "Leaving out an event", "reason", event.Reason)
			}
		}
	}
}

func (r *Recorder) write(ctx context.Context, event *eventsv1.Event) error {
	var last error
	backoff := wait.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.1, Steps: 7}
	if err := wait.ExponentialBackoffWithContext(ctx, backoff, func(ctx context.Context) (bool, error) {
		last = r.events.CreateEvent(ctx, event)
		switch {
		case last == nil, apierrors.IsAlreadyExists(last): // An answer may have been lost.
			return true, nil
		case apierrors.IsForbidden(last), apierrors.IsInvalid(last):
			return false, last
		}
		return false, nil
	}); err != nil {
		return fmt.Errorf("failed to create Event %s/%s: %w", event.Namespace, event.Name, cmp.Or(last, err))
	}
	return nil
}
