package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/finos/five-spot/tests/testenv"
)

const (
	// operatorNamespace is where the manager keeps its Lease.
	operatorNamespace = "5spot-system"

	readyTimeout = 2 * time.Minute
	stopPatience = 20 * time.Second
)

// manager is the operator, as a process of its own.
type manager struct {
	process *testenv.Process
	log     *os.File
}

func buildOperator(ctx context.Context, root, binary string) error {
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, ".")
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("failed to build the operator: %w: %s", err, output)
	}
	return nil
}

// startManager starts the operator and waits until it is ready. Its log goes into
// the folder.
func startManager(ctx context.Context, out io.Writer, world *testenv.World, binary, folder string) (*manager, error) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: operatorNamespace}}
	if err := world.Client.Create(ctx, namespace); err != nil && !apierrors.IsAlreadyExists(err) {
		return nil, fmt.Errorf("failed to create the namespace of the operator: %w", err)
	}
	kubeconfig, err := world.Management.WriteKubeconfig(world.Management.Config, "five-spot")
	if err != nil {
		return nil, err
	}
	ports, err := testenv.FreePorts(ctx, 2)
	if err != nil {
		return nil, err
	}
	m := &manager{}
	if m.log, err = os.Create(filepath.Join(folder, "five-spot.log")); err != nil {
		return nil, fmt.Errorf("failed to create a log file: %w", err)
	}
	fmt.Fprintf(out, "Starting the operator; it logs to %s\n", m.log.Name())
	m.process, err = testenv.StartProcess(m.log, binary, []string{
		"--kubeconfig", kubeconfig, "--log-format", "text",
		"--metrics-insecure", "--metrics-port", strconv.Itoa(ports[0]), "--health-port", strconv.Itoa(ports[1]),
	}, []string{"POD_NAMESPACE=" + operatorNamespace})
	if err != nil {
		return nil, errors.Join(err, m.log.Close())
	}
	if err := m.waitReady(ctx, fmt.Sprintf("http://127.0.0.1:%d/readyz", ports[1])); err != nil {
		return nil, errors.Join(err, m.stop())
	}
	fmt.Fprintf(out, "The operator is ready; its metrics are at http://127.0.0.1:%d/metrics\n", ports[0])
	return m, nil
}

func (m *manager) waitReady(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	client := http.Client{Timeout: 2 * time.Second}
	err := wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		select {
		case <-m.process.Done():
			return false, m.ended()
		default:
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false, fmt.Errorf("failed to ask for readiness: %w", err)
		}
		response, err := client.Do(request)
		if err != nil {
			return false, nil //nolint:nilerr // It does not listen yet.
		}
		return response.StatusCode == http.StatusOK, response.Body.Close()
	})
	if err != nil {
		return fmt.Errorf("failed to wait until the operator is ready: %w", err)
	}
	return nil
}

// ended tells how the operator ended, with its last words. It is called after it
// has ended by itself.
func (m *manager) ended() error {
	const lastLines = 10
	content, err := os.ReadFile(m.log.Name())
	if err != nil {
		return fmt.Errorf("the operator ended by itself: %w", errors.Join(m.process.Err(), err))
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	last := strings.Join(lines[max(0, len(lines)-lastLines):], "\n")
	return fmt.Errorf("the operator ended by itself: %w\n%s", m.process.Err(), last)
}

func (m *manager) stop() error {
	return errors.Join(m.process.Stop(stopPatience), m.log.Close())
}
