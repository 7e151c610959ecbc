package testenv

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"k8s.io/client-go/rest"
)

// Request is one HTTP request to an API server.
type Request struct {
	// Method is GET, POST, PUT, PATCH or DELETE.
	Method string
	// Path is the path of the URL, such as
	// /apis/cluster.x-k8s.io/v1beta2/namespaces/default/machines/workstation.
	Path string
	// Watch is whether it is a watch, of which one request serves for a long time.
	Watch bool
}

// Write is whether the request asks for a change.
func (r Request) Write() bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }

// Requests records the requests of all clients made from configs that it wrapped.
// It is safe for concurrent use.
type Requests struct {
	mu       sync.Mutex
	recorded []Request
}

// Wrap returns a copy of the config whose requests are recorded.
func (r *Requests) Wrap(config *rest.Config) *rest.Config {
	wrapped := rest.CopyConfig(config)
	wrapped.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			r.record(request)
			return next.RoundTrip(request)
		})
	})
	return wrapped
}

// List are the recorded requests that pass the filter, in order; nil passes all.
func (r *Requests) List(filter func(Request) bool) []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	if filter == nil {
		return slices.Clone(r.recorded)
	}
	var passed []Request
	for _, request := range r.recorded {
		if filter(request) {
			passed = append(passed, request)
		}
	}
	return passed
}

// Reset forgets what was recorded.
func (r *Requests) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recorded = nil
}

// WithoutUpkeep is a filter that leaves out what a manager does whether or not
// there is something to do: watches and leader election.
func WithoutUpkeep(request Request) bool {
	return !request.Watch && !strings.Contains(request.Path, "/coordination.k8s.io/")
}

func (r *Requests) record(request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recorded = append(r.recorded, Request{
		Method: request.Method,
		Path:   request.URL.Path,
		Watch:  request.URL.Query().Get("watch") == "true",
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }
