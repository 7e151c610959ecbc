package controllers

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	certutil "k8s.io/client-go/util/cert"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

func metricsOptions(ctx context.Context, opts Options) metricsserver.Options {
	options := metricsserver.Options{BindAddress: bindAddress(opts.MetricsPort)}
	if opts.MetricsInsecure {
		return options
	}
	options.SecureServing = true
	options.FilterProvider = filters.WithAuthenticationAndAuthorization
	options.TLSOpts = []func(*tls.Config){hardened}
	if opts.MetricsCertDir != "" {
		mounted := &mountedCertificate{folder: opts.MetricsCertDir, clock: opts.Clock}
		options.TLSOpts = append(options.TLSOpts, func(config *tls.Config) {
			config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return mounted.get(ctx) }
		})
	}
	return options
}

// hardened leaves out HTTP/2, where a client can have streams opened and reset for
// nothing (CVE-2023-44487) before anybody has asked who he is. A scrape is one request.
func hardened(config *tls.Config) {
	config.MinVersion = tls.VersionTLS12
	config.NextProtos = []string{"http/1.1"}
}

// bindAddress is the address for a port on every interface; "0" turns serving off.
func bindAddress(port int) string {
	if port == 0 {
		return "0"
	}
	return net.JoinHostPort("", strconv.Itoa(port))
}

// mountedCertificate is the certificate in a folder that may be filled after the start,
// as the volume of an optional Secret is, and filled anew when it is renewed. Until then
// it is one that the manager signs itself.
type mountedCertificate struct {
	folder string
	clock  clock.PassiveClock

	mu      sync.Mutex
	watched *certwatcher.CertWatcher
	own     *tls.Certificate

	// lookAgain is not before when to look, after files that could not be used. Anybody
	// can begin to talk to the port.
	lookAgain time.Time
}

// certificateRetry is how long files that cannot be used are left alone.
const certificateRetry = 10 * time.Second

// get returns the certificate as it is now. The context ends the watch of the folder.
func (m *mountedCertificate) get(ctx context.Context) (*tls.Certificate, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := m.clock.Now(); m.watched == nil && !now.Before(m.lookAgain) {
		if err := m.look(ctx); err != nil {
			m.lookAgain = now.Add(certificateRetry)
			ctrl.LoggerFrom(ctx).Error(err, "Failed to read the certificate of the metrics; serving one that is signed by nobody else")
		}
	}
	if m.watched != nil {
		return m.watched.GetCertificate(nil)
	}
	if m.own == nil {
		var err error
		if m.own, err = selfSigned(); err != nil {
			return nil, err
		}
	}
	return m.own, nil
}

func selfSigned() (*tls.Certificate, error) {
	certificate, key, err := certutil.GenerateSelfSignedCertKey("localhost", nil, nil)
	if err != nil {
		return nil, fmt.Errorf("failed to generate a certificate for the metrics: %w", err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("failed to read the certificate that was generated: %w", err)
	}
	return &pair, nil
}

// look begins to watch the files once both are there.
func (m *mountedCertificate) look(ctx context.Context) error {
	certificate, key := filepath.Join(m.folder, "tls.crt"), filepath.Join(m.folder, "tls.key")
	for _, path := range []string{certificate, key} {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	watched, err := certwatcher.New(certificate, key)
	if err != nil {
		return fmt.Errorf("failed to load %s: %w", certificate, err)
	}
	go func() {
		if err := watched.Start(ctx); err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "Failed to watch the certificate of the metrics")
		}
	}()
	m.watched = watched
	return nil
}
