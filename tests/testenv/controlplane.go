package testenv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// stopPatience is how long a child may take to stop, and is generous: a machine
// that builds at the same time is slow.
const stopPatience = 20 * time.Second

// ControlPlaneOptions say what a control plane consists of.
type ControlPlaneOptions struct {
	// Name tells control planes apart, in messages and in the kubeconfig.
	Name string

	// Controllers adds kube-controller-manager and kube-scheduler, and with them
	// ServiceAccount admission: garbage collection, namespace deletion, eviction
	// against PodDisruptionBudgets, DaemonSets and Deployments then work.
	Controllers bool

	// Kubelets adds kwok, and with it what Controllers adds: the pods of every Node
	// start, run and stop. It does not touch Nodes, which need somebody to create
	// them, make them Ready and renew their leases.
	Kubelets bool

	// AuditLog makes the API server write an audit log at metadata level.
	AuditLog bool

	// ExtraArgs are further arguments of kube-apiserver, by flag name without dashes.
	ExtraArgs map[string][]string

	// Address and Port are where the API server listens. Without them that is a free
	// port of the loopback device, which no Pod with a network of its own can reach.
	Address, Port string

	// Log is for progress; nil discards it.
	Log io.Writer
}

// ControlPlane is a real etcd and kube-apiserver on the loopback device, with
// RBAC, and an administrator's access to them.
type ControlPlane struct {
	// Config is an administrator's access, straight to the API server.
	Config *rest.Config

	// ProxyConfig is the same access through Proxy.
	ProxyConfig *rest.Config

	// Proxy stands between a client of ProxyConfig and the API server.
	Proxy *Proxy

	// Env is the envtest environment, for users with fewer rights (AddUser).
	Env *envtest.Environment

	name     string
	folder   string
	binaries string
	kwok     string
	children []*Process
	nodes    *runningKubelets
	output   *tail
	guard    *guard
}

// Start starts a control plane on free ports. When it fails, nothing is left
// running. Startup takes some 4 seconds.
func Start(ctx context.Context, opts ControlPlaneOptions) (*ControlPlane, error) {
	if opts.Log == nil {
		opts.Log = io.Discard
	}
	opts.Controllers = opts.Controllers || opts.Kubelets
	names := []string{Etcd, KubeAPIServer, Kubectl}
	if opts.Controllers {
		names = append(names, KubeControllerManager, KubeScheduler)
	}
	binaries, err := Binaries(ctx, opts.Log, names...)
	if err != nil {
		return nil, err
	}
	var kwok string
	if opts.Kubelets {
		if kwok, err = kwokPath(ctx, opts.Log); err != nil {
			return nil, err
		}
	}
	folder, err := os.MkdirTemp("", "five-spot-"+opts.Name+"-")
	if err != nil {
		return nil, fmt.Errorf("failed to create a folder for the control plane: %w", err)
	}
	cp := &ControlPlane{name: opts.Name, folder: folder, binaries: binaries, kwok: kwok, output: &tail{}}
	if err := cp.start(ctx, opts); err != nil {
		return nil, errors.Join(fmt.Errorf("failed to start control plane %s: %w", opts.Name, err), cp.Stop())
	}
	return cp, nil
}

func (cp *ControlPlane) start(ctx context.Context, opts ControlPlaneOptions) error {
	if err := cp.configure(opts); err != nil {
		return err
	}
	var err error
	if cp.Config, err = cp.Env.Start(); err != nil {
		return fmt.Errorf("%w: %s", err, cp.output)
	}
	cp.Config.UserAgent = "five-spot-testenv"
	pids := childrenOf([]string{Etcd, KubeAPIServer}, cp.folder)
	if cp.guard, err = startGuard(pids, []string{cp.folder}); err != nil {
		return err
	}
	if err := cp.startProxy(ctx); err != nil {
		return err
	}
	if opts.Controllers {
		if err := cp.startControllers(); err != nil {
			return err
		}
	}
	if opts.Kubelets {
		return cp.startKwok()
	}
	return nil
}

// configure prepares envtest. All files lie in one folder, by which the processes
// can be told from those of other control planes.
func (cp *ControlPlane) configure(opts ControlPlaneOptions) error {
	cp.Env = &envtest.Environment{
		BinaryAssetsDirectory:    cp.binaries,
		ControlPlaneStartTimeout: 90 * time.Second,
		ControlPlaneStopTimeout:  stopPatience,
	}
	cp.Env.ControlPlane.Etcd = &envtest.Etcd{
		Path:    filepath.Join(cp.binaries, Etcd),
		DataDir: filepath.Join(cp.folder, "etcd"),
	}
	// The data dies with the world: not waiting for the disk makes writes some ten
	// times faster.
	cp.Env.ControlPlane.Etcd.Configure().Set("unsafe-no-fsync", "true")
	server := cp.Env.ControlPlane.GetAPIServer()
	cp.Env.ControlPlane.Etcd.Err, server.Err = cp.output, cp.output
	server.Path = filepath.Join(cp.binaries, KubeAPIServer)
	server.CertDir = filepath.Join(cp.folder, "apiserver")
	for _, folder := range []string{cp.Env.ControlPlane.Etcd.DataDir, server.CertDir} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			return fmt.Errorf("failed to create a folder for the control plane: %w", err)
		}
	}
	server.ListenAddr = envtest.ListenAddr{Address: opts.Address, Port: opts.Port}
	args := server.Configure()
	if opts.Controllers {
		args.Disable("disable-admission-plugins").Set("authorization-mode", "Node,RBAC")
	}
	if opts.AuditLog {
		if err := os.WriteFile(cp.auditPolicyPath(), []byte(auditPolicy), 0o600); err != nil {
			return fmt.Errorf("failed to write the audit policy: %w", err)
		}
		args.Set("audit-policy-file", cp.auditPolicyPath()).Set("audit-log-path", cp.AuditLogPath()).Set("audit-log-mode", "blocking")
	}
	for flag, values := range opts.ExtraArgs {
		args.Set(flag, values...)
	}
	return nil
}

func (cp *ControlPlane) startProxy(ctx context.Context) error {
	server, err := url.Parse(cp.Config.Host)
	if err != nil {
		return fmt.Errorf("failed to parse the address of the API server: %w", err)
	}
	if server.Host == "" {
		server.Host = cp.Config.Host
	}
	if cp.Proxy, err = StartProxy(ctx, server.Hostname(), server.Host); err != nil {
		return err
	}
	cp.ProxyConfig = rest.CopyConfig(cp.Config)
	cp.ProxyConfig.Host = "https://" + cp.Proxy.Address()
	return nil
}

// startControllers starts what fills a control plane with life. Nodes count as
// lost when their kubelet was silent for 20 s.
func (cp *ControlPlane) startControllers() error {
	kubeconfig, err := cp.WriteKubeconfig(cp.Config, "controllers")
	if err != nil {
		return err
	}
	rootCA := filepath.Join(cp.folder, "root-ca.crt")
	if err := os.WriteFile(rootCA, cp.Config.CAData, 0o600); err != nil {
		return fmt.Errorf("failed to write the root CA: %w", err)
	}
	key := filepath.Join(cp.Env.ControlPlane.GetAPIServer().CertDir, "sa-signer.key")
	common := []string{
		"--kubeconfig=" + kubeconfig, "--leader-elect=false", "--bind-address=127.0.0.1", "--secure-port=0",
		// Their own limits would let a test with a hundred pods wait.
		"--kube-api-qps=500", "--kube-api-burst=1000",
	}
	if err := cp.StartChild(filepath.Join(cp.binaries, KubeControllerManager), append(common,
		"--service-account-private-key-file="+key, "--root-ca-file="+rootCA, "--use-service-account-credentials=true",
		"--controllers=*,-service-lb-controller,-cloud-node-lifecycle-controller",
		"--node-monitor-period=2s", "--node-monitor-grace-period=20s")...); err != nil {
		return err
	}
	return cp.StartChild(filepath.Join(cp.binaries, KubeScheduler), common...)
}

// StartChild starts a program that belongs to this control plane and ends before
// it. Its output goes to a file in the control plane's folder.
func (cp *ControlPlane) StartChild(path string, args ...string) error {
	output, err := os.Create(filepath.Join(cp.folder, filepath.Base(path)+".log"))
	if err != nil {
		return fmt.Errorf("failed to create a log file: %w", err)
	}
	child, err := StartProcess(output, path, args, nil)
	if err != nil {
		return errors.Join(err, output.Close())
	}
	go func() {
		<-child.Done()
		_ = output.Close()
	}()
	cp.children = append(cp.children, child)
	return nil
}

// Stop ends everything. It may be called more than once, and of what did not start.
func (cp *ControlPlane) Stop() error {
	if cp == nil {
		return nil
	}
	var errs []error
	cp.nodes.stop()
	cp.nodes = nil
	// The children hold watches; an API server waits for those when it stops.
	for _, child := range cp.children {
		errs = append(errs, child.Stop(stopPatience))
	}
	cp.children = nil
	if cp.Proxy != nil {
		errs = append(errs, cp.Proxy.Close())
		cp.Proxy = nil
	}
	if cp.Env != nil {
		errs = append(errs, cp.Env.Stop())
		cp.Env = nil
	}
	cp.guard.dismiss()
	cp.guard = nil
	if err := os.RemoveAll(cp.folder); err != nil {
		errs = append(errs, fmt.Errorf("failed to remove the folder of the control plane: %w", err))
	}
	return errors.Join(errs...)
}

// Kubectl is the path of the kubectl binary.
func (cp *ControlPlane) Kubectl() string { return filepath.Join(cp.binaries, Kubectl) }

// Folder is where the control plane keeps its files until it is stopped.
func (cp *ControlPlane) Folder() string { return cp.folder }

// Address is host:port of the API server, or of the proxy before it.
func (cp *ControlPlane) Address() string { return strings.TrimPrefix(cp.ProxyConfig.Host, "https://") }
