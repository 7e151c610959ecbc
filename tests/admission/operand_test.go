package admission_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/controllers"
	"github.com/finos/five-spot/pkg/admission"
	"github.com/finos/five-spot/tests/testenv"
)

// installation is an API server on which managers come and go, one test after the other.
type installation struct {
	*WithT
	t      *testing.T
	server *apiServer
	config *rest.Config
}

// newInstallation is an API server without policies, and a user with the manager's rights
// there.
func newInstallation(t *testing.T) *installation {
	t.Helper()
	needServer(t)
	i := &installation{WithT: NewWithT(t), t: t, server: &unguarded}
	i.SetDefaultEventuallyTimeout(enforcement)
	i.SetDefaultEventuallyPollingInterval(10 * time.Millisecond)
	for _, kind := range []string{policyKind, bindingKind} {
		for _, name := range admission.Names() {
			if object := i.get(kind, name); object != nil {
				i.Expect(i.server.client.Delete(t.Context(), object)).To(Succeed())
			}
		}
	}
	var err error
	i.config, err = managersConfig(t.Context(), i.server, managerUser, nil)
	i.Expect(err).NotTo(HaveOccurred())
	return i
}

// run starts a manager of that version, which is stopped at the end of the test at the
// latest.
func (i *installation) run(version string, args ...string) *manager {
	i.t.Helper()
	m, err := startManager(i.t.Context(), i.config, version, args)
	i.Expect(err).NotTo(HaveOccurred())
	i.t.Cleanup(func() { i.Expect(m.stop()).To(Succeed()) })
	return m
}

func (i *installation) end(m *manager) {
	i.t.Helper()
	i.Expect(m.stop()).To(Succeed())
}

// get returns a policy or binding; nil when there is none.
func (i *installation) get(kind, name string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion("admissionregistration.k8s.io/v1")
	object.SetKind(kind)
	err := i.server.client.Get(i.t.Context(), client.ObjectKey{Name: name}, object)
	if apierrors.IsNotFound(err) {
		return nil
	}
	i.Expect(err).NotTo(HaveOccurred())
	return object
}

const (
	policyKind  = "ValidatingAdmissionPolicy"
	bindingKind = "ValidatingAdmissionPolicyBinding"
)

// specs are what is in force, by kind and name.
func (i *installation) specs() map[string]any {
	specs := map[string]any{}
	for _, kind := range []string{policyKind, bindingKind} {
		for _, name := range admission.Names() {
			if object := i.get(kind, name); object != nil {
				specs[kind+" "+name] = object.Object["spec"]
			}
		}
	}
	return specs
}

// wanted are the specs as they are rendered.
func wanted(settings admission.Settings) map[string]any {
	policies, err := admission.Render(settings)
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	specs := map[string]any{}
	for _, policy := range policies {
		specs[policyKind+" "+policy.Name] = policy.Policy.Object["spec"]
		if !policy.Unbound {
			specs[bindingKind+" "+policy.Name] = policy.Binding.Object["spec"]
		}
	}
	return specs
}

func (i *installation) asIs(kind, name string, patchType types.PatchType, change string) {
	i.t.Helper()
	i.Expect(i.server.client.Patch(i.t.Context(), i.get(kind, name), client.RawPatch(patchType, []byte(change)))).To(Succeed())
}

// tamperings are what somebody may do to what is installed.
func (i *installation) tamperings() map[string]func() {
	remove := func(kind string) func() {
		return func() {
			i.Expect(i.server.client.Delete(i.t.Context(), i.get(kind, admission.ScheduledMachines))).To(Succeed())
		}
	}
	merge := func(kind, change string) func() {
		return func() { i.asIs(kind, admission.ScheduledMachines, types.MergePatchType, change) }
	}
	return map[string]func(){
		"the policy is deleted":       remove(policyKind),
		"the binding is deleted":      remove(bindingKind),
		"a condition switches it off": merge(policyKind, `{"spec": {"matchConditions": [{"name": "never", "expression": "false"}]}}`),
		"failures are ignored":        merge(policyKind, `{"spec": {"failurePolicy": "Ignore"}}`),
		"all rules go but one":        merge(policyKind, `{"spec": {"validations": [{"expression": "true"}], "variables": null, "auditAnnotations": null}}`),
		"a rule is loosened": func() {
			i.asIs(policyKind, admission.ScheduledMachines, types.JSONPatchType, `[{"op": "replace", "path": "/spec/validations/0/expression", "value": "true"}]`)
		},
		"a setting is loosened": func() {
			i.asIs(policyKind, admission.ScheduledMachines, types.JSONPatchType, `[{"op": "replace", "path": "/spec/variables/1/expression", "value": "true"}]`)
		},
		"it is about other namespaces only": merge(policyKind, `{"spec": {"matchConstraints": {"namespaceSelector": {"matchLabels": {"a": "b"}}}}}`),
		"the binding denies nothing":        merge(bindingKind, `{"spec": {"validationActions": ["Audit"]}}`),
		"the binding is about few":          merge(bindingKind, `{"spec": {"matchResources": {"objectSelector": {"matchLabels": {"a": "b"}}}}}`),
		"it says it is somebody else's":     merge(policyKind, `{"metadata": {"labels": {"app.kubernetes.io/managed-by": "mallory"}}, "spec": {"failurePolicy": "Ignore"}}`),
		"it says it is of no version":       merge(bindingKind, `{"metadata": {"annotations": {"5spot.finos.org/version": null}}, "spec": {"validationActions": ["Warn"]}}`),
	}
}

func TestThePoliciesAreKept(t *testing.T) {
	i := newInstallation(t)
	manager := i.run("v1.2.0")
	i.Eventually(manager.states).Should(Equal(all("installed")))
	i.Expect(i.specs()).To(Equal(wanted(admission.Defaults())))
	for _, kind := range []string{policyKind, bindingKind} {
		object := i.get(kind, admission.CRDGuard)
		i.Expect(object.GetAnnotations()).To(HaveKeyWithValue(v1alpha1.VersionAnnotation, "v1.2.0"))
		crd := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "apiextensions.k8s.io/v1", Kind: "CustomResourceDefinition"}}
		i.Expect(i.server.client.Get(t.Context(), client.ObjectKey{Name: "scheduledmachines.5spot.finos.org"}, crd)).To(Succeed())
		i.Expect(object.GetOwnerReferences()).To(Equal([]metav1.OwnerReference{{
			APIVersion: "apiextensions.k8s.io/v1", Kind: "CustomResourceDefinition", Name: crd.Name, UID: crd.UID,
		}}), "it goes with the CRD, and blocks nothing")
	}

	repaired := func() {
		i.t.Helper()
		i.Eventually(i.specs).Should(Equal(wanted(admission.Defaults())))
		i.Eventually(func() string {
			return i.get(policyKind, admission.ScheduledMachines).GetLabels()[v1alpha1.ManagedByLabel]
		}).Should(Equal(v1alpha1.ManagedByFiveSpot))
	}
	for name, tamper := range i.tamperings() {
		started := time.Now()
		tamper()
		repaired()
		t.Logf("while the manager runs, %s: repaired after %s", name, time.Since(started).Round(time.Millisecond))
	}
	i.end(manager)
	i.Expect(i.specs()).To(Equal(wanted(admission.Defaults())), "a manager that stops removes nothing")
	for name, tamper := range i.tamperings() {
		tamper()
		i.Consistently(i.specs).WithTimeout(300*time.Millisecond).ShouldNot(Equal(wanted(admission.Defaults())), name)
		manager = i.run("v1.2.0")
		repaired()
		i.end(manager)
	}
}

func TestAPolicyOfANewerManagerIsLeftAlone(t *testing.T) {
	i := newInstallation(t)
	newer := i.run("v1.10.0", "--allowed-provider-groups=hosts.example.com")
	i.Eventually(newer.states).Should(Equal(all("installed")))
	i.end(newer)
	installed := i.specs()

	older := i.run("v1.9.0", "--require-machine-create=false")
	i.Eventually(older.states).Should(Equal(all("newer")))
	i.asIs(bindingKind, admission.MachineCreate, types.MergePatchType, `{"metadata": {"labels": {"a": "b"}}}`)
	i.Consistently(i.specs).Should(Equal(installed))
	i.Expect(i.server.client.Delete(t.Context(), i.get(bindingKind, admission.ScheduledMachines))).To(Succeed())
	i.Eventually(i.specs).Should(Equal(installed), "a policy without binding is none")
	i.end(older)

	next := i.run("v1.11.0")
	i.Eventually(next.states).Should(Equal(all("installed")))
	i.Expect(i.specs()).To(Equal(wanted(admission.Defaults())))
	i.Expect(i.get(policyKind, admission.CRDGuard).GetAnnotations()).To(HaveKeyWithValue(v1alpha1.VersionAnnotation, "v1.11.0"))
}

func TestSettingsReachTheServer(t *testing.T) {
	i := newInstallation(t)
	i.end(installedBy(i, i.run("v1.0.0")))
	create := func(change string) error {
		object := &unstructured.Unstructured{Object: patched(t, machineObject, change)}
		return i.server.client.Create(t.Context(), object, client.DryRunAll)
	}
	config, err := userWith(t.Context(), i.server, "author", authors)
	i.Expect(err).NotTo(HaveOccurred())
	author, err := clientOf(config)
	i.Expect(err).NotTo(HaveOccurred())
	byAuthor := func() error {
		return author.Create(t.Context(), &unstructured.Unstructured{Object: patched(t, machineObject, "")}, client.DryRunAll)
	}
	i.Eventually(byAuthor).Should(MatchError(ContainSubstring("may not create machines.cluster.x-k8s.io")))

	unbound := i.run("v1.0.0", "--require-machine-create=false", "--allowed-provider-groups=bootstrap.cluster.x-k8s.io,infrastructure.cluster.x-k8s.io,hosts.example.com",
		"--max-graceful-shutdown-timeout=1h", "--max-override=168h", "--allow-node-restriction-labels")
	states := all("installed")
	states[admission.MachineCreate] = "unbound"
	i.Eventually(unbound.states).Should(Equal(states))
	i.Expect(i.get(bindingKind, admission.MachineCreate)).To(BeNil())
	i.Expect(i.get(policyKind, admission.MachineCreate)).NotTo(BeNil())
	i.Eventually(byAuthor).Should(Succeed())
	i.Eventually(func() error { return create(infrastructure(`apiVersion: hosts.example.com/v1`)) }).Should(Succeed())
	i.Eventually(func() error { return create(infrastructure(`apiVersion: k0smotron.io/v1beta1`)) }).Should(MatchError(ContainSubstring("hosts.example.com")))
	i.Expect(create(`{spec: {gracefulShutdownTimeout: 1h}}`)).To(Succeed())
	i.Expect(create(`{spec: {gracefulShutdownTimeout: 61m}}`)).To(MatchError(ContainSubstring("spec.gracefulShutdownTimeout: must be")))
	i.Expect(create(label("node-restriction.kubernetes.io/x", "x"))).To(Succeed())
	ahead := func(d time.Duration) string {
		return `{metadata: {creationTimestamp: "2099-01-01T00:00:00Z"}, spec: {schedule: {override: {state: Active, until: "` + time.Now().Add(d).UTC().Format(time.RFC3339) + `"}}}}`
	}
	i.Expect(create(ahead(167 * time.Hour))).To(Succeed())
	i.Expect(create(ahead(169*time.Hour))).To(MatchError(ContainSubstring("spec.schedule.override.until: must lie at most 604800s ahead")), "whatever the author says of the time")

	// Somebody binds it again by hand.
	again := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"policyName": admission.MachineCreate, "validationActions": []any{"Deny"}}}}
	again.SetAPIVersion("admissionregistration.k8s.io/v1")
	again.SetKind(bindingKind)
	again.SetName(admission.MachineCreate)
	i.Expect(i.server.client.Create(t.Context(), again)).To(Succeed())
	i.Eventually(func() *unstructured.Unstructured { return i.get(bindingKind, admission.MachineCreate) }).Should(BeNil())
	i.end(unbound)

	i.end(installedBy(i, i.run("v1.0.0", "--admission-validation-actions=Audit,Warn")))
	i.Eventually(byAuthor).Should(Succeed())
	i.Eventually(func() error { return create(infrastructure(`apiVersion: apps/v1`)) }).Should(Succeed())
	crd := &unstructured.Unstructured{}
	crd.SetAPIVersion("apiextensions.k8s.io/v1")
	crd.SetKind("CustomResourceDefinition")
	crd.SetName("scheduledmachines.5spot.finos.org")
	i.Expect(i.server.client.Delete(t.Context(), crd, client.DryRunAll)).To(MatchError(apierrors.IsForbidden, "a refusal"), "the guard of the CRD is not rolled out")
}

// installedBy waits until a manager has installed all.
func installedBy(i *installation, m *manager) *manager {
	i.t.Helper()
	i.Eventually(m.states).Should(Equal(all("installed")))
	return m
}

func TestAManagerThatMayNotInstallThePoliciesStaysUpAndSaysSo(t *testing.T) {
	i := newInstallation(t)
	const few = "five-spot-with-few-rights"
	config, err := managersConfig(t.Context(), i.server, few, func(rule rbacv1.PolicyRule) bool { return rule.APIGroups[0] == "admissionregistration.k8s.io" })
	i.Expect(err).NotTo(HaveOccurred())
	clock := clocktesting.NewFakeClock(time.Now())
	t.Cleanup(testenv.LetFlow(clock))
	m, err := startManager(t.Context(), config, "v1.0.0", nil, func(opts *controllers.Options) {
		opts.Clock, opts.PodName, opts.PodNamespace, opts.PodUID = clock, "five-spot-0", "default", "7"
	})
	i.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { i.Expect(m.stop()).To(Succeed()) })
	i.Eventually(m.states).Should(Equal(all("forbidden")))
	i.Expect(i.specs()).To(BeEmpty())
	events := func() []string { return podEvents(t.Context(), i.server.client) }
	i.Eventually(events).Should(ContainElement(HavePrefix("Warning AdmissionPolicyNotInstalled The admission policy five-spot-crd-guard cannot be installed: the manager lacks a right")))

	i.Consistently(m.done).ShouldNot(Receive(), "it goes on")
	_, err = managersConfig(t.Context(), i.server, few, nil)
	i.Expect(err).NotTo(HaveOccurred())
	i.Eventually(func() map[string]string {
		clock.Step(time.Minute)
		return m.states()
	}).WithPolling(200 * time.Millisecond).Should(Equal(all("installed")))
	i.Eventually(events).Should(ContainElement("Normal AdmissionPolicyInstalled The admission policy five-spot-crd-guard and its binding are installed"))
}

// podEvents are the Events on the manager's Pod.
func podEvents(ctx context.Context, c client.Client) []string {
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion("events.k8s.io/v1")
	list.SetKind("EventList")
	if err := c.List(ctx, list, client.InNamespace("default")); err != nil {
		return []string{err.Error()}
	}
	var told []string
	for _, event := range list.Items {
		var words []string
		for _, field := range []string{"type", "reason", "note"} {
			word, _, _ := unstructured.NestedString(event.Object, field)
			words = append(words, word)
		}
		told = append(told, strings.Join(words, " "))
	}
	return told
}

func TestThePoliciesCanBeLeftToOthers(t *testing.T) {
	i := newInstallation(t)
	m := i.run("v1.0.0", "--manage-admission-policy=false")
	second := i.run("v1.0.0", "--instance-id=1", "--instance-count=2")
	i.Consistently(i.specs).WithTimeout(2 * time.Second).Should(BeEmpty())
	i.Expect(m.states()).To(BeEmpty())
	i.Expect(second.states()).To(BeEmpty(), "the first instance does it for all")
}

func TestWhatIsAppliedByHandIsWhatTheManagerApplies(t *testing.T) {
	i := newInstallation(t)
	folder := filepath.Join("..", "..", "config", "admission")
	built := map[string]any{}
	for document := range strings.SplitSeq(i.kubectl("kustomize", folder), "\n---\n") {
		object := &unstructured.Unstructured{}
		i.Expect(yaml.Unmarshal([]byte(document), &object.Object)).To(Succeed())
		built[object.GetKind()+" "+object.GetName()] = object.Object
	}
	rendered, err := admission.Render(admission.Defaults())
	i.Expect(err).NotTo(HaveOccurred())
	applied := map[string]any{}
	for _, policy := range rendered {
		for _, object := range []*unstructured.Unstructured{policy.Policy, policy.Binding} {
			applied[object.GetKind()+" "+object.GetName()] = object.Object
		}
	}
	i.Expect(built).To(Equal(applied))

	i.Expect(i.kubectl("apply", "--server-side", "-k", folder)).NotTo(ContainSubstring("Warning"))
	i.Expect(i.specs()).To(Equal(wanted(admission.Defaults())), "the API server fills nothing in that the manager would take for drift")
	generation := i.get(policyKind, admission.ScheduledMachines).GetGeneration()
	i.end(installedBy(i, i.run("v1.0.0")))
	i.Expect(i.get(policyKind, admission.ScheduledMachines).GetGeneration()).To(Equal(generation), "a manager takes them over as they are")
}

// A controller of Kubernetes checks the types in the expressions, and writes what it does
// not like into the status.
func TestTheTypesInThePoliciesAreRight(t *testing.T) {
	i := newInstallation(t)
	i.end(installedBy(i, i.run("v1.0.0")))
	for _, name := range admission.Names() {
		i.Eventually(func() int64 {
			generation, _, _ := unstructured.NestedInt64(i.get(policyKind, name).Object, "status", "observedGeneration")
			return generation
		}).Should(Equal(i.get(policyKind, name).GetGeneration()), name)
		warnings, _, _ := unstructured.NestedSlice(i.get(policyKind, name).Object, "status", "typeChecking", "expressionWarnings")
		i.Expect(warnings).To(BeEmpty(), name)
	}
}

func (i *installation) kubectl(args ...string) string {
	i.t.Helper()
	out, err := exec.CommandContext(i.t.Context(), i.server.Kubectl(), append([]string{"--kubeconfig", i.server.kubeconfig}, args...)...).CombinedOutput()
	i.Expect(err).NotTo(HaveOccurred(), string(out))
	return string(out)
}
