// Package node runs the reclaim agent as it is shipped: a real kubelet and containerd run
// the Pod of its DaemonSet, from an image that is built here, on this machine. make
// test-node runs this suite, go test alone does not.
package node_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/finos/five-spot/tests/testenv"
)

const (
	// programsVariable is the folder of containerd's and other programs.
	programsVariable = "FIVE_SPOT_NODE_PROGRAMS"

	// soon is generous: a busy machine takes its time to start a container.
	soon = 90 * time.Second

	pollInterval = 20 * time.Millisecond
)

var desk *node

func TestMain(m *testing.M) {
	if folder := os.Getenv(wardenVariable); folder != "" {
		os.Exit(beWarden(folder))
	}
	if os.Getenv(programsVariable) == "" {
		os.Exit(testenv.RunNothing(m, "nothing is tested without a node: make test-node has one"))
	}
	SetDefaultEventuallyTimeout(soon)
	SetDefaultEventuallyPollingInterval(pollInterval)
	// A signal ends this process, and then the warden cleans up.
	os.Exit(runOnNode(context.Background(), m)) //nolint:forbidigo // TestMain has no context of its own
}

func runOnNode(ctx context.Context, m *testing.M) (code int) {
	before, err := lookAround()
	if err == nil {
		desk, err = startNode(ctx, os.Getenv(programsVariable))
	}
	if err == nil {
		code = m.Run()
	}
	if desk != nil {
		if code != 0 || err != nil {
			desk.tell(os.Stderr)
		}
		if stopErr := desk.stop(); stopErr != nil {
			fmt.Fprintln(os.Stderr, stopErr)
			code = 1
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "failed to start the node:", err)
		return 1
	}
	if difference := before.difference(); difference != "" {
		fmt.Fprintln(os.Stderr, "The node has left something behind (-before +after):", difference)
		return 1
	}
	return code
}

// onNode is what a test can do on the node.
type onNode struct {
	*testing.T
	*WithT
	*node
}

func newTest(t *testing.T) *onNode {
	t.Helper()
	o := &onNode{t, NewWithT(t), desk}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(o.agentLog())
		}
	})
	return o
}
