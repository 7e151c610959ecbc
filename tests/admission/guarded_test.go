package admission_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/finos/five-spot/controllers"
	"github.com/finos/five-spot/pkg/admission"
	"github.com/finos/five-spot/tests/testenv"
)

const (
	// managerUser is the ServiceAccount of the manager.
	managerUser = "system:serviceaccount:5spot-system:five-spot-controller-manager"

	// enforcement is more than the API server needs to heed a policy, and anything else.
	enforcement = 60 * time.Second
)

// manager is the manager as in production, with exactly the rights of config/rbac.
type manager struct {
	registry *prometheus.Registry
	cancel   context.CancelFunc
	done     chan error
}

// startManager starts a manager of that version. The options may be adjusted.
func startManager(ctx context.Context, config *rest.Config, version string, args []string, adjust ...func(*controllers.Options)) (*manager, error) {
	args = append([]string{"--metrics-port=0", "--health-port=0", "--enable-leader-election=false"}, args...)
	opts, err := controllers.ParseOptions(args, func(string) (string, bool) { return "", false })
	if err != nil {
		return nil, err
	}
	m := &manager{registry: prometheus.NewRegistry(), done: make(chan error, 1)}
	opts.Registry = m.registry
	for _, change := range adjust {
		change(&opts)
	}
	ctx, m.cancel = context.WithCancel(context.WithoutCancel(ctx))
	mgr, err := controllers.NewManager(ctx, config, opts, version)
	if err != nil {
		m.cancel()
		return nil, err
	}
	go func() { m.done <- mgr.Start(ctx) }()
	return m, nil
}

// stop ends the manager and waits for that. It may be called more than once.
func (m *manager) stop() error {
	if m == nil || m.cancel == nil {
		return nil
	}
	m.cancel()
	m.cancel = nil
	return <-m.done
}

// states are the states of the policies as /metrics tells them.
func (m *manager) states() map[string]string {
	states := map[string]string{}
	families, err := m.registry.Gather()
	if err != nil {
		return map[string]string{"error": err.Error()}
	}
	for _, family := range families {
		if family.GetName() != "fivespot_admission_policies" {
			continue
		}
		for _, metric := range family.GetMetric() {
			if metric.GetGauge().GetValue() == 1 {
				states[metric.GetLabel()[0].GetValue()] = metric.GetLabel()[1].GetValue()
			}
		}
	}
	return states
}

// all is every policy in that state.
func all(state string) map[string]string {
	states := map[string]string{}
	for _, name := range admission.Names() {
		states[name] = state
	}
	return states
}

// managersConfig gives a user the rights that config/rbac gives the manager, but for those
// that without says yes to.
func managersConfig(ctx context.Context, s *apiServer, user string, without func(rbacv1.PolicyRule) bool) (*rest.Config, error) {
	text, err := os.ReadFile(filepath.Join("..", "..", "config", "rbac", "role.yaml"))
	if err != nil {
		return nil, err
	}
	role := &rbacv1.ClusterRole{}
	if err := yaml.UnmarshalStrict(text, role); err != nil {
		return nil, err
	}
	var rules []rbacv1.PolicyRule
	for _, rule := range role.Rules {
		if without == nil || !without(rule) {
			rules = append(rules, rule)
		}
	}
	return userWith(ctx, s, user, rules...)
}

// userWith makes a user with these rights in all namespaces, and no others.
func userWith(ctx context.Context, s *apiServer, name string, rules ...rbacv1.PolicyRule) (*rest.Config, error) {
	if len(rules) > 0 {
		role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}, Rules: rules}
		if err := s.client.Create(ctx, role); err != nil {
			return nil, err
		}
		binding := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: role.Name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
		}
		if err := s.client.Create(ctx, binding); err != nil {
			return nil, err
		}
	}
	user, err := s.Env.AddUser(envtest.User{Name: name}, nil)
	if err != nil {
		return nil, err
	}
	config := user.Config()
	config.QPS, config.Burst = 500, 1000
	return config, nil
}

func clientOf(config *rest.Config) (client.Client, error) {
	return client.New(config, client.Options{Scheme: testenv.NewScheme()})
}

// outdatedChange makes an object that the CRD accepts and the policies do not.
const outdatedChange = `{metadata: {name: outdated}, spec: {
	bootstrapSpec: {apiVersion: apps/v1, kind: DaemonSet}, infrastructureSpec: {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, secretRef: {name: ssh, key: spec}},
	machineTemplate: {labels: {"kubernetes.io/hostname": x, "a b": x}, annotations: {"machine.cluster.x-k8s.io/exclude-node-draining": "", "a b": x}},
	nodeTaints: [{key: kubernetes.io/x, effect: NoSchedule}]}}`

// guard stores what is older than the policies, and has a manager install these.
func guard(ctx context.Context) error {
	for _, name := range []string{"outdated", "outdated-for-the-manager", "outdated-and-deleted"} {
		old, err := patchedObject(machineObject, outdatedChange)
		if err != nil {
			return err
		}
		object := &unstructured.Unstructured{Object: old}
		object.SetName(name)
		object.SetFinalizers([]string{"example.com/test"})
		if err := guarded.client.Create(ctx, object); err != nil {
			return fmt.Errorf("failed to store an object of old: %w", err)
		}
	}
	config, err := managersConfig(ctx, &guarded, managerUser, nil)
	if err != nil {
		return err
	}
	manager, err := startManager(ctx, config, "v1.0.0", nil)
	if err != nil {
		return err
	}
	// It leaves the policies, and would write to the objects of the tests.
	return errors.Join(enforced(ctx, guarded.client), manager.stop())
}

// enforced waits until the API server refuses what each policy is to refuse.
func enforced(ctx context.Context, c client.Client) error {
	bad, err := patchedObject(machineObject, `{spec: {infrastructureSpec: {apiVersion: apps/v1}}}`)
	if err != nil {
		return err
	}
	crd := &unstructured.Unstructured{}
	crd.SetAPIVersion("apiextensions.k8s.io/v1")
	crd.SetKind("CustomResourceDefinition")
	crd.SetName("scheduledmachines.5spot.finos.org")
	return wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, enforcement, true, func(ctx context.Context) (bool, error) {
		err := c.Create(ctx, &unstructured.Unstructured{Object: bad}, client.DryRunAll)
		return apierrors.IsInvalid(err) && apierrors.IsForbidden(c.Delete(ctx, crd, client.DryRunAll)), nil
	})
}

// asManager is a client with the manager's identity.
func asManager(t *testing.T) client.Client {
	t.Helper()
	user, err := guarded.Env.AddUser(envtest.User{Name: managerUser}, nil)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	c, err := clientOf(user.Config())
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return c
}
