package event_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/clock"

	"github.com/finos/five-spot/agent/event"
)

// server keeps what it accepts; it answers with each of the errors first.
type server struct {
	mu     sync.Mutex
	errs   []error
	tries  int
	events []*eventsv1.Event
}

func (s *server) CreateEvent(_ context.Context, created *eventsv1.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries++
	if len(s.errs) > 0 {
		err := s.errs[0]
		s.errs = s.errs[1:]
		return err
	}
	s.events = append(s.events, created)
	return nil
}

func TestAnEventIsOnTheNode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, to := NewWithT(t), &server{}
		recorder := event.New(clock.RealClock{}, to, "desk-7", "agent-x", logr.Discard())
		go recorder.Run(t.Context())
		recorder.Warning("DetectorFallback", "Detect", "the kernel does not tell")
		recorder.Normal("ReclaimRequested", "Request", "idea")
		synctest.Wait()
		g.Expect(to.events).To(HaveLen(2))
		created := to.events[0]
		g.Expect(created.Namespace).To(Equal("default"))
		g.Expect(created.Name).To(HavePrefix("desk-7."))
		g.Expect(created.Type).To(Equal("Warning"))
		g.Expect(created.Reason).To(Equal("DetectorFallback"))
		g.Expect(created.Note).To(Equal("the kernel does not tell"))
		g.Expect(created.Regarding.Kind + "/" + created.Regarding.Name + "/" + string(created.Regarding.UID)).To(Equal("Node/desk-7/desk-7"))
		g.Expect(created.ReportingInstance).To(Equal("agent-x"))
		g.Expect(created.EventTime.Time).To(BeTemporally("~", time.Now(), time.Second))
		g.Expect(to.events[1].Type).To(Equal("Normal"))
		g.Expect(to.events[1].Name).NotTo(Equal(created.Name), "they were emitted at the same time")
	})
}

func TestEventsAreTriedAgain(t *testing.T) {
	t.Parallel()
	events := schema.GroupResource{Group: "events.k8s.io", Resource: "events"}
	down := errors.New("connection refused")
	for name, test := range map[string]struct {
		errs  []error
		tries int
		lands bool
	}{
		"while the API server is away":             {[]error{down, down}, 3, true},
		"not for ever":                             {[]error{down, down, down, down, down, down, down, down, down, down}, 7, false},
		"not when that is forbidden":               {[]error{apierrors.NewForbidden(events, "x", nil)}, 1, false},
		"not when it was created and nobody told":  {[]error{down, apierrors.NewAlreadyExists(events, "x")}, 2, false},
		"not when the API server does not want it": {[]error{apierrors.NewInvalid(schema.GroupKind{}, "x", nil)}, 1, false},
		"not when it was accepted":                 {nil, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g, to := NewWithT(t), &server{errs: test.errs}
				recorder := event.New(clock.RealClock{}, to, "desk-7", "", logr.Discard())
				go recorder.Run(t.Context())
				recorder.Warning("R", "A", "n")
				<-time.After(10 * time.Minute)
				synctest.Wait()
				g.Expect(to.tries).To(Equal(test.tries))
				g.Expect(to.events).To(HaveLen(map[bool]int{true: 1}[test.lands]))
			})
		})
	}
}

func TestEventsNeverHoldAnythingUp(t *testing.T) {
	t.Parallel()
	recorder := event.New(clock.RealClock{}, &server{}, "desk-7", "", logr.Discard())
	for range 1000 { // nothing takes them
		recorder.Normal("R", "A", "n")
	}
}

func TestLongTextsAreCutToWhatIsValid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, to := NewWithT(t), &server{}
		recorder := event.New(clock.RealClock{}, to, strings.Repeat("a", 229)+".bcd", strings.Repeat("i", 200), logr.Discard())
		go recorder.Run(t.Context())
		recorder.Normal("R", "A", strings.Repeat("世", 1000))
		synctest.Wait()
		g.Expect(to.events).To(HaveLen(1))
		g.Expect(validation.IsDNS1123Subdomain(to.events[0].Name)).To(BeEmpty())
		g.Expect(to.events[0].Note).To(Equal(strings.Repeat("世", 341)))
		g.Expect(to.events[0].ReportingInstance).To(HaveLen(128))
	})
}
