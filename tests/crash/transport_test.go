package crash_test

import (
	"bytes"
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

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

var (
	errDead = errors.New("the process is dead")

	// errTimeout is what a client sees of an answer that does not come.
	errTimeout = fmt.Errorf("no answer: %w", os.ErrDeadlineExceeded)
)

// network is what lies between a manager and the API server. It takes one write at a
// time, so that what happens to a write is settled before the next.
type network struct {
	mu sync.Mutex

	// left is how many writes go through before the process dies; negative for ever.
	left   int
	isDead bool
	dead   chan struct{} // closed when the process has died

	// faults decides what becomes of a write; nil lets every one through.
	faults *rand.Rand

	// writes are those that reached the API server, as "METHOD path".
	writes []string
}

func newNetwork() *network { return &network{left: -1, dead: make(chan struct{})} }

// wrap returns a copy of the config whose requests go through the network.
func (n *network) wrap(config *rest.Config) *rest.Config {
	wrapped := rest.CopyConfig(config)
	wrapped.Wrap(func(next http.RoundTripper) http.RoundTripper { return &link{n, next} })
	return wrapped
}

// dieAfter lets the process die after its next k writes.
func (n *network) dieAfter(k int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.left = k
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
		return l.next.RoundTrip(request)
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
		return next.RoundTrip(request)
	}
	if n.faults != nil {
		return n.disturbed(request, deliver)
	}
	response, err := deliver()
	if n.left--; n.left != 0 {
		return response, err
	}
	n.isDead = true
	close(n.dead)
	if err == nil {
		_ = response.Body.Close()
	}
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
