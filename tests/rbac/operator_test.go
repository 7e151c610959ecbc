package rbac_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/controllers"
	"github.com/finos/five-spot/pkg/admission"
	"github.com/finos/five-spot/pkg/console"
	"github.com/finos/five-spot/pkg/monitoring"
	"github.com/finos/five-spot/pkg/networkpolicy"
	"github.com/finos/five-spot/tests/rights"
	"github.com/finos/five-spot/tests/testenv"
)

const (
	systemNamespace = "5spot-system"

	// account is the manager's ServiceAccount, and user its name in the audit log.
	account = "five-spot-controller-manager"
	user    = "system:serviceaccount:" + systemNamespace + ":" + account
)

// operator is the manager as config/manager runs it, with a token of its ServiceAccount
// for all that it may do.
type operator struct {
	clock  *clocktesting.FakeClock
	port   int
	cancel context.CancelFunc
	done   chan error
}

// startOperator starts the manager with the rights of its own ServiceAccount.
func startOperator(t *testing.T) *operator {
	t.Helper()
	return startOperatorAs(t, account)
}

// startOperatorAs starts the manager with the rights of another ServiceAccount in its
// namespace, on a clock that runs with real time and can be stepped ahead of it.
func startOperatorAs(t *testing.T, account string) *operator {
	t.Helper()
	g := NewWithT(t)
	environment := environmentOfTheManager(t)
	ports, err := testenv.FreePorts(t.Context(), 1)
	g.Expect(err).NotTo(HaveOccurred())
	o := &operator{clock: clocktesting.NewFakeClock(time.Now()), port: ports[0], done: make(chan error, 1)}
	opts, err := controllers.ParseOptions(
		[]string{"--health-port=0", "--metrics-port=" + strconv.Itoa(o.port), "--join-timeout=876000h", "--manage-network-policy"},
		func(name string) (string, bool) { value, found := environment[name]; return value, found },
	)
	g.Expect(err).NotTo(HaveOccurred())
	opts.Clock, opts.Registry = o.clock, prometheus.NewRegistry()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	o.cancel = cancel
	mgr, err := controllers.NewManager(ctx, accessOf(t, account), opts, "test")
	g.Expect(err).NotTo(HaveOccurred())
	stopClock := testenv.LetFlow(o.clock)
	go func() {
		o.done <- mgr.Start(ctx)
		stopClock()
	}()
	t.Cleanup(func() { o.stop(t) })
	g.Eventually(mgr.Elected()).Should(BeClosed())
	return o
}

// stop ends the manager and waits until it has ended.
func (o *operator) stop(t *testing.T) {
	t.Helper()
	if o.cancel == nil {
		return
	}
	o.cancel()
	o.cancel = nil
	NewWithT(t).Eventually(o.done).Should(Receive(BeNil()))
}

// forgetTheManager removes what managers of earlier tests have created in the cluster and
// is kept: the next one creates it again.
func forgetTheManager(t *testing.T) {
	t.Helper()
	kept := []client.Object{
		&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: "5spot-leader"}},
		&networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: networkpolicy.Name}},
	}
	for _, name := range admission.Names() {
		kept = append(kept,
			&admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}},
			&admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	for _, object := range operandsOfOthersKinds(t) {
		kept = append(kept, object)
	}
	for _, object := range kept {
		NewWithT(t).Expect(client.IgnoreNotFound(world.Client.Delete(t.Context(), object))).To(Succeed())
	}
}

// operandsOfOthersKinds are the objects of the Prometheus operator's kinds, and of those of
// the OpenShift console.
func operandsOfOthersKinds(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	g := NewWithT(t)
	objects, err := console.Samples()
	g.Expect(err).NotTo(HaveOccurred())
	quickStart, err := console.QuickStart()
	g.Expect(err).NotTo(HaveOccurred())
	settings := monitoring.Settings{Namespace: systemNamespace}
	monitor, err := monitoring.ServiceMonitor(settings)
	g.Expect(err).NotTo(HaveOccurred())
	rule, err := monitoring.PrometheusRule(settings)
	g.Expect(err).NotTo(HaveOccurred())
	return append(objects, quickStart, monitor, rule)
}

// accessOf is a token of a ServiceAccount in the manager's namespace, as its Pod has one.
func accessOf(t *testing.T, account string) *rest.Config {
	t.Helper()
	config, err := testenv.ServiceAccountConfig(t.Context(), world.Client, world.Config(), client.ObjectKey{Namespace: systemNamespace, Name: account})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return config
}

// environmentOfTheManager is what its Deployment sets.
func environmentOfTheManager(t *testing.T) map[string]string {
	t.Helper()
	g := NewWithT(t)
	deployment := &appsv1.Deployment{}
	g.Expect(world.Client.Get(t.Context(), client.ObjectKey{Namespace: systemNamespace, Name: account}, deployment)).To(Succeed())
	template := deployment.Spec.Template.Spec
	g.Expect(template.ServiceAccountName).To(Equal(account))
	environment := map[string]string{}
	for _, variable := range template.Containers[0].Env {
		environment[variable.Name] = variable.Value
		if variable.ValueFrom != nil {
			field := map[string]string{"metadata.name": account + "-0", "metadata.namespace": systemNamespace}
			environment[variable.Name] = field[variable.ValueFrom.FieldRef.FieldPath]
		}
	}
	g.Expect(environment).To(HaveKeyWithValue("POD_NAMESPACE", systemNamespace))
	return environment
}

// rightsOfTheManager are those that bindings in the cluster give to its ServiceAccount,
// by the role that grants them.
func rightsOfTheManager(t *testing.T) map[string][]rights.Right {
	t.Helper()
	g := NewWithT(t)
	granted := map[string][]rights.Right{}
	everywhere := &rbacv1.ClusterRoleBindingList{}
	g.Expect(world.Client.List(t.Context(), everywhere)).To(Succeed())
	for i := range everywhere.Items {
		if binding := &everywhere.Items[i]; concernsTheManager(binding.Subjects) {
			granted[binding.RoleRef.Name] = rights.In(rulesOf(t, binding.RoleRef, ""), "")
		}
	}
	somewhere := &rbacv1.RoleBindingList{}
	g.Expect(world.Client.List(t.Context(), somewhere)).To(Succeed())
	for i := range somewhere.Items {
		if binding := &somewhere.Items[i]; concernsTheManager(binding.Subjects) {
			granted[binding.RoleRef.Name] = rights.In(rulesOf(t, binding.RoleRef, binding.Namespace), binding.Namespace)
		}
	}
	return granted
}

func concernsTheManager(subjects []rbacv1.Subject) bool {
	for _, subject := range subjects {
		if subject.Kind == rbacv1.ServiceAccountKind && subject.Namespace == systemNamespace && subject.Name == account {
			return true
		}
	}
	return false
}

func rulesOf(t *testing.T, ref rbacv1.RoleRef, namespace string) []rbacv1.PolicyRule {
	t.Helper()
	g := NewWithT(t)
	if ref.Kind == "Role" {
		role := &rbacv1.Role{}
		g.Expect(world.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: ref.Name}, role)).To(Succeed())
		return role.Rules
	}
	role := &rbacv1.ClusterRole{}
	g.Expect(world.Client.Get(t.Context(), client.ObjectKey{Name: ref.Name}, role)).To(Succeed())
	return role.Rules
}
