package integration_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

// tenant is somebody who may create ScheduledMachines in one namespace, and nothing else.
// The manager of these specs may do everything, so that what a tenant cannot do is not for
// want of the manager's rights.
type tenant struct {
	client.Client

	namespace string
	operator  *operator
}

func newTenant(ctx context.Context, operator *operator, namespace string) tenant {
	GinkgoHelper()
	user, err := world.Management.Env.AddUser(envtest.User{Name: "tenant-of-" + namespace}, nil)
	Expect(err).NotTo(HaveOccurred())
	metadata := metav1.ObjectMeta{Namespace: namespace, Name: "tenant"}
	for _, obj := range []client.Object{
		&rbacv1.Role{ObjectMeta: metadata, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"scheduledmachines"}, Verbs: []string{"create"}},
		}},
		&rbacv1.RoleBinding{
			ObjectMeta: metadata,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "tenant"},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "tenant-of-" + namespace}},
		},
	} {
		Expect(world.Client.Create(ctx, obj)).To(Succeed())
	}
	c, err := client.New(user.Config(), client.Options{Scheme: world.Scheme})
	Expect(err).NotTo(HaveOccurred())
	t := tenant{Client: c, namespace: namespace, operator: operator}
	// The authorizer hears of the role a moment later.
	Eventually(func() error {
		_, err := t.try(ctx, "metadata: {name: probe}", client.DryRunAll)
		return err
	}).Should(Succeed())
	return t
}

// try creates businessHours with a merge patch over it, which may hold anything, also
// what no field has.
func (t tenant) try(ctx context.Context, patch string, opts ...client.CreateOption) (*v1alpha1.ScheduledMachine, error) {
	GinkgoHelper()
	object, change := map[string]any{}, map[string]any{}
	Expect(yaml.Unmarshal([]byte(businessHours), &object)).To(Succeed())
	Expect(yaml.Unmarshal([]byte(patch), &change)).To(Succeed())
	merge(object, change)
	obj := &unstructured.Unstructured{Object: object}
	obj.SetNamespace(t.namespace)
	err := t.Create(ctx, obj, opts...)
	return &v1alpha1.ScheduledMachine{ObjectMeta: metav1.ObjectMeta{Namespace: obj.GetNamespace(), Name: obj.GetName(), UID: obj.GetUID()}}, err
}

// create is try where the API server is to accept it.
func (t tenant) create(ctx context.Context, patch string) *v1alpha1.ScheduledMachine {
	GinkgoHelper()
	sm, err := t.try(ctx, patch)
	Expect(err).NotTo(HaveOccurred())
	return sm
}

func merge(into, change map[string]any) {
	for key, value := range change {
		inner, isMap := value.(map[string]any)
		below, hasMap := into[key].(map[string]any)
		if isMap && hasMap {
			merge(below, inner)
		} else {
			into[key] = value
		}
	}
}

// expectOnlyWritesAtHome looks whether the manager wrote anything but in the tenant's
// namespace, or to any resource beside those that it needs there.
func (t tenant) expectOnlyWritesAtHome(resources ...string) {
	GinkgoHelper()
	t.operator.settle()
	for _, request := range t.operator.requests.List(testenv.Request.Write) {
		_, path, namespaced := strings.Cut(request.Path, "/namespaces/")
		Expect(namespaced).To(BeTrue(), request.Path)
		namespace, rest, _ := strings.Cut(path, "/")
		Expect(namespace).To(Equal(t.namespace), request.Path)
		resource, _, _ := strings.Cut(rest, "/")
		Expect(append([]string{"scheduledmachines", "events"}, resources...)).To(ContainElement(resource), request.Path)
	}
}

// expectNothingReadIn looks whether the manager asked for anything in a namespace.
func (t tenant) expectNothingReadIn(namespace string) {
	GinkgoHelper()
	t.operator.settle()
	Expect(t.operator.requests.List(func(r testenv.Request) bool { return strings.Contains(r.Path, "/namespaces/"+namespace+"/") })).To(BeEmpty())
}
