package manager_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/finos/five-spot/tests/testenv"
)

// manager is the manager's process.
type manager struct {
	*testing.T
	*WithT

	// log is all that it has written to standard output and standard error.
	log *gbytes.Buffer

	// token is that with which it talks to the API server.
	token string

	// stop ends it.
	stop func()

	// metrics and health are host and port on the loopback device.
	metrics, health string
}

// startManager starts the manager, waits until it is ready, and stops it at the end of
// the test, where it has to be alive still.
func startManager(t *testing.T, args ...string) *manager {
	t.Helper()
	needWorld(t)
	m := &manager{T: t, WithT: NewWithT(t), log: gbytes.NewBuffer(), metrics: freePort(t), health: freePort(t)}
	m.token = tokenOf(t, namespace, account)
	access := rest.AnonymousClientConfig(world.Config())
	access.BearerToken = m.token
	content, err := testenv.Kubeconfig(access, "management")
	m.Expect(err).NotTo(HaveOccurred())
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	m.Expect(os.WriteFile(kubeconfig, content, 0o600)).To(Succeed())

	process, err := testenv.StartProcess(m.log, binary, append([]string{
		"--kubeconfig", kubeconfig, "--metrics-port", strconv.Itoa(portOf(m.metrics)), "--health-port", strconv.Itoa(portOf(m.health)),
		"--enable-leader-election=false",
	}, args...), []string{"POD_NAMESPACE=" + namespace})
	m.Expect(err).NotTo(HaveOccurred())
	m.stop = sync.OnceFunc(func() {
		select {
		case <-process.Done():
			t.Errorf("the manager has ended: %v", process.Err())
		default:
		}
		if err := process.Stop(30 * time.Second); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("%s", m.log.Contents())
		}
	})
	t.Cleanup(m.stop)
	m.Eventually(func() int {
		code, _, err := m.ask("http://"+m.health+"/readyz", "")
		if err != nil {
			return 0
		}
		return code
	}).Should(Equal(http.StatusOK))
	// It is ready before it serves metrics, which it begins at the same time.
	m.Eventually(func() error {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", m.metrics)
		if err != nil {
			return err
		}
		return conn.Close()
	}).Should(Succeed())
	return m
}

// expectJSON expects each line of the log to be an object.
func (m *manager) expectJSON() {
	m.Helper()
	lines := bytes.Split(bytes.TrimSpace(m.log.Contents()), []byte("\n"))
	m.Expect(len(lines)).To(BeNumerically(">", 2))
	for _, line := range lines {
		if entry := map[string]any{}; json.Unmarshal(line, &entry) != nil || entry["msg"] == nil {
			m.Errorf("not a line of a log: %s", line)
		}
	}
}

// ask sends a GET request with a token, if there is one.
func (m *manager) ask(url, token string) (code int, body string, err error) {
	m.Helper()
	request, err := http.NewRequestWithContext(m.Context(), http.MethodGet, url, http.NoBody)
	m.Expect(err).NotTo(HaveOccurred())
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := trusting(nil).Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	return response.StatusCode, string(content), err
}

// tokenOf is a token of a ServiceAccount, which is created if there is none.
func tokenOf(t *testing.T, namespace, name string) string {
	t.Helper()
	g := NewWithT(t)
	owner := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	token := &authenticationv1.TokenRequest{}
	g.Expect(world.Client.SubResource("token").Create(t.Context(), owner, token)).To(Succeed())
	return token.Status.Token
}

// freePort is an address on the loopback device that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

func portOf(address string) int {
	parsed, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		panic(err)
	}
	return parsed.Port
}
