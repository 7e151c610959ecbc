package node_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/finos/five-spot/pkg/reclaim/provision"
	"github.com/finos/five-spot/tests/testenv"
)

const (
	agentImage = "five-spot.test/five-spot-reclaim-agent:1"

	// theProgram is what owners start. Its name is longer than what the kernel keeps.
	theProgram = "five-spot-owners-program"

	programImage = "five-spot.test/program:1"
)

// node is this machine as the Node of a cluster.
type node struct {
	folder   string
	programs string
	program  string // a file
	warden   *warden
	server   *testenv.ControlPlane
	admin    client.WithWatch
	kubelet  client.Client // with the rights of the kubelet
	agent    *provision.Provisioner
}

// startNode returns a node that has to be stopped also when it fails.
func startNode(ctx context.Context, programs string) (*node, error) {
	// Not where TMPDIR may be, which the node may see differently.
	folder, err := os.MkdirTemp("/tmp", "five-spot-node-")
	if err != nil {
		return nil, fmt.Errorf("failed to create a folder: %w", err)
	}
	n := &node{
		folder: folder, programs: programs, program: filepath.Join(folder, theProgram),
		agent: provision.New(provision.Options{Image: agentImage, Version: "1.2.3"}),
	}
	for _, step := range []func(context.Context) error{
		n.build, n.startWarden, n.startServer, n.startContainerd, n.importImages, n.startKubelet, n.becomeReady,
	} {
		if err := errors.Join(ctx.Err(), step(ctx)); err != nil {
			return n, err
		}
	}
	return n, nil
}

// build builds the agent, and what else the node runs.
func (n *node) build(ctx context.Context) error {
	for _, folder := range []string{"bin", "network", "images"} {
		if err := os.Mkdir(filepath.Join(n.folder, folder), 0o755); err != nil {
			return fmt.Errorf("failed to create a folder: %w", err)
		}
	}
	agent, err := testenv.BuildAgent(ctx, filepath.Join(n.folder, "bin"))
	if err != nil {
		return err
	}
	pause := filepath.Join(n.folder, "bin", "pause")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", pause, "./pause")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("failed to build the program of Pods: %w: %s", err, out)
	}
	if err := os.Link(pause, n.program); err != nil {
		return fmt.Errorf("failed to make the program of owners: %w", err)
	}
	for name, program := range map[string]string{agentImage: agent, pauseImage: pause, programImage: n.program} {
		if err := writeImage(n.image(name), name, program); err != nil {
			return err
		}
	}
	return nil
}

// image is the archive of an image.
func (n *node) image(name string) string {
	return filepath.Join(n.folder, "images", digest([]byte(name)))
}

func (n *node) startWarden(context.Context) (err error) {
	n.warden, err = startWarden(n.folder)
	return err
}

func (n *node) startServer(ctx context.Context) (err error) {
	if n.server, err = testenv.Start(ctx, testenv.ControlPlaneOptions{
		Name: "node", Log: os.Stderr, Controllers: true, AuditLog: true,
		// Where Pods look for it.
		Address: apiAddress, Port: "443", ExtraArgs: map[string][]string{"service-cluster-ip-range": {serviceRange}},
	}); err != nil {
		return err
	}
	n.admin, err = client.NewWithWatch(n.server.Config, client.Options{Scheme: testenv.NewScheme()})
	return err
}

func (n *node) startContainerd(ctx context.Context) error {
	config := filepath.Join(n.folder, "containerd.toml")
	if err := errors.Join(
		configure(config, containerdConfig, n.folder, n.programs),
		configure(filepath.Join(n.folder, "network", "10-five-spot.conflist"), networkConfig, n.folder, n.programs),
	); err != nil {
		return fmt.Errorf("failed to configure containerd: %w", err)
	}
	if err := n.start(filepath.Join(n.programs, "containerd"), "--config", config); err != nil {
		return err
	}
	return n.eventually(ctx, "containerd answers", func(ctx context.Context) error { return n.ctr(ctx, "version") })
}

func (n *node) start(path string, args ...string) error {
	return n.warden.tell(order{
		Path: path, Args: args, Log: n.log(filepath.Base(path)),
		Env: []string{"PATH=" + n.programs + string(os.PathListSeparator) + os.Getenv("PATH")},
	})
}

// log is where a program of the node writes to.
func (n *node) log(program string) string { return filepath.Join(n.folder, program+".log") }

func (n *node) ctr(ctx context.Context, args ...string) error {
	args = append([]string{"--address", filepath.Join(n.folder, "containerd.sock"), "--namespace", "k8s.io"}, args...)
	if out, err := exec.CommandContext(ctx, filepath.Join(n.programs, "ctr"), args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func (n *node) importImages(ctx context.Context) error {
	for _, name := range []string{agentImage, pauseImage, programImage} {
		if err := n.ctr(ctx, "images", "import", n.image(name)); err != nil {
			return fmt.Errorf("failed to import image %s: %w", name, err)
		}
	}
	return nil
}

func (n *node) startKubelet(ctx context.Context) error {
	binaries, err := testenv.Binaries(ctx, os.Stderr, testenv.Kubelet)
	if err != nil {
		return err
	}
	user, err := n.server.Env.AddUser(envtest.User{Name: "system:node:" + nodeName, Groups: []string{"system:nodes"}}, nil)
	if err != nil {
		return fmt.Errorf("failed to make the kubelet known: %w", err)
	}
	kubeconfig, err := n.server.WriteKubeconfig(user.Config(), "kubelet")
	if err != nil {
		return err
	}
	if n.kubelet, err = client.New(user.Config(), client.Options{Scheme: testenv.NewScheme()}); err != nil {
		return fmt.Errorf("failed to make a client with the rights of the kubelet: %w", err)
	}
	config := filepath.Join(n.folder, "kubelet.yaml")
	if err := configure(config, kubeletConfig, n.folder, n.programs); err != nil {
		return fmt.Errorf("failed to configure the kubelet: %w", err)
	}
	return n.start(filepath.Join(binaries, testenv.Kubelet), "--config", config, "--kubeconfig", kubeconfig,
		"--root-dir", filepath.Join(n.folder, "kubelet"), "--hostname-override", nodeName, "--node-ip", apiAddress)
}

func (n *node) becomeReady(ctx context.Context) error {
	return n.eventually(ctx, "the Node is Ready", func(ctx context.Context) error {
		object := &corev1.Node{}
		if err := n.admin.Get(ctx, client.ObjectKey{Name: nodeName}, object); err != nil {
			return err
		}
		for _, condition := range object.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("not Ready: %v", object.Status.Conditions)
	})
}

func (n *node) eventually(ctx context.Context, what string, attempt func(context.Context) error) error {
	started := time.Now()
	var last error
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, soon, true, func(ctx context.Context) (bool, error) {
		last = attempt(ctx)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("failed to wait until %s: %w: %w", what, err, last)
	}
	fmt.Fprintf(os.Stderr, "After %s %s\n", time.Since(started).Round(100*time.Millisecond), what)
	return nil
}

// tell shows how the logs of the node's programs end.
func (n *node) tell(output io.Writer) {
	for _, program := range []string{"containerd", "kubelet"} {
		content, err := os.ReadFile(n.log(program))
		if err == nil {
			fmt.Fprintf(output, "---- %s\n%s\n", program, content[max(0, len(content)-16384):])
		}
	}
}

// stop ends what was started. An API server waits for those who watch, and for the
// network in which they are, so that it comes between the two.
func (n *node) stop() error {
	if n.warden == nil {
		return os.RemoveAll(n.folder)
	}
	errs := []error{n.warden.tell(order{End: true})}
	if n.server != nil {
		errs = append(errs, n.server.Stop())
	}
	return errors.Join(append(errs, n.warden.stop())...)
}
