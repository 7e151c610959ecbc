package serve

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
)

var (
	errIncomplete = errors.New("a certificate, its key, a CA for clients and at least one client name are needed together")
	errNoCA       = errors.New("no certificate in the CA file for clients")
)

// Access says who may read an endpoint that can be reached from other hosts: whoever has
// a client certificate of the CA with one of the names. It needs no rights in the
// cluster, as asking the API server about a token would. The zero value is plain HTTP.
type Access struct {
	CertFile     string
	KeyFile      string
	ClientCAFile string

	// ClientNames are common names or DNS names of client certificates.
	ClientNames []string
}

// Off is whether nothing of it is set.
func (a Access) Off() bool {
	return a.CertFile == "" && a.KeyFile == "" && a.ClientCAFile == "" && len(a.ClientNames) == 0
}

// Validate returns an error when only a part is set.
func (a Access) Validate() error {
	if !a.Off() && (a.CertFile == "" || a.KeyFile == "" || a.ClientCAFile == "" || len(a.ClientNames) == 0) {
		return errIncomplete
	}
	return nil
}

// config reads the files again for each connection, since certificates are renewed.
func (a Access) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return a.load()
		},
	}
}

func (a Access) load() (*tls.Config, error) {
	certificate, err := tls.LoadX509KeyPair(a.CertFile, a.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("failed to load the certificate: %w", err)
	}
	authority, err := os.ReadFile(a.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("failed to read the CA for clients: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return nil, errNoCA
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{certificate},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    pool,
		NextProtos:   []string{"h2", "http/1.1"},
	}, nil
}

// guard lets those clients pass whose verified certificate has one of the names.
func (a Access) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || !a.allows(r.TLS.VerifiedChains[0][0]) {
			http.Error(w, "this client may not read metrics", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (a Access) allows(client *x509.Certificate) bool {
	return slices.ContainsFunc(append([]string{client.Subject.CommonName}, client.DNSNames...), func(name string) bool {
		return name != "" && slices.Contains(a.ClientNames, name)
	})
}
