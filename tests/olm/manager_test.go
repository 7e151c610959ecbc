package olm_test

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/tests/testenv"
)

const managerName = "five-spot-controller-manager"

// pod is a Pod of the Deployment that OLM has created.
type pod struct {
	name, namespace, account string
	environment              map[string]string
	args                     []string
}

// podOf waits for a running Pod of a version. The process that stands for it takes its
// name, its arguments and its variables.
func (i *installation) podOf(release *release) *pod {
	i.Helper()
	deployment, pods := &appsv1.Deployment{}, &corev1.PodList{}
	i.Expect(i.admin.Get(i.Context(), client.ObjectKey{Namespace: i.namespace, Name: managerName}, deployment)).To(Succeed())
	i.Expect(deployment.Spec.Template.Spec.Containers[0].Image).To(HaveSuffix(":" + release.version))
	var found *corev1.Pod
	i.Eventually(func() (*corev1.Pod, error) {
		err := i.admin.List(i.Context(), pods, client.InNamespace(i.namespace), client.MatchingLabels(deployment.Spec.Selector.MatchLabels))
		for j := range pods.Items {
			if one := &pods.Items[j]; testenv.PodReady(one) && one.Spec.Containers[0].Image == deployment.Spec.Template.Spec.Containers[0].Image {
				found = one
			}
		}
		return found, err
	}).ShouldNot(BeNil(), "a Pod of %s", release.version)
	container := found.Spec.Containers[0]
	p := &pod{name: found.Name, namespace: i.namespace, account: found.Spec.ServiceAccountName, environment: map[string]string{}, args: container.Args}
	for _, variable := range container.Env {
		p.environment[variable.Name] = variable.Value
		if from := variable.ValueFrom; from != nil {
			value, known := map[string]string{"metadata.name": p.name, "metadata.namespace": p.namespace, "metadata.uid": string(found.UID)}[from.FieldRef.FieldPath]
			i.Expect(known).To(BeTrue(), from.FieldRef.FieldPath)
			p.environment[variable.Name] = value
		}
	}
	return p
}

// manager is the process that stands for a Pod.
type manager struct {
	log *gbytes.Buffer

	// user is who it is for the API server.
	user string

	// stop ends it.
	stop func()
}

// run starts the manager of a version as the Pod would, with a token of its
// ServiceAccount, and waits until it is ready. It is stopped when the test ends.
func (i *installation) run(release *release, p *pod) *manager {
	i.Helper()
	ports, err := testenv.FreePorts(i.Context(), 2)
	i.Expect(err).NotTo(HaveOccurred())
	m := &manager{log: gbytes.NewBuffer()}
	access, user := i.accessOf(client.ObjectKey{Namespace: p.namespace, Name: p.account})
	m.user = user
	kubeconfig, err := i.server.WriteKubeconfig(access, p.name)
	i.Expect(err).NotTo(HaveOccurred())
	environment := make([]string, 0, len(p.environment))
	for name, value := range p.environment {
		environment = append(environment, name+"="+value)
	}
	args := append(append([]string{}, p.args...), "--kubeconfig="+kubeconfig, "--metrics-port="+strconv.Itoa(ports[0]), "--health-port="+strconv.Itoa(ports[1]))
	process, err := testenv.StartProcess(m.log, release.binary, args, environment)
	i.Expect(err).NotTo(HaveOccurred())
	m.stop = sync.OnceFunc(func() { i.end("the manager "+release.version, process, m.log) })
	i.whole.Cleanup(m.stop)
	i.Eventually(func() error { return i.ready(ports[1]) }).Should(Succeed(), func() string { return string(m.log.Contents()) })
	return m
}

func (i *installation) ready(port int) error {
	request, err := http.NewRequestWithContext(i.Context(), http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/readyz", port), http.NoBody)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		err = fmt.Errorf("the manager is not ready: %s", response.Status)
	}
	return errors.Join(err, response.Body.Close())
}

// leader is who holds the Lease; empty when nobody does.
func (i *installation) leader(p *pod) (string, error) {
	lease := &coordinationv1.Lease{}
	err := i.admin.Get(i.Context(), client.ObjectKey{Namespace: p.namespace, Name: p.environment["LEASE_NAME"]}, lease)
	if err != nil || lease.Spec.HolderIdentity == nil {
		return "", client.IgnoreNotFound(err)
	}
	return *lease.Spec.HolderIdentity, nil
}

// takesOver waits until another manager than the one before is the leader, and returns
// which.
func (i *installation) takesOver(p *pod, before string) (now string) {
	i.Helper()
	i.Eventually(func() (string, error) {
		var err error
		now, err = i.leader(p)
		return now, err
	}).ShouldNot(BeElementOf("", before))
	return now
}
