package crash_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/finos/five-spot/controllers"
	"github.com/finos/five-spot/tests/testenv"
)

// arguments are those of every manager. Nothing is decided by limits that are of no
// interest here.
func arguments() []string {
	return []string{
		"--metrics-port=0", "--health-port=0", "--enable-leader-election=false",
		"--join-timeout=8760h", "--finalizer-timeout=24h", "--force-finalizer-on-timeout=false",
		"--manage-admission-policy=false",
	}
}

// process is one run of the manager.
type process struct {
	network *network
	end     func() error
}

// start starts a manager that goes on where the one before left off.
func (b *bench) start() {
	b.Helper()
	b.startToDie(nil)
}

// startToDie starts one that will die.
func (b *bench) startToDie(deaths []death) {
	b.Helper()
	n := newNetwork(b.T, b.site.namespace)
	n.dieAt(deaths)
	b.process = &process{network: n, end: func() error { return nil }}
	if err := b.site.leadTo(b.Context(), n.workload.config()); err != nil {
		b.Fatal(err)
	}
	b.process = b.launch(b, n)
}

// stop ends the manager, dead or alive.
func (b *bench) stop() {
	b.Helper()
	if b.process == nil {
		return
	}
	if err := b.process.end(); err != nil {
		b.Error(err)
	}
	b.process.network.close()
	b.process = nil
}

// launchInProcess runs a manager on the clock of the bench.
func (b *bench) launchInProcess(n *network) *process {
	b.Helper()
	opts, err := controllers.ParseOptions(arguments(), func(string) (string, bool) { return "", false })
	if err != nil {
		b.Fatal(err)
	}
	opts.Clock, opts.Registry = b.clock, prometheus.NewRegistry()
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.Context()))
	mgr, err := controllers.NewManager(ctx, n.management.config(), opts, "test")
	if err != nil {
		cancel()
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	return &process{network: n, end: func() error {
		cancel()
		select {
		case <-done:
			return nil
		case <-time.After(patience):
			return errors.New("the manager does not stop")
		}
	}}
}

// binary is the manager, built when it is first asked for.
var binary = sync.OnceValues(func() (string, error) {
	//nolint:forbidigo // No test owns the binary that they share.
	ctx, cancel := context.WithTimeout(context.Background(), startDeadline)
	defer cancel()
	return testenv.BuildManager(ctx, world.Management.Folder())
})

// launchChild runs the manager as it runs anywhere, as a process that can be killed.
func (b *bench) launchChild(n *network) *process {
	b.Helper()
	path, err := binary()
	if err != nil {
		b.Fatal(err)
	}
	kubeconfig := filepath.Join(b.folder, "kubeconfig")
	content, err := testenv.Kubeconfig(n.management.config(), "management")
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(kubeconfig, content, 0o600); err != nil {
		b.Fatal(err)
	}
	log, err := os.CreateTemp(b.folder, "log-")
	if err != nil {
		b.Fatal(err)
	}
	child, err := testenv.StartProcess(log, path, append(arguments(), "--log-format=text", "--kubeconfig="+kubeconfig), nil)
	if err != nil {
		b.Fatal(err)
	}
	n.kill = child.Kill
	return &process{network: n, end: func() error {
		child.Kill()
		defer func() { _ = log.Close() }()
		if !b.Failed() {
			return nil
		}
		written, err := os.ReadFile(log.Name())
		b.Logf("the log of one process:\n%s", written)
		return err
	}}
}
