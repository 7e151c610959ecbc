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
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
	metricsPort     int
}

// startManager starts the manager, waits until it is ready, and stops it at the end of
// the test, where it has to be alive still.
func startManager(t *testing.T, args ...string) *manager {
	t.Helper()
	needWorld(t)
	m := &manager{T: t, WithT: NewWithT(t), log: gbytes.NewBuffer()}
	ports, err := testenv.FreePorts(t.Context(), 2)
	m.Expect(err).NotTo(HaveOccurred())
	m.metricsPort = ports[0]
	m.metrics, m.health = net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0])), net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[1]))
	access := accessOf(t, namespace, account)
	m.token = access.BearerToken
	content, err := testenv.Kubeconfig(access, "management")
	m.Expect(err).NotTo(HaveOccurred())
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	m.Expect(os.WriteFile(kubeconfig, content, 0o600)).To(Succeed())

	process, err := testenv.StartProcess(m.log, binary, append([]string{
		"--kubeconfig", kubeconfig, "--metrics-port", strconv.Itoa(ports[0]), "--health-port", strconv.Itoa(ports[1]),
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

// loggedNoError expects no error in the log, but for what client-go says when the manager
// ends in the middle of an answer.
func (m *manager) loggedNoError() {
	m.Helper()
	for line := range strings.Lines(string(m.log.Contents())) {
		if !strings.Contains(line, `"msg":"Unexpected error when reading response body"`) {
			m.Expect(line).NotTo(ContainSubstring(`"level":"error"`))
		}
	}
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

// accessOf is access with a token of a ServiceAccount.
func accessOf(t *testing.T, namespace, name string) *rest.Config {
	t.Helper()
	access, err := testenv.ServiceAccountConfig(t.Context(), world.Client, world.Config(), client.ObjectKey{Namespace: namespace, Name: name})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return access
}
