package manager_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	certutil "k8s.io/client-go/util/cert"
)

// ofOurs is in an answer that holds our own metrics.
const ofOurs = "fivespot_controller_info{"

func TestMetricsAreForThoseWhoMayReadThem(t *testing.T) {
	t.Parallel()
	m := startManager(t)
	stranger := newAccount(t, "stranger", "")
	reader := newAccount(t, "prometheus", "five-spot-metrics-reader")
	url := "https://" + m.metrics + "/metrics"
	for name, c := range map[string]struct {
		token string
		code  int
	}{
		"nobody": {"", http.StatusUnauthorized},
		// Of a token that it does not know the API server says so, which counts as a failure to ask.
		"somebody with a made-up token":  {"made-up", http.StatusInternalServerError},
		"a ServiceAccount without right": {stranger, http.StatusForbidden},
		"the manager itself":             {m.token, http.StatusForbidden},
		"a ServiceAccount with the role": {reader, http.StatusOK},
	} {
		code, body, err := m.ask(url, c.token)
		m.Expect(err).NotTo(HaveOccurred(), name)
		m.Expect(code).To(Equal(c.code), name)
		if c.code == http.StatusOK {
			m.Expect(body).To(ContainSubstring(ofOurs), name)
		} else {
			m.Expect(body).NotTo(ContainSubstring("fivespot_"), name)
		}
	}
	// There is nothing else on the port, and the role is for this path alone.
	code, _, err := m.ask("https://"+m.metrics+"/debug/pprof/", reader)
	m.Expect(err).NotTo(HaveOccurred())
	m.Expect(code).To(Equal(http.StatusNotFound))
}

func TestMetricsAreServedOverTLSOnly(t *testing.T) {
	t.Parallel()
	m := startManager(t)
	reader := newAccount(t, "prometheus-of-tls", "five-spot-metrics-reader")
	code, body, err := m.ask("http://"+m.metrics+"/metrics", reader)
	if err == nil { // The connection may be gone before the answer is read.
		m.Expect(code).To(Equal(http.StatusBadRequest))
	}
	m.Expect(body).NotTo(ContainSubstring("fivespot_"))

	m.Eventually(func() string { return string(m.log.Contents()) }).Should(ContainSubstring("TLS handshake error"), "net/http tells")
	m.expectJSON()

	_, err = m.handshake(&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	m.Expect(err).To(MatchError(ContainSubstring("protocol version not supported")))
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		state, err := m.handshake(&tls.Config{MinVersion: version, MaxVersion: version, NextProtos: []string{"h2", "http/1.1"}})
		m.Expect(err).NotTo(HaveOccurred(), tls.VersionName(version))
		m.Expect(state.NegotiatedProtocol).To(Equal("http/1.1"), "HTTP/2 lets a stranger reset streams without end")
	}
}

func TestMetricsAreOpenToEverybodyOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	m := startManager(t, "--metrics-insecure")
	code, body, err := m.ask("http://"+m.metrics+"/metrics", "")
	m.Expect(err).NotTo(HaveOccurred())
	m.Expect(code).To(Equal(http.StatusOK))
	m.Expect(body).To(ContainSubstring(ofOurs))
	_, err = m.handshake(&tls.Config{MinVersion: tls.VersionTLS12})
	m.Expect(err).To(HaveOccurred(), "plain means plain")
}

// A Secret that is mounted as optional may come later than the Pod, and a certificate is
// renewed while the manager runs.
func TestACertificateIsTakenWhenItComesAndWhenItIsRenewed(t *testing.T) {
	t.Parallel()
	folder := newVolume(t)
	m := startManager(t, "--metrics-cert-dir", folder.path)
	reader := newAccount(t, "prometheus-of-certificates", "five-spot-metrics-reader")

	m.Expect(m.served()).To(HaveField("Subject.CommonName", HavePrefix("localhost@")), "it signs one itself until one is there")
	before := m.served()
	m.Expect(m.served().SerialNumber).To(Equal(before.SerialNumber), "it signs one, not one for each caller")

	const host = "five-spot-controller-manager-metrics.5spot-system.svc"
	for _, generation := range []string{"first", "renewed"} {
		authority, certificate, key := issue(t, host)
		folder.project(t, certificate, key)
		m.Eventually(m.served).Should(HaveField("Raw", Equal(certificate.Raw)), generation)

		// What a scraper does that was given the authority and the name of the Service.
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+m.metrics+"/metrics", http.NoBody)
		m.Expect(err).NotTo(HaveOccurred())
		request.Header.Set("Authorization", "Bearer "+reader)
		response, err := trusting(&tls.Config{RootCAs: authority, ServerName: host}).Do(request)
		m.Expect(err).NotTo(HaveOccurred(), generation)
		m.Expect(response.Body.Close()).To(Succeed())
		m.Expect(response.StatusCode).To(Equal(http.StatusOK), generation)
	}

	kept := m.served()
	folder.project(t, nil, nil)
	m.Consistently(m.served).WithTimeout(time.Second).Should(HaveField("Raw", Equal(kept.Raw)), "what is half written is not taken")
	m.Expect(string(m.log.Contents())).NotTo(ContainSubstring("PRIVATE KEY"))
}

// handshake is what a client of that configuration comes to; any certificate will do.
func (m *manager) handshake(config *tls.Config) (tls.ConnectionState, error) {
	config = config.Clone()
	config.InsecureSkipVerify = true
	conn, err := (&tls.Dialer{NetDialer: &net.Dialer{Timeout: soon}, Config: config}).DialContext(m.Context(), "tcp", m.metrics)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	state := conn.(*tls.Conn).ConnectionState()
	return state, conn.Close()
}

// served is the certificate that a client sees, whether it names a host or not.
func (m *manager) served() *x509.Certificate {
	m.Helper()
	named, err := m.handshake(&tls.Config{MinVersion: tls.VersionTLS12, ServerName: "localhost"})
	m.Expect(err).NotTo(HaveOccurred())
	nameless, err := m.handshake(&tls.Config{MinVersion: tls.VersionTLS12})
	m.Expect(err).NotTo(HaveOccurred())
	if !bytes.Equal(named.PeerCertificates[0].Raw, nameless.PeerCertificates[0].Raw) {
		return nil // One of them was renewed in between.
	}
	return named.PeerCertificates[0]
}

// trusting is a client that believes any certificate, unless it is given a configuration.
func trusting(config *tls.Config) *http.Client {
	if config == nil {
		config = &tls.Config{InsecureSkipVerify: true}
	}
	return &http.Client{Timeout: soon, Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
}

// newAccount makes a ServiceAccount with that ClusterRole, or with none, and returns its
// token.
func newAccount(t *testing.T, name, role string) string {
	t.Helper()
	g := NewWithT(t)
	g.Expect(world.Client.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: name}})).To(Succeed())
	if role != "" {
		g.Expect(world.Client.Create(t.Context(), &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: metav1.NamespaceDefault, Name: name}},
		})).To(Succeed())
	}
	return accessOf(t, metav1.NamespaceDefault, name).BearerToken
}

// issue makes a certificate for a host, and the authority that vouches for it.
func issue(t *testing.T, host string) (*x509.CertPool, *x509.Certificate, []byte) {
	t.Helper()
	g := NewWithT(t)
	chain, key, err := certutil.GenerateSelfSignedCertKey(host, nil, nil)
	g.Expect(err).NotTo(HaveOccurred())
	certificates, err := certutil.ParseCertsPEM(chain)
	g.Expect(err).NotTo(HaveOccurred())
	authority := x509.NewCertPool()
	for _, certificate := range certificates {
		authority.AddCert(certificate)
	}
	return authority, certificates[0], key
}

// volume is a folder as the kubelet makes it for a Secret: files are links through a
// link to a folder, and an update replaces that link in one step.
type volume struct {
	path    string
	updates int
}

func newVolume(t *testing.T) *volume {
	t.Helper()
	return &volume{path: t.TempDir()}
}

// project writes a certificate and its key, or something that is neither.
func (v *volume) project(t *testing.T, certificate *x509.Certificate, key []byte) {
	t.Helper()
	g := NewWithT(t)
	v.updates++
	data := filepath.Join(v.path, "..data-"+time.Now().Format("150405.000000000"))
	g.Expect(os.Mkdir(data, 0o700)).To(Succeed())
	content := []byte("half")
	if certificate != nil {
		encoded, err := certutil.EncodeCertificates(certificate)
		g.Expect(err).NotTo(HaveOccurred())
		content = encoded
	}
	g.Expect(os.WriteFile(filepath.Join(data, "tls.crt"), content, 0o600)).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(data, "tls.key"), key, 0o600)).To(Succeed())
	next := filepath.Join(v.path, "..data_tmp")
	g.Expect(os.Symlink(filepath.Base(data), next)).To(Succeed())
	g.Expect(os.Rename(next, filepath.Join(v.path, "..data"))).To(Succeed())
	if v.updates == 1 {
		for _, file := range []string{"tls.crt", "tls.key"} {
			g.Expect(os.Symlink(filepath.Join("..data", file), filepath.Join(v.path, file))).To(Succeed())
		}
	}
}
