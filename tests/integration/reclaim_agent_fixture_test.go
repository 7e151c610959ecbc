package integration_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/controllers"
	"github.com/finos/five-spot/pkg/reclaim"
	"github.com/finos/five-spot/tests/testenv"
)

const (
	agentName      = "five-spot-reclaim-agent"
	agentNamespace = "5spot-system"
	agentImage     = "registry.example.com/five-spot-reclaim-agent:v0.0.0"

	// programVariable makes this test program play one that a machine's owner starts: it
	// waits until it is told to stop.
	programVariable = "FIVE_SPOT_INTEGRATION_PROGRAM"
)

// agentBinary is the agent as it is shipped, once it is built.
var agentBinary string

func TestMain(m *testing.M) {
	if os.Getenv(programVariable) != "" {
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		<-stop
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// withAgent gives the manager an image of the agent.
func withAgent(opts *controllers.Options) { opts.AgentImage = agentImage }

// removeAgentAfterwards takes the agent out of the workload cluster when the operators
// that are started from now on have ended.
func removeAgentAfterwards() {
	DeferCleanup(func(ctx context.Context) {
		objects := agentObjects()
		Expect(client.IgnoreNotFound(world.WorkloadClient.Delete(ctx, objects[0]))).To(Succeed())
		// The removal of a Namespace waits long for Pods that are still ending.
		Eventually(func() ([]corev1.Pod, error) {
			pods := &corev1.PodList{}
			err := world.WorkloadClient.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(agentNamespace), client.GracePeriodSeconds(0))
			return pods.Items, errors.Join(err, world.WorkloadClient.List(ctx, pods, client.InNamespace(agentNamespace)))
		}).Should(BeEmpty())
		for _, obj := range objects {
			Expect(client.IgnoreNotFound(world.WorkloadClient.Delete(ctx, obj))).To(Succeed())
		}
		Eventually(agentObjectsLeft(ctx)).Should(BeEmpty())
	}, NodeTimeout(soon))
}

// agentObjects are the objects of the agent in a workload cluster, the DaemonSet first.
func agentObjects() []client.Object {
	in := metav1.ObjectMeta{Namespace: agentNamespace, Name: agentName}
	events := metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: agentName + "-events"}
	cluster := metav1.ObjectMeta{Name: agentName}
	return []client.Object{
		&appsv1.DaemonSet{ObjectMeta: in},
		&admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: cluster},
		&admissionv1.ValidatingAdmissionPolicy{ObjectMeta: cluster},
		&rbacv1.ClusterRoleBinding{ObjectMeta: cluster}, &rbacv1.ClusterRole{ObjectMeta: cluster},
		&rbacv1.RoleBinding{ObjectMeta: events}, &rbacv1.Role{ObjectMeta: events},
		&rbacv1.RoleBinding{ObjectMeta: in}, &rbacv1.Role{ObjectMeta: in},
		&corev1.ServiceAccount{ObjectMeta: in},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: agentNamespace}},
	}
}

// agentObjectsLeft names those that exist, for Eventually and Consistently.
func agentObjectsLeft(ctx context.Context) func() ([]string, error) {
	return func() ([]string, error) {
		var left []string
		for _, obj := range agentObjects() {
			err := world.WorkloadClient.Get(ctx, client.ObjectKeyFromObject(obj), obj)
			if client.IgnoreNotFound(err) != nil {
				return nil, err
			}
			if err == nil {
				left = append(left, fmt.Sprintf("%T %s", obj, client.ObjectKeyFromObject(obj)))
			}
		}
		return left, nil
	}
}

// daemonSet reads the agent's DaemonSet; nil when there is none.
func daemonSet(ctx context.Context) (*appsv1.DaemonSet, error) {
	found := &appsv1.DaemonSet{}
	err := world.WorkloadClient.Get(ctx, client.ObjectKey{Namespace: agentNamespace, Name: agentName}, found)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return found, err
}

// killIf has the machine removed when one of the programs is started.
func killIf(programs ...string) func(*v1alpha1.ScheduledMachine) {
	return func(sm *v1alpha1.ScheduledMachine) { sm.Spec.KillIfCommands = programs }
}

// expectArmed waits until the agent watches the machine's Node for these programs.
func expectArmed(ctx context.Context, sm *v1alpha1.ScheduledMachine, programs ...string) {
	GinkgoHelper()
	expectCondition(ctx, sm, v1alpha1.ReclaimAgentReadyCondition, "True/Armed")
	Eventually(lookedFor(ctx, nodeName(sm))).Should(ConsistOf(programs))
	Expect(isLabelled(ctx, nodeName(sm))()).To(BeTrue())
}

// isLabelled is whether the agent may run on the Node, for Eventually.
func isLabelled(ctx context.Context, node string) func() (bool, error) {
	return func() (bool, error) {
		now := &corev1.Node{}
		err := world.WorkloadClient.Get(ctx, client.ObjectKey{Name: node}, now)
		return now.Labels[v1alpha1.ReclaimAgentLabel] == v1alpha1.ReclaimAgentEnabled, err
	}
}

// lookedFor are the commands in the ConfigMap of the Node, for Eventually; nil without
// a ConfigMap.
func lookedFor(ctx context.Context, node string) func() ([]string, error) {
	return func() ([]string, error) {
		configMap := &corev1.ConfigMap{}
		err := world.WorkloadClient.Get(ctx, client.ObjectKey{Namespace: agentNamespace, Name: reclaim.ConfigMapName(node)}, configMap)
		if err != nil {
			return nil, client.IgnoreNotFound(err)
		}
		config, err := reclaim.Parse(configMap.Data[reclaim.ConfigKey])
		return config.Commands, err
	}
}

// agentPod waits for the agent's Pod on the Node to be Ready.
func agentPod(ctx context.Context, node string) *corev1.Pod {
	GinkgoHelper()
	var found *corev1.Pod
	Eventually(func(g Gomega) {
		owner, err := daemonSet(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(owner).NotTo(BeNil())
		pods := &corev1.PodList{}
		g.Expect(world.WorkloadClient.List(ctx, pods, client.InNamespace(agentNamespace), client.MatchingFields{"spec.nodeName": node})).To(Succeed())
		g.Expect(pods.Items).To(HaveLen(1))
		found = &pods.Items[0]
		g.Expect(metav1.IsControlledBy(found, owner)).To(BeTrue())
		g.Expect(found.DeletionTimestamp).To(BeNil())
		g.Expect(found.Status.Phase).To(Equal(corev1.PodRunning))
	}).Should(Succeed())
	return found
}

// agentProcess is an agent that runs on this machine as if it were that of a Node.
type agentProcess struct {
	*testenv.Process

	output  *gbytes.Buffer
	metrics int
}

// startAgent runs the agent of the object's Node, as its kubelet would: with the
// environment of the DaemonSet's Pod and the token of that Pod.
func startAgent(ctx context.Context, sm *v1alpha1.ScheduledMachine, env ...string) *agentProcess {
	GinkgoHelper()
	pod := agentPod(ctx, nodeName(sm))
	token, err := testenv.PodToken(ctx, world.WorkloadClient, pod)
	Expect(err).NotTo(HaveOccurred())
	return startAgentAs(ctx, pod, token, env...)
}

func startAgentAs(ctx context.Context, pod *corev1.Pod, token string, env ...string) *agentProcess {
	GinkgoHelper()
	if agentBinary == "" {
		path, err := testenv.BuildAgent(ctx, world.Workload.Folder())
		Expect(err).NotTo(HaveOccurred())
		agentBinary = path
	}
	kubeconfig, err := world.Workload.WriteKubeconfig(accessWith(token), pod.Name)
	Expect(err).NotTo(HaveOccurred())
	a := &agentProcess{output: gbytes.NewBuffer(), metrics: freePort(ctx)}
	// Of variables that are set twice the last counts.
	env = append(append(podEnvironment(pod), "KUBECONFIG="+kubeconfig, "RECLAIM_PROC_ROOT=/proc", "HEALTH_BIND_ADDRESS=0",
		fmt.Sprintf("METRICS_BIND_ADDRESS=%d", a.metrics), "MACHINE_ID_PATH="+machineIDFile(machineID(ctx, pod.Spec.NodeName))), env...)
	a.Process, err = testenv.StartProcess(io.MultiWriter(a.output, GinkgoWriter), agentBinary, nil, env)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(a.stop)
	Eventually(a.log).Should(ContainSubstring("ConfigMap"))
	return a
}

// accessWith is access to the workload cluster with a token.
func accessWith(token string) *rest.Config {
	config := rest.AnonymousClientConfig(world.Workload.Config)
	config.BearerToken = token
	return config
}

// podEnvironment are the variables that a kubelet would set.
func podEnvironment(pod *corev1.Pod) []string {
	fields := map[string]string{"spec.nodeName": pod.Spec.NodeName, "metadata.name": pod.Name, "metadata.namespace": pod.Namespace}
	var env []string
	for _, variable := range pod.Spec.Containers[0].Env {
		value := variable.Value
		if variable.ValueFrom != nil {
			value = fields[variable.ValueFrom.FieldRef.FieldPath]
		}
		env = append(env, variable.Name+"="+value)
	}
	return env
}

func machineID(ctx context.Context, node string) string {
	GinkgoHelper()
	now := &corev1.Node{}
	Expect(world.WorkloadClient.Get(ctx, client.ObjectKey{Name: node}, now)).To(Succeed())
	return now.Status.NodeInfo.MachineID
}

func machineIDFile(id string) string {
	GinkgoHelper()
	path := filepath.Join(GinkgoT().TempDir(), "machine-id")
	Expect(os.WriteFile(path, []byte(id+"\n"), 0o600)).To(Succeed())
	return path
}

func (a *agentProcess) log() string { return string(a.output.Contents()) }

// stop ends the agent, which must not have ended by itself.
func (a *agentProcess) stop() {
	GinkgoHelper()
	select {
	case <-a.Done():
	default:
		Expect(a.Stop(10 * time.Second)).To(Succeed())
	}
	Expect(a.Err()).NotTo(HaveOccurred())
}

// figures is what /metrics serves.
func (a *agentProcess) figures(ctx context.Context) string {
	GinkgoHelper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/metrics", a.metrics), http.NoBody)
	Expect(err).NotTo(HaveOccurred())
	response, err := http.DefaultClient.Do(request)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	return string(body)
}

// programFor is the name of a program that runs nowhere else. It is longer than the
// kernel keeps the names of processes.
func programFor(namespace, name string) string { return name + "-of-the-owner-in-" + namespace }

// run starts a program on this machine, until the spec or the returned function ends it.
func run(program string) (stop func()) {
	GinkgoHelper()
	// Processes in Pods never match, whatever they are called.
	if cgroup, err := os.ReadFile("/proc/self/cgroup"); err == nil && bytes.Contains(cgroup, []byte("kubepods")) {
		Skip("these tests run in a Pod themselves")
	}
	self, err := os.Executable()
	Expect(err).NotTo(HaveOccurred())
	path := filepath.Join(GinkgoT().TempDir(), program)
	Expect(os.Symlink(self, path)).To(Succeed())
	process, err := testenv.StartProcess(io.Discard, path, nil, []string{programVariable + "=1"})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(process.Kill)
	return process.Kill
}
