package rbac_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/rights"
	"github.com/finos/five-spot/tests/testenv"
)

// All that the manager does is done with the rights of its ServiceAccount. None is
// missing, and none is granted that nothing takes.
func TestTheRightsOfTheManagerAreEnoughAndNotMore(t *testing.T) {
	needWorld(t)
	forgetTheManager(t)
	began := time.Now()
	o := startOperator(t)
	for _, chapter := range []struct {
		name string
		play func(*bench)
	}{
		{"a machine comes and goes", (*bench).comesAndGoes},
		{"a machine is killed", (*bench).isKilledTwice},
		{"a machine is reclaimed", (*bench).isReclaimed},
		{"a machine is disabled", (*bench).isDisabled},
		{"a machine is paused", (*bench).isPaused},
		{"a machine is deleted", (*bench).isDeleted},
		{"a machine loses its Cluster", (*bench).losesItsCluster},
		{"a machine takes an agent", (*bench).takesAnAgent},
		{"the objects of every provider", (*bench).leavesNothing},
	} {
		t.Run(chapter.name, func(t *testing.T) { chapter.play(newBench(t, o)) })
	}
	t.Run("a policy is deleted, which takes a while", deletePolicySlowly)
	t.Run("the objects of others' kinds are installed", installOperands)
	t.Run("those who read the metrics are asked for", func(t *testing.T) { askForMetrics(t, o) })
	t.Run("an API server that does not stream lists", func(t *testing.T) {
		o.stop(t)
		listInsteadOfStreaming(t)
	})
	if t.Failed() {
		return
	}
	t.Run("none is missing", func(t *testing.T) { noneIsMissing(t, began) })
	t.Run("none is granted in vain", noneIsGrantedInVain)
}

func noneIsMissing(t *testing.T, since time.Time) {
	t.Helper()
	forbidden, err := world.Management.Forbidden(user, since)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for i := range forbidden {
		event := &forbidden[i]
		t.Errorf("%s %s was answered with 403: %s", event.Verb, event.RequestURI, event.ResponseStatus.Message)
	}
}

func noneIsGrantedInVain(t *testing.T) {
	used, err := world.Management.RightsUsed(user)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for role, granted := range rightsOfTheManager(t) {
		for _, right := range granted {
			if !right.UsedIn(used) && right != blockOwnerDeletion {
				t.Errorf("%s grants the right to %s, which nothing has used", role, right)
			}
		}
	}
}

// blockOwnerDeletion is not the right to any request: an admission plugin asks for it. See
// TestWithoutTheRightToFinalizersNoMachineIsCreatedWherePluginsAskForIt.
var blockOwnerDeletion = rights.Right{Verb: "update", Group: v1alpha1.GroupVersion.Group, Resource: "scheduledmachines/finalizers"}

// deletePolicySlowly has the manager tell again what it has told of the same policy, which
// changes the Event of the first time.
func deletePolicySlowly(t *testing.T) {
	g := NewWithT(t)
	const name = "five-spot-crd-guard"
	key := client.ObjectKey{Name: name}
	told := func(reason string, again bool) func() (bool, error) {
		return func() (bool, error) {
			list := &eventsv1.EventList{}
			err := world.Client.List(t.Context(), list, client.InNamespace(systemNamespace))
			return slices.ContainsFunc(list.Items, func(event eventsv1.Event) bool {
				return event.Reason == reason && event.Related != nil && event.Related.Name == name && (event.Series != nil || !again)
			}), err
		}
	}
	g.Eventually(told("AdmissionPolicyInstalled", false)).Should(BeTrue())
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{}
	setFinalizers := func(finalizers ...string) {
		g.Eventually(func() error {
			if err := world.Client.Get(t.Context(), key, policy); err != nil {
				return err
			}
			policy.Finalizers = finalizers
			return world.Client.Update(t.Context(), policy)
		}).Should(Succeed())
	}
	setFinalizers("example.com/held")
	g.Expect(world.Client.Delete(t.Context(), policy)).To(Succeed())
	g.Eventually(told("AdmissionPolicyNotInstalled", false)).Should(BeTrue())
	setFinalizers()
	g.Eventually(told("AdmissionPolicyInstalled", true)).Should(BeTrue())
}

func installOperands(t *testing.T) {
	for _, object := range operandsOfOthersKinds(t) {
		NewWithT(t).Eventually(func() error {
			return world.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object)
		}).Should(Succeed())
	}
}

// askForMetrics reads /metrics as somebody who may, somebody who may not, and nobody.
func askForMetrics(t *testing.T, o *operator) {
	t.Helper()
	g := NewWithT(t)
	namespace, err := world.Namespace(t.Context(), "monitoring")
	g.Expect(err).NotTo(HaveOccurred())
	for _, name := range []string{"prometheus", "stranger"} {
		g.Expect(world.Client.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})).To(Succeed())
	}
	g.Expect(world.Client.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "five-spot-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: "prometheus"}},
	})).To(Succeed())
	for name, code := range map[string]int{"prometheus": http.StatusOK, "stranger": http.StatusForbidden, "": http.StatusUnauthorized} {
		token := ""
		if name != "" {
			access, err := testenv.ServiceAccountConfig(t.Context(), world.Client, world.Config(), client.ObjectKey{Namespace: namespace, Name: name})
			g.Expect(err).NotTo(HaveOccurred())
			token = access.BearerToken
		}
		g.Eventually(func() (int, error) { return metrics(t, o.port, token) }).Should(Equal(code), name)
	}
}

func metrics(t *testing.T, port int, token string) (int, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d/metrics", port), http.NoBody)
	if err != nil {
		return 0, err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	caller := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	response, err := caller.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// listInsteadOfStreaming runs the manager's own binary as it reads from API servers that
// are older than the one here: they list what newer ones stream. It is told that authors
// need no right to create Machines, too.
func listInsteadOfStreaming(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	folder := t.TempDir()
	binary, err := testenv.BuildManager(t.Context(), folder)
	g.Expect(err).NotTo(HaveOccurred())
	kubeconfig, err := testenv.Kubeconfig(accessOf(t, account), "management")
	g.Expect(err).NotTo(HaveOccurred())
	path := filepath.Join(folder, "kubeconfig")
	g.Expect(os.WriteFile(path, kubeconfig, 0o600)).To(Succeed())
	log, err := os.Create(filepath.Join(folder, "log"))
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = log.Close() }()
	environment := []string{"KUBE_FEATURE_WatchListClient=false"}
	for name, value := range environmentOfTheManager(t) {
		environment = append(environment, name+"="+value)
	}
	ports, err := testenv.FreePorts(t.Context(), 1)
	g.Expect(err).NotTo(HaveOccurred())
	child, err := testenv.StartProcess(log, binary, []string{
		"--kubeconfig=" + path, "--metrics-port=" + strconv.Itoa(ports[0]), "--health-port=0", "--manage-network-policy", "--require-machine-create=false",
	}, environment)
	g.Expect(err).NotTo(HaveOccurred())
	defer child.Kill()
	b := newBench(t, nil)
	sm := b.machine("desk-9")
	b.running(sm)
	b.isHeldByABudget(sm)
	b.delete(sm)
	g.Expect(child.Stop(time.Minute)).To(Succeed())
}
