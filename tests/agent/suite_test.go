// Package agent runs the reclaim agent's own binary, as a process, against a real API
// server and the processes of this machine, with the rights of its ServiceAccount and no
// others.
package agent_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/tests/testenv"
)

const (
	namespace = "5spot-system"

	// programVariable makes this test program play one that a Node's owner starts: it
	// waits until it is told to stop.
	programVariable = "FIVE_SPOT_AGENT_TEST_PROGRAM"

	// soon is generous: machines that test are slow.
	soon = 30 * time.Second
)

var (
	server *testenv.ControlPlane
	admin  client.Client
	binary string
)

func TestMain(m *testing.M) {
	if os.Getenv(programVariable) != "" {
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		<-stop
		os.Exit(0)
	}
	flag.Parse()
	if testing.Short() {
		os.Exit(m.Run())
	}
	SetDefaultEventuallyTimeout(soon)
	SetDefaultEventuallyPollingInterval(20 * time.Millisecond)
	folder, err := os.MkdirTemp("", "five-spot-agent-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(testenv.RunSuite(m,
		func(ctx context.Context) error { return start(ctx, folder) },
		func() error { return errors.Join(server.Stop(), os.RemoveAll(folder)) }))
}

func start(ctx context.Context, folder string) (err error) {
	if binary, err = testenv.BuildAgent(ctx, folder); err != nil {
		return err
	}
	if server, err = testenv.Start(ctx, testenv.ControlPlaneOptions{Name: "agent", Log: os.Stderr}); err != nil {
		return err
	}
	if admin, err = client.New(server.Config, client.Options{Scheme: testenv.NewScheme()}); err != nil {
		return err
	}
	return admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
}

func needServer(t *testing.T) {
	t.Helper()
	if server == nil {
		t.Skip("needs a control plane")
	}
}
