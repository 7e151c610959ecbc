package testenv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// Proxy is a TCP proxy in front of an API server, through which a test can make
// it unreachable and reachable again. It keeps its address all the time.
type Proxy struct {
	listener net.Listener
	target   string

	mu      sync.Mutex
	state   proxyState
	changed chan struct{} // closed when the state changes
	conns   map[net.Conn]struct{}
	group   sync.WaitGroup
}

type proxyState int

const (
	proxyOpen proxyState = iota
	proxyCut
	proxyFrozen
)

// StartProxy listens on a free port of the given loopback address and forwards to
// target (host:port).
func StartProxy(ctx context.Context, host, target string) (*Proxy, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, fmt.Errorf("failed to listen for the proxy: %w", err)
	}
	p := &Proxy{listener: listener, target: target, changed: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	p.group.Go(p.serve)
	return p, nil
}

// Address is host:port of the proxy.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Cut resets all connections and every new one, as a host without the service does.
func (p *Proxy) Cut() { p.change(proxyCut) }

// Freeze resets all connections, and accepts new ones on which nothing ever
// answers, as behind a firewall: clients run into their timeouts.
func (p *Proxy) Freeze() { p.change(proxyFrozen) }

// Restore makes the target reachable again, for new connections.
func (p *Proxy) Restore() { p.change(proxyOpen) }

// Close ends the proxy and its connections.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	p.change(proxyCut)
	p.group.Wait()
	if err != nil {
		return fmt.Errorf("failed to close the proxy: %w", err)
	}
	return nil
}

func (p *Proxy) change(state proxyState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if state == p.state {
		return
	}
	p.state = state
	close(p.changed)
	p.changed = make(chan struct{})
	for conn := range p.conns {
		reset(conn)
	}
}

func (p *Proxy) serve() {
	for {
		conn, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			p.group.Go(func() { p.forward(conn) })
		}
	}
}

func (p *Proxy) forward(conn net.Conn) {
	state, changed := p.register(conn)
	defer p.release(conn)
	if state == proxyFrozen {
		<-changed
	}
	if state != proxyOpen {
		return
	}
	target, err := (&net.Dialer{}).Dial("tcp", p.target)
	if err != nil {
		return
	}
	state, _ = p.register(target)
	defer p.release(target)
	if state == proxyOpen {
		pipe(conn, target)
	}
}

// register makes the connection one that a change of state resets. It returns the
// state at that moment and what tells of the next change.
func (p *Proxy) register(conn net.Conn) (proxyState, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[conn] = struct{}{}
	return p.state, p.changed
}

func (p *Proxy) release(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, conn)
	reset(conn)
}

// pipe copies both ways until either side ends.
func pipe(a, b net.Conn) {
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		go func() {
			_, _ = io.Copy(way[0], way[1])
			done <- struct{}{}
		}()
	}
	<-done
	reset(a)
	reset(b)
	<-done
}

// reset closes a connection so that the other side sees it at once.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
