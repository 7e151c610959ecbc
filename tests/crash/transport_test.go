package crash_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var (
	errDead = errors.New("the process is dead")

	// errTimeout is what a client sees of an answer that does not come.
	errTimeout = fmt.Errorf("no answer: %w", os.ErrDeadlineExceeded)
)

// moment is when, in the course of a write, the process dies.
type moment string

const (
	// afterWrite is when the API server has carried the write out. The process never
	// has the answer.
	afterWrite moment = "after"

	// beforeWrite is when the request has left the process. It never arrives.
	beforeWrite moment = "before"
)

// network is what lies between one run of the manager and both API servers. It takes
// one write at a time, so that what happens to a write is settled before the next.
type network struct {
	namespace            string // of the site
	management, workload front

	mu sync.Mutex

	// left is how many writes go through before the process dies; negative for ever.
	left   int
	moment moment
	isDead bool
	dead   chan struct{} // closed when the process has died

	// kill ends the process, where it is one of its own; else nil.
	kill func()

	// faults decides what becomes of a write; nil lets every one through.
	faults *rand.Rand

	// writes are those that left the process, as "METHOD path".
	writes []string
}

// newNetwork opens the ways to both API servers, until the network is closed.
func newNetwork(t *testing.T, namespace string) *network {
	t.Helper()
	n := &network{namespace: namespace, left: -1, dead: make(chan struct{})}
	n.management = newFront(t, n, world.Config())
	n.workload = newFront(t, n, world.Workload.Config)
	return n
}

func (n *network) close() {
	n.management.close()
	n.workload.close()
}

// dieAt lets the process die the first of these deaths, if there is any. Writes count
// from now.
func (n *network) dieAt(deaths []death) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(deaths) > 0 {
		n.left, n.moment = deaths[0].write, deaths[0].at
	}
}

// disturb injects faults from now on.
func (n *network) disturb(faults *rand.Rand) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = faults
}

func (n *network) written() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.writes)
}

// last is the last write.
func (n *network) last() string {
	writes := n.written()
	return writes[len(writes)-1]
}

// link is the network as one client sees it.
type link struct {
	network *network
	next    http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (l *link) RoundTrip(request *http.Request) (*http.Response, error) {
	select {
	case <-l.network.dead:
		return nil, errDead
	default:
	}
	if !counts(request) {
		return l.next.RoundTrip(confine(request, l.network.namespace))
	}
	return l.network.write(request, l.next)
}

// counts is whether a request is a write of the manager's work. Events and Leases are
// not: nothing depends on them.
func counts(request *http.Request) bool {
	switch request.Method {
	case http.MethodGet, http.MethodHead:
		return false
	}
	return !strings.Contains(request.URL.Path, "/events") && !strings.Contains(request.URL.Path, "/leases")
}

func (n *network) write(request *http.Request, next http.RoundTripper) (*http.Response, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.isDead {
		return nil, errDead
	}
	deliver := func() (*http.Response, error) {
		n.writes = append(n.writes, request.Method+" "+request.URL.Path)
		// Nothing takes a write back that has left. The API server would break an
		// eviction off in the middle, which the budget resents for two minutes.
		return next.RoundTrip(request.WithContext(context.WithoutCancel(request.Context())))
	}
	if n.faults != nil {
		return n.disturbed(request, deliver)
	}
	n.left--
	if n.left == 0 && n.moment == beforeWrite {
		n.writes = append(n.writes, request.Method+" "+request.URL.Path+", which did not arrive")
		return n.die()
	}
	response, err := deliver()
	if n.left != 0 {
		return response, err
	}
	if err == nil {
		_ = response.Body.Close()
	}
	return n.die()
}

func (n *network) die() (*http.Response, error) {
	if n.kill != nil {
		n.kill()
	}
	n.isDead = true
	close(n.dead)
	return nil, errDead
}

// disturbed answers every third write with an error. Some of these were carried out
// all the same.
func (n *network) disturbed(request *http.Request, deliver func() (*http.Response, error)) (*http.Response, error) {
	switch n.faults.IntN(15) {
	case 0:
		return answer(request, http.StatusConflict, metav1.StatusReasonConflict), nil
	case 1:
		return answer(request, http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests), nil
	case 2:
		return answer(request, http.StatusInternalServerError, metav1.StatusReasonInternalError), nil
	case 3:
		return nil, errTimeout
	case 4:
		response, err := deliver()
		if err != nil {
			return nil, err
		}
		_ = response.Body.Close()
		return nil, errTimeout
	}
	return deliver()
}

func answer(request *http.Request, code int, reason metav1.StatusReason) *http.Response {
	body, err := json.Marshal(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure, Code: int32(code), Reason: reason, Message: "injected",
	})
	if err != nil {
		panic(err)
	}
	return &http.Response{
		Status: http.StatusText(code), StatusCode: code, Request: request,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)),
	}
}
