package olm_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/finos/five-spot/tests/testenv"
)

const (
	olmNamespace = "olm"
	olmModule    = "github.com/operator-framework/operator-lifecycle-manager"
)

// cluster is a management cluster with OLM in it.
type cluster struct {
	// T is the chapter that is being played, and whole the test that it is part of, with
	// which everything ends that was started.
	*testing.T
	*WithT
	whole *testing.T

	server *testenv.ControlPlane
	admin  client.Client
}

// newCluster starts OLM for a control plane that has kubelets and an audit log. It ends
// with the test.
func newCluster(t *testing.T, server *testenv.ControlPlane) *cluster {
	t.Helper()
	c := &cluster{T: t, WithT: NewWithT(t), whole: t, server: server}
	var err error
	c.admin, err = client.New(server.Config, client.Options{Scheme: testenv.NewScheme()})
	c.Expect(err).NotTo(HaveOccurred())
	ctx, cancel := c.patiently()
	defer cancel()
	c.Expect(server.AddNode(ctx, "control-plane")).To(Succeed())
	module, err := testenv.ModuleFolder(ctx, filepath.Join(root, "tools", "olm"), olmModule)
	c.Expect(err).NotTo(HaveOccurred())
	_, err = envtest.InstallCRDs(server.Config, envtest.CRDInstallOptions{
		Paths: []string{filepath.Join(module, "deploy", "chart", "crds")}, ErrorIfPathMissing: true,
	})
	c.Expect(err).NotTo(HaveOccurred())
	c.createNamespace(olmNamespace)
	kubeconfig, err := server.WriteKubeconfig(server.Config, "olm")
	c.Expect(err).NotTo(HaveOccurred())
	// Images are those of unpack Jobs, which no bundle of the catalog needs. Both say so
	// and go on when they cannot have the port of their metrics.
	c.startOperator("olm", []string{"--namespace", olmNamespace, "--writeStatusName=", "--writePackageServerStatusName="}, "KUBECONFIG="+kubeconfig)
	c.startOperator("catalog", []string{
		"--namespace", olmNamespace, "--writeStatusName=", "--kubeconfig", kubeconfig,
		"--util-image", "example.com/util", "--opmImage", "example.com/opm",
	})
	return c
}

// chapter plays a part of the test, which ends with the first part that fails.
func (c *cluster) chapter(name string, play func()) {
	c.Helper()
	if !c.whole.Run(name, func(t *testing.T) {
		c.T, c.WithT = t, NewWithT(t)
		play()
	}) {
		c.whole.FailNow()
	}
	c.T, c.WithT = c.whole, NewWithT(c.whole)
}

// patiently is the context of the test, until a state should have been reached.
func (c *cluster) patiently() (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.Context(), soon)
}

// startOperator starts one of the two programs of OLM, which has to be alive at the end of
// the test.
func (c *cluster) startOperator(name string, args []string, environment ...string) {
	c.Helper()
	log := gbytes.NewBuffer()
	process, err := testenv.StartProcess(log, filepath.Join(os.Getenv(programsVariable), name), args, environment)
	c.Expect(err).NotTo(HaveOccurred())
	c.whole.Cleanup(func() { c.end(name, process, log) })
}

// end ends a process, and shows the end of its log where the test has failed.
func (c *cluster) end(name string, process *testenv.Process, log *gbytes.Buffer) {
	select {
	case <-process.Done():
		c.whole.Errorf("%s has ended: %v", name, process.Err())
	default:
	}
	if err := process.Stop(time.Minute); err != nil {
		c.whole.Error(err)
	}
	if c.whole.Failed() {
		lines := bytes.Split(log.Contents(), []byte("\n"))
		c.whole.Logf("%s:\n%s", name, bytes.Join(lines[max(0, len(lines)-60):], []byte("\n")))
	}
}

func (c *cluster) createNamespace(name string) {
	c.Helper()
	c.Expect(c.admin.Create(c.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})).To(Succeed())
}

// accessOf is access with a token of a ServiceAccount, and its name for the API server.
func (c *cluster) accessOf(account client.ObjectKey) (access *rest.Config, user string) {
	c.Helper()
	access, err := testenv.ServiceAccountConfig(c.Context(), c.admin, c.server.Config, account)
	c.Expect(err).NotTo(HaveOccurred())
	return access, "system:serviceaccount:" + account.Namespace + ":" + account.Name
}

// nothingWasForbidden looks into the audit log for what a manager asked for and did not
// get since an instant.
func (c *cluster) nothingWasForbidden(user string, since time.Time) {
	c.Helper()
	forbidden, err := c.server.Forbidden(user, since)
	c.Expect(err).NotTo(HaveOccurred())
	for i := range forbidden {
		event := &forbidden[i]
		c.Errorf("%s %s %s was answered with 403: %s", event.RequestReceivedTimestamp.Format(time.StampMilli), event.Verb, event.RequestURI, event.ResponseStatus.Message)
	}
}
