// Package serve has the agent's endpoints, /metrics and that of its health. The agent runs in
// the network of its host, so that both are bound to the loopback device unless who may
// read them is restricted.
package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

const (
	// headerPatience and idlePatience bound what a client that is slow can hold.
	headerPatience = 5 * time.Second
	idlePatience   = 2 * time.Minute

	// maxHeader is far above what a scraper sends, in bytes.
	maxHeader = 16 << 10
)

// Endpoint is a server that listens already.
type Endpoint struct {
	listener net.Listener
	mux      *http.ServeMux
	server   *http.Server
}

// Metrics listens for requests of /metrics. When the Access is on, it speaks TLS only.
func Metrics(ctx context.Context, address Address, access Access, metrics http.Handler) (*Endpoint, error) {
	if access.Off() {
		return listen(ctx, address, "/metrics", metrics)
	}
	if _, err := access.load(); err != nil {
		return nil, fmt.Errorf("failed to serve /metrics: %w", err)
	}
	endpoint, err := listen(ctx, address, "/metrics", access.guard(metrics))
	if err != nil {
		return nil, err
	}
	endpoint.server.TLSConfig = access.config()
	return endpoint, nil
}

// Health listens for requests of /healthz, which fails when healthy does, and of /readyz,
// which also fails when ready does. Neither tells why: that is for the log.
func Health(ctx context.Context, address Address, healthy, ready func() error) (*Endpoint, error) {
	endpoint, err := listen(ctx, address, "/healthz", answer(healthy))
	if err != nil {
		return nil, err
	}
	endpoint.mux.Handle("GET /readyz", answer(healthy, ready))
	return endpoint, nil
}

func answer(checks ...func() error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, check := range checks {
			if check() != nil {
				http.Error(w, "not able to find a process", http.StatusServiceUnavailable)
				return
			}
		}
		_, _ = w.Write([]byte("ok"))
	})
}

func listen(ctx context.Context, address Address, path string, handler http.Handler) (*Endpoint, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address.String())
	if err != nil {
		return nil, fmt.Errorf("failed to serve %s: %w", path, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+path, handler)
	return &Endpoint{listener: listener, mux: mux, server: &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: headerPatience,
		ReadTimeout:       headerPatience,
		IdleTimeout:       idlePatience,
		MaxHeaderBytes:    maxHeader,
	}}, nil
}

// Address is where it listens, with the port that it got.
func (e *Endpoint) Address() net.Addr { return e.listener.Addr() }

// Run serves until ctx ends.
func (e *Endpoint) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { _ = e.server.Close() })()
	var err error
	if e.server.TLSConfig != nil {
		err = e.server.ServeTLS(e.listener, "", "")
	} else {
		err = e.server.Serve(e.listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("failed to serve on %s: %w", e.listener.Addr(), err)
}
