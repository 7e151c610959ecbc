package admission_test

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
)

var (
	authors  = rbacv1.PolicyRule{APIGroups: []string{"5spot.finos.org"}, Resources: []string{"scheduledmachines"}, Verbs: []string{"create", "get", "patch", "delete"}}
	creators = rbacv1.PolicyRule{APIGroups: []string{"cluster.x-k8s.io"}, Resources: []string{"machines"}, Verbs: []string{"create"}}
	readers  = rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"ssh"}, Verbs: []string{"get"}}
)

// userOf is a client of a user with these rights in one namespace, and no others.
func userOf(t *testing.T, name, namespace string, rules ...rbacv1.PolicyRule) client.Client {
	t.Helper()
	g := NewWithT(t)
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Rules: rules}
	g.Expect(guarded.client.Create(t.Context(), role)).To(Succeed())
	g.Expect(guarded.client.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
	})).To(Succeed())
	config, err := userWith(t.Context(), &guarded, name)
	g.Expect(err).NotTo(HaveOccurred())
	c, err := clientOf(config)
	g.Expect(err).NotTo(HaveOccurred())
	return c
}

func namespaceOf(t *testing.T, name string) string {
	t.Helper()
	NewWithT(t).Expect(guarded.client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})).To(Succeed())
	return name
}

func machineIn(t *testing.T, namespace, name, change string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{Object: patched(t, machineObject, change)}
	object.SetNamespace(namespace)
	object.SetName(name)
	return object
}

// The authorizer that the policies ask is RBAC, as in production.
func TestRealUsersAreAskedForTheirRights(t *testing.T) {
	t.Parallel()
	needServer(t)
	g := NewWithT(t)
	namespace, elsewhere := namespaceOf(t, "rights"), namespaceOf(t, "rights-elsewhere")
	secret := `{"spec": {"infrastructureSpec": {"secretRef": {"name": "ssh"}}}}`

	editor := userOf(t, "editor", namespace, authors)
	creator := userOf(t, "creator", namespace, authors, creators)
	reader := userOf(t, "reader", namespace, authors, creators, readers)
	beside := userOf(t, "creator-elsewhere", elsewhere, authors, creators, readers)

	g.Expect(editor.Create(t.Context(), machineIn(t, namespace, "a", ""))).To(MatchError(apierrors.IsForbidden, "a refusal"),
		"a namespace's editor must not reach hardware")
	g.Expect(creator.Create(t.Context(), machineIn(t, namespace, "a", ""))).To(Succeed())
	g.Expect(creator.Create(t.Context(), machineIn(t, namespace, "b", secret))).To(MatchError(And(
		ContainSubstring("spec.infrastructureSpec.secretRef"), ContainSubstring("user creator may not get Secret ssh"))))
	g.Expect(reader.Create(t.Context(), machineIn(t, namespace, "b", secret))).To(Succeed())
	g.Expect(beside.Create(t.Context(), machineIn(t, elsewhere, "c", secret))).To(Succeed(), "the rights are asked for in the object's own namespace")

	// What an editor may do with what another has created.
	existing := machineIn(t, namespace, "b", secret)
	for change, refused := range map[string]string{
		`{"spec": {"killSwitch": true}}`:                                                             "",
		`{"spec": {"schedule": {"enabled": false}}}`:                                                 "",
		`{"spec": {"schedule": {"override": {"state": "Active", "until": "2036-01-01T00:00:00Z"}}}}`: "",
		`{"metadata": {"annotations": {"cluster.x-k8s.io/paused": "true"}}}`:                         "",
		`{"spec": {"infrastructureSpec": {"spec": {"address": "192.0.2.66"}}}}`:                      "may not",
		`{"spec": {"infrastructureSpec": {"secretRef": {"key": "other"}}}}`:                          "may not",
		`{"spec": {"bootstrapSpec": {"spec": {"preK0sCommands": ["id"]}}}}`:                          "may not create machines.cluster.x-k8s.io",
		`{"spec": {"machineTemplate": {"labels": {"node-role.kubernetes.io/worker": ""}}}}`:          "may not create machines.cluster.x-k8s.io",
	} {
		err := editor.Patch(t.Context(), existing.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(change)))
		if refused == "" {
			g.Expect(err).NotTo(HaveOccurred(), change)
		} else {
			g.Expect(err).To(MatchError(And(ContainSubstring("user editor"), ContainSubstring(refused))), change)
		}
	}
	g.Expect(creator.Patch(t.Context(), existing.DeepCopy(), client.RawPatch(types.MergePatchType,
		[]byte(`{"spec": {"infrastructureSpec": {"spec": {"address": "192.0.2.66"}}}}`)))).To(
		MatchError(ContainSubstring("user creator may not get Secret ssh")), "a Secret must not be sent elsewhere by who may not read it")
	g.Expect(editor.Delete(t.Context(), existing)).To(Succeed())
}

// What is older than the policies, and refused by all of them, is still taken out.
func TestWhatIsOlderThanThePoliciesCanBeStopped(t *testing.T) {
	t.Parallel()
	needServer(t)
	g := NewWithT(t)
	old := machineIn(t, "default", "outdated", "")
	editor := userOf(t, "old-hand", "default", authors)
	for _, change := range []string{
		`{"spec": {"killSwitch": true}}`, `{"spec": {"killSwitch": false}}`, `{"spec": {"schedule": {"enabled": false}}}`, `{"spec": {"schedule": {"enabled": true}}}`,
		`{"spec": {"schedule": {"override": {"state": "Inactive", "until": "2036-01-01T00:00:00Z"}}}}`, `{"spec": {"schedule": {"override": null}}}`,
		`{"metadata": {"finalizers": ["example.com/test", "example.com/more"]}}`, `{"metadata": {"annotations": {"a": "b"}}}`,
	} {
		g.Expect(editor.Patch(t.Context(), old.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(change)))).To(Succeed(), change)
	}
	g.Expect(editor.Patch(t.Context(), old.DeepCopy(), client.RawPatch(types.MergePatchType,
		[]byte(`{"spec": {"machineTemplate": {"labels": {"kubernetes.io/hostname": "other"}}}}`)))).NotTo(Succeed(), "what is changed is judged")

	deleted := machineIn(t, "default", "outdated-and-deleted", "")
	g.Expect(editor.Delete(t.Context(), deleted)).To(Succeed())
	for _, change := range []string{`{"spec": {"killSwitch": true}}`, `{"metadata": {"finalizers": null}}`} {
		g.Expect(editor.Patch(t.Context(), deleted.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(change)))).To(Succeed(), change)
	}
	g.Expect(guarded.client.Get(t.Context(), client.ObjectKeyFromObject(deleted), deleted)).To(MatchError(apierrors.IsNotFound, "not found"))
}

// The manager writes two things to a ScheduledMachine, beside the status: its finalizer,
// and after a reclaim enabled.
func TestTheManagersOwnWritesPass(t *testing.T) {
	t.Parallel()
	needServer(t)
	g := NewWithT(t)
	own := asManager(t)
	old := machineIn(t, "default", "outdated-for-the-manager", "")
	clean := client.RawPatch(types.MergePatchType, []byte(`{"metadata": {"finalizers": ["example.com/test"]}, "spec": {"schedule": {"enabled": true}}}`))
	g.Expect(guarded.client.Patch(t.Context(), old.DeepCopy(), clean)).To(Succeed())
	for _, change := range []string{
		`{"metadata": {"finalizers": ["example.com/test", "` + v1alpha1.Finalizer + `"]}}`,
		`{"spec": {"schedule": {"enabled": false}}}`,
		`{"metadata": {"finalizers": ["example.com/test"]}}`,
	} {
		patch := client.RawPatch(types.MergePatchType, []byte(change))
		g.Expect(own.Patch(t.Context(), old.DeepCopy(), patch, client.FieldOwner(v1alpha1.FieldManager))).To(Succeed(), change)
	}
	g.Expect(own.Patch(t.Context(), old.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"spec": {"infrastructureSpec": {"apiVersion": "apps/v1"}}}`)))).
		NotTo(Succeed(), "the manager is no exception")
}

func TestTheAuditLogOfAServerNamesWhoThrewTheKillSwitch(t *testing.T) {
	t.Parallel()
	needServer(t)
	g := NewWithT(t)
	namespace := namespaceOf(t, "killed")
	editor := userOf(t, "night-shift", namespace, authors)
	g.Expect(guarded.client.Create(t.Context(), machineIn(t, namespace, "desk", ""))).To(Succeed())
	for _, change := range []string{`{"spec": {"priority": 7}}`, `{"spec": {"killSwitch": true}}`, `{"spec": {"priority": 8}}`, `{"spec": {"killSwitch": false}}`} {
		patch := client.RawPatch(types.MergePatchType, []byte(change))
		g.Expect(editor.Patch(t.Context(), machineIn(t, namespace, "desk", ""), patch)).To(Succeed())
	}
	const key = "five-spot-scheduledmachines/kill-switch"
	g.Eventually(func(g Gomega) {
		events, err := guarded.AuditEvents(func(e *auditv1.Event) bool {
			return e.ObjectRef != nil && e.ObjectRef.Namespace == namespace && e.ObjectRef.Resource == "scheduledmachines" && e.Verb == "patch"
		})
		g.Expect(err).NotTo(HaveOccurred())
		var told []string
		for _, event := range events {
			g.Expect(event.User.Username).To(Equal("night-shift"))
			told = append(told, event.Annotations[key])
		}
		g.Expect(told).To(Equal([]string{"", "killSwitch=true by night-shift", "", "killSwitch=false by night-shift"}))
	}).WithTimeout(enforcement).Should(Succeed())
}

func TestTheCRDIsNotDeletedByMistake(t *testing.T) {
	t.Parallel()
	needServer(t)
	g := NewWithT(t)
	guard := func(name string) *unstructured.Unstructured {
		crd := &unstructured.Unstructured{}
		crd.SetAPIVersion("apiextensions.k8s.io/v1")
		crd.SetKind("CustomResourceDefinition")
		crd.SetName(name)
		return crd
	}
	const ours = "scheduledmachines.5spot.finos.org"
	refusal := And(ContainSubstring("removes every machine"), ContainSubstring("5spot.finos.org/allow-removal=true"))
	g.Expect(guarded.client.Delete(t.Context(), guard(ours))).To(MatchError(refusal))
	g.Expect(guarded.client.DeleteAllOf(t.Context(), guard(""), client.MatchingFields{"metadata.name": ours}, client.DryRunAll)).
		To(MatchError(refusal), "nor as a collection, of which the request has no name")
	g.Expect(guarded.client.Get(t.Context(), client.ObjectKey{Name: ours}, guard(""))).To(Succeed())
	g.Expect(guarded.client.Delete(t.Context(), guard("machinecalendars.5spot.finos.org"))).To(MatchError(And(
		ContainSubstring("deletes every MachineCalendar"), ContainSubstring("5spot.finos.org/allow-removal=true"))))
	others := guard("others.example.com")
	others.Object["spec"] = map[string]any{
		"group": "example.com", "scope": "Namespaced", "names": map[string]any{"plural": "others", "kind": "Other"},
		"versions": []any{map[string]any{"name": "v1", "served": true, "storage": true, "schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object"}}}},
	}
	g.Expect(guarded.client.Create(t.Context(), others)).To(Succeed())
	g.Expect(guarded.client.Delete(t.Context(), others)).To(Succeed(), "it is about our CRDs alone")

	annotated := func(value string) client.Patch {
		return client.RawPatch(types.MergePatchType, []byte(`{"metadata": {"annotations": {"`+v1alpha1.AllowRemovalAnnotation+`": `+value+`}}}`))
	}
	g.Expect(guarded.client.Patch(t.Context(), guard(ours), annotated(`"yes"`))).To(Succeed())
	g.Expect(guarded.client.Delete(t.Context(), guard(ours), client.DryRunAll)).To(MatchError(refusal))
	g.Expect(guarded.client.Patch(t.Context(), guard(ours), annotated(`"true"`))).To(Succeed())
	g.Expect(guarded.client.Delete(t.Context(), guard(ours), client.DryRunAll)).To(Succeed())
	g.Expect(guarded.client.Patch(t.Context(), guard(ours), annotated("null"))).To(Succeed())
}

// That an object is being deleted is for the API server to say.
func TestNobodyIsBelievedThatANewObjectIsBeingDeleted(t *testing.T) {
	t.Parallel()
	needServer(t)
	object := machineIn(t, "default", "stamped", `{spec: {infrastructureSpec: {apiVersion: apps/v1}}}`)
	deleted := metav1.Now()
	object.SetDeletionTimestamp(&deleted)
	NewWithT(t).Expect(guarded.client.Create(t.Context(), object)).To(MatchError(ContainSubstring("is of an API group that is not allowed")))
}
