package testenv

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// startEcho is a server behind a proxy; it answers with what it hears.
func startEcho(t *testing.T) *Proxy {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(conn, conn) }()
		}
	}()
	proxy, err := StartProxy(t.Context(), "127.0.0.1", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(proxy.Close(), listener.Close()); err != nil {
			t.Error(err)
		}
	})
	return proxy
}

func dial(t *testing.T, proxy *Proxy) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", proxy.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// ask sends a word and reads it back.
func ask(t *testing.T, conn net.Conn, patience time.Duration) error {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("word")); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, make([]byte, 4))
	return err
}

func TestProxy(t *testing.T) {
	t.Parallel()
	const patience = 10 * time.Second

	t.Run("forwards while open", func(t *testing.T) {
		t.Parallel()
		if err := ask(t, dial(t, startEcho(t)), patience); err != nil {
			t.Error(err)
		}
	})
	t.Run("ends old and new connections when cut", func(t *testing.T) {
		t.Parallel()
		proxy := startEcho(t)
		old := dial(t, proxy)
		if err := ask(t, old, patience); err != nil {
			t.Fatal(err)
		}
		proxy.Cut()
		if err := ask(t, old, patience); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("old connection: %v, want a reset", err)
		}
		// The reset may come before the dialer is done.
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", proxy.Address())
		if err == nil {
			err = ask(t, conn, patience)
		}
		if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("new connection: %v, want a reset", err)
		}
	})
	t.Run("answers nothing on new connections when frozen", func(t *testing.T) {
		t.Parallel()
		proxy := startEcho(t)
		proxy.Freeze()
		if err := ask(t, dial(t, proxy), 100*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v, want a timeout", err)
		}
	})
	t.Run("works at the same address when restored", func(t *testing.T) {
		t.Parallel()
		proxy := startEcho(t)
		address := proxy.Address()
		for _, interrupt := range []func(){proxy.Cut, proxy.Freeze} {
			interrupt()
			proxy.Restore()
			if err := ask(t, dial(t, proxy), patience); err != nil {
				t.Error(err)
			}
		}
		if proxy.Address() != address {
			t.Errorf("moved from %s to %s", address, proxy.Address())
		}
	})
}
