package crash_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
)

// confined are the kinds of which a manager sees only those of its own site, so that
// several can be at work at the same time.
var confined = map[string]bool{"scheduledmachines": true, "machines": true, "clusters": true}

// front stands before an API server. Whoever comes through it is an administrator.
type front struct{ *httptest.Server }

// newFront starts a front from which all requests go through the network.
func newFront(t *testing.T, n *network, config *rest.Config) front {
	t.Helper()
	transport, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     &link{n, transport},
		FlushInterval: -1, // Events of watches are told at once.
		// No answer is better than one that no API server would give.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ErrorLog:     log.New(io.Discard, "", 0),
	}
	server := httptest.NewUnstartedServer(proxy)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	return front{server}
}

// config is the access through the front.
func (f front) config() *rest.Config { return &rest.Config{Host: f.URL} }

// close ends all connections at once.
func (f front) close() {
	f.CloseClientConnections()
	_ = f.Config.Close()
}

// confine leads a request for objects of all namespaces to those of one.
func confine(request *http.Request, namespace string) *http.Request {
	if request.Method != http.MethodGet {
		return request
	}
	// It is /apis/<group>/<version>/<plural>.
	segments := strings.Split(request.URL.Path, "/")
	if len(segments) != 5 || !confined[segments[4]] {
		return request
	}
	within := request.Clone(request.Context())
	segments[4] = "namespaces/" + namespace + "/" + segments[4]
	within.URL.Path = strings.Join(segments, "/")
	return within
}
