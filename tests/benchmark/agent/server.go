//go:build linux

package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/finos/five-spot/pkg/reclaim"
	"github.com/finos/five-spot/pkg/reclaim/provision"
	"github.com/finos/five-spot/tests/benchmark/agent/told"
	"github.com/finos/five-spot/tests/testenv"
)

const (
	nodeName  = "bench"
	daemonSet = "five-spot-reclaim-agent"
)

// server is a real API server in which the agent is installed and armed as the manager
// does it. This machine is a Node of it.
type server struct {
	*testenv.ControlPlane
	admin client.WithWatch
	dir   string
}

func startServer(ctx context.Context, dir string, poll time.Duration) (*server, error) {
	log.SetLogger(logr.Discard())
	plane, err := testenv.Start(ctx, testenv.ControlPlaneOptions{Name: "benchmark", Log: os.Stderr})
	if err != nil {
		return nil, err
	}
	s := &server{ControlPlane: plane, dir: dir}
	if s.admin, err = client.NewWithWatch(plane.Config, client.Options{Scheme: testenv.NewScheme()}); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	if err := s.arm(ctx, poll); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// arm installs the agent and has it look for the programs that match.
func (s *server) arm(ctx context.Context, poll time.Duration) error {
	id := strings.Repeat("0123456789abcdef", 2)
	if err := os.WriteFile(s.machineID(), []byte(id+"\n"), 0o600); err != nil {
		return err
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName, Labels: map[string]string{corev1.LabelHostname: nodeName}}}
	if err := s.admin.Create(ctx, node); err != nil {
		return err
	}
	node.Status.NodeInfo.MachineID = id
	if err := s.admin.Status().Update(ctx, node); err != nil {
		return err
	}
	installer := provision.New(provision.Options{Image: daemonSet})
	if _, err := installer.Install(ctx, s.admin, provision.DefaultNamespace); err != nil {
		return err
	}
	config := reclaim.ConfigFor([]string{told.Wanted, told.Unwanted})
	config.PollInterval = poll
	// This may run in a Pod.
	cgroup, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return err
	}
	config.MatchPods = strings.Contains(string(cgroup), "kubepods")
	_, err = installer.Arm(ctx, s.admin, node, provision.DefaultNamespace, config)
	return err
}

func (s *server) machineID() string { return filepath.Join(s.dir, "machine-id") }

// environment is what the container of the agent's Pod has, with the Pod's token. What
// differs is where things lie.
func (s *server) environment(ctx context.Context) ([]string, error) {
	set := &appsv1.DaemonSet{}
	if err := s.admin.Get(ctx, client.ObjectKey{Namespace: provision.DefaultNamespace, Name: daemonSet}, set); err != nil {
		return nil, err
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: set.Namespace, Name: daemonSet + "-bench", Labels: set.Spec.Template.Labels},
		Spec:       set.Spec.Template.Spec,
	}
	pod.Spec.NodeName = nodeName
	if err := s.admin.Create(ctx, pod); err != nil {
		return nil, err
	}
	kubeconfig, err := s.kubeconfig(ctx, pod)
	if err != nil {
		return nil, err
	}
	health, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	here := map[string]string{"RECLAIM_PROC_ROOT": "/proc", "KUBECONFIG": kubeconfig, "MACHINE_ID_PATH": s.machineID(), "HEALTH_BIND_ADDRESS": health}
	fields := map[string]string{"spec.nodeName": nodeName, "metadata.name": pod.Name, "metadata.namespace": pod.Namespace}
	var env []string
	for _, variable := range pod.Spec.Containers[0].Env {
		value := variable.Value
		if variable.ValueFrom != nil {
			value = fields[variable.ValueFrom.FieldRef.FieldPath]
		}
		if _, differs := here[variable.Name]; !differs {
			env = append(env, variable.Name+"="+value)
		}
	}
	for name, value := range here {
		env = append(env, name+"="+value)
	}
	return env, nil
}

func (s *server) kubeconfig(ctx context.Context, pod *corev1.Pod) (string, error) {
	token, err := testenv.PodToken(ctx, s.admin, pod)
	if err != nil {
		return "", err
	}
	config := rest.AnonymousClientConfig(s.Config)
	config.BearerToken = token
	return s.WriteKubeconfig(config, daemonSet)
}

// freeAddress is one on the loopback device that nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	ports, err := testenv.FreePorts(ctx, 1)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0])), nil
}
