package serve_test

import (
	"context"
	"crypto/tls"
	"crypto/x509/pkix"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/finos/five-spot/agent/serve"
)

// free is an address on the loopback device that nobody listens on.
func free(t *testing.T) serve.Address {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	address, err := serve.ParseAddress(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// run serves until the test ends.
func run(t *testing.T, endpoint *serve.Endpoint, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- endpoint.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return endpoint.Address().String()
}

func get(t *testing.T, client *http.Client, url string) (int, string, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

var secret = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("figures")) })

func TestHealthFailsWhenTheDetectorIsDead(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	var dead error
	endpoint, err := serve.Health(t.Context(), free(t), func() error { return dead }, fine)
	url := "http://" + run(t, endpoint, err)
	status, body, err := get(t, http.DefaultClient, url+"/healthz")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(status).To(Equal(http.StatusOK))
	g.Expect(body).To(Equal("ok"))

	dead = errors.New("socket 7 is closed")
	status, body, err = get(t, http.DefaultClient, url+"/healthz")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(status).To(Equal(http.StatusServiceUnavailable))
	g.Expect(body).NotTo(ContainSubstring("socket"))

	status, _, err = get(t, http.DefaultClient, url+"/metrics")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(status).To(Equal(http.StatusNotFound))
}

func TestAnAgentThatCannotSeeIsAliveAndNotReady(t *testing.T) {
	t.Parallel()
	var dead, blind error
	endpoint, err := serve.Health(t.Context(), free(t), func() error { return dead }, func() error { return blind })
	url := "http://" + run(t, endpoint, err)
	answers := func() []int {
		alive, _, err := get(t, http.DefaultClient, url+"/healthz")
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		ready, _, err := get(t, http.DefaultClient, url+"/readyz")
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		return []int{alive, ready}
	}
	g := NewWithT(t)
	g.Expect(answers()).To(Equal([]int{http.StatusOK, http.StatusOK}))
	blind = errors.New("hidepid")
	g.Expect(answers()).To(Equal([]int{http.StatusOK, http.StatusServiceUnavailable}))
	dead, blind = errors.New("socket"), nil
	g.Expect(answers()).To(Equal([]int{http.StatusServiceUnavailable, http.StatusServiceUnavailable}))
}

func fine() error { return nil }

func TestAnAddressThatIsTakenIsAnError(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	address := free(t)
	endpoint, err := serve.Health(t.Context(), address, fine, fine)
	run(t, endpoint, err)
	_, err = serve.Metrics(t.Context(), address, serve.Access{}, secret)
	g.Expect(err).To(MatchError(ContainSubstring("failed to serve /metrics")))
}

func TestMetricsOnTheLoopbackDeviceArePlain(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	endpoint, err := serve.Metrics(t.Context(), free(t), serve.Access{}, secret)
	status, body, err := get(t, http.DefaultClient, "http://"+run(t, endpoint, err)+"/metrics")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(status).To(Equal(http.StatusOK))
	g.Expect(body).To(Equal("figures"))
}

func TestOnlyClientsThatAreNamedReadMetricsFromElsewhere(t *testing.T) {
	t.Parallel()
	ours, theirs := newAuthority(t), newAuthority(t)
	access := serve.Access{
		CertFile: ours.file(t, "tls.crt"), KeyFile: ours.file(t, "tls.key"), ClientCAFile: ours.file(t, "ca.crt"),
		ClientNames: []string{"prometheus", "scraper.monitoring.svc"},
	}
	ours.issue(t, "tls", pkix.Name{CommonName: "agent"}, nil)
	endpoint, err := serve.Metrics(t.Context(), free(t), access, secret)
	address := run(t, endpoint, err)
	client := func(by *authority, name pkix.Name, dns ...string) *http.Client {
		config := &tls.Config{RootCAs: ours.pool(), MinVersion: tls.VersionTLS13}
		if by != nil {
			certificate := by.issue(t, "client-"+name.CommonName, name, dns)
			config.Certificates = []tls.Certificate{certificate}
		}
		transport := &http.Transport{TLSClientConfig: config}
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport}
	}
	for name, test := range map[string]struct {
		client *http.Client
		status int // 0 is none
	}{
		"a common name that is listed":  {client(ours, pkix.Name{CommonName: "prometheus"}), http.StatusOK},
		"a DNS name that is listed":     {client(ours, pkix.Name{CommonName: "x"}, "y", "scraper.monitoring.svc"), http.StatusOK},
		"a name that is not listed":     {client(ours, pkix.Name{CommonName: "kubelet"}), http.StatusForbidden},
		"no name":                       {client(ours, pkix.Name{}), http.StatusForbidden},
		"a listed name from another CA": {client(theirs, pkix.Name{CommonName: "prometheus"}), 0},
		"no certificate":                {client(nil, pkix.Name{}), 0},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			status, body, err := get(t, test.client, "https://"+address+"/metrics")
			if test.status == 0 {
				g.Expect(err).To(HaveOccurred())
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(status).To(Equal(test.status))
			if test.status == http.StatusOK {
				g.Expect(body).To(Equal("figures"))
			} else {
				g.Expect(body).NotTo(ContainSubstring("figures"))
			}
		})
	}
	t.Run("plain HTTP", func(t *testing.T) {
		g := NewWithT(t)
		_, body, _ := get(t, http.DefaultClient, "http://"+address+"/metrics")
		g.Expect(body).NotTo(ContainSubstring("figures"))
	})
}

func TestARenewedCertificateIsUsed(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	ca := newAuthority(t)
	access := serve.Access{
		CertFile: ca.file(t, "tls.crt"), KeyFile: ca.file(t, "tls.key"), ClientCAFile: ca.file(t, "ca.crt"), ClientNames: []string{"p"},
	}
	ca.issue(t, "tls", pkix.Name{CommonName: "first"}, nil)
	endpoint, err := serve.Metrics(t.Context(), free(t), access, secret)
	address := run(t, endpoint, err)
	ask := func() string {
		config := &tls.Config{RootCAs: ca.pool(), MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{ca.issue(t, "p", pkix.Name{CommonName: "p"}, nil)}}
		connection, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", address)
		g.Expect(err).NotTo(HaveOccurred())
		defer func() { _ = connection.Close() }()
		return connection.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	g.Expect(ask()).To(Equal("first"))
	ca.issue(t, "tls", pkix.Name{CommonName: "second"}, nil)
	g.Expect(ask()).To(Equal("second"))
}

func TestFilesThatCannotBeUsedAreAnErrorFromTheStart(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	ca.issue(t, "tls", pkix.Name{CommonName: "agent"}, nil)
	good := serve.Access{CertFile: ca.file(t, "tls.crt"), KeyFile: ca.file(t, "tls.key"), ClientCAFile: ca.file(t, "ca.crt"), ClientNames: []string{"p"}}
	noCertificate, noCA, notACA := good, good, good
	noCertificate.CertFile = ca.file(t, "none")
	noCA.ClientCAFile = ca.file(t, "none")
	notACA.ClientCAFile = ca.file(t, "tls.key")
	for name, access := range map[string]serve.Access{"no certificate": noCertificate, "no CA": noCA, "a CA that is none": notACA} {
		t.Run(name, func(t *testing.T) {
			_, err := serve.Metrics(t.Context(), free(t), access, secret)
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring("failed to serve /metrics")))
		})
	}
}

func TestAccessIsAllOrNothing(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	all := serve.Access{CertFile: "c", KeyFile: "k", ClientCAFile: "a", ClientNames: []string{"n"}}
	g.Expect(all.Validate()).To(Succeed())
	g.Expect(all.Off()).To(BeFalse())
	g.Expect(serve.Access{}.Validate()).To(Succeed())
	g.Expect(serve.Access{}.Off()).To(BeTrue())
	for _, drop := range []func(*serve.Access){
		func(a *serve.Access) { a.CertFile = "" },
		func(a *serve.Access) { a.KeyFile = "" },
		func(a *serve.Access) { a.ClientCAFile = "" },
		func(a *serve.Access) { a.ClientNames = nil },
	} {
		part := all
		drop(&part)
		g.Expect(part.Validate()).NotTo(Succeed())
		g.Expect(part.Off()).To(BeFalse())
	}
}
