package manager_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

// installed are the objects that the manager installs where their kind is there, with the
// flag that turns each off.
var installed = []struct {
	flag, group, kind, namespace, name string
}{
	{"--manage-service-monitor", "monitoring.coreos.com", "ServiceMonitor", namespace, "five-spot-controller-manager"},
	{"--manage-prometheus-rule", "monitoring.coreos.com", "PrometheusRule", namespace, "five-spot-controller-manager"},
	{"--manage-console-samples", "console.openshift.io", "ConsoleYAMLSample", "", "five-spot-business-hours"},
	{"--manage-console-samples", "console.openshift.io", "ConsoleYAMLSample", "", "five-spot-weekend"},
	{"--manage-console-samples", "console.openshift.io", "ConsoleYAMLSample", "", "five-spot-workstation"},
	{"--manage-console-quick-start", "console.openshift.io", "ConsoleQuickStart", "", "five-spot-scheduled-machine"},
}

// The kinds are those of one cluster, so the tests come one after the other.

func TestTheManagerInstallsWhatTheClusterHasAKindForWhenItComes(t *testing.T) {
	needWorld(t)
	t.Cleanup(func() { withoutOperandKinds(t) })
	m := startManager(t)
	m.Expect(testenv.InstallOperandKinds(t.Context(), world.Config())).To(Succeed())
	for i := range installed {
		m.Eventually(m.operand).WithArguments(i).ShouldNot(BeNil(), installed[i].kind)
		object := m.operand(i)
		m.Expect(object.GetAnnotations()).To(HaveKeyWithValue(v1alpha1.VersionAnnotation, testenv.ManagerVersion))
		m.Expect(object.GetOwnerReferences()).To(ConsistOf(And(
			HaveField("Kind", "CustomResourceDefinition"), HaveField("Name", "scheduledmachines.5spot.finos.org"))), "it goes with the CRD")
	}
	for i := range installed {
		m.isRepaired(i)
		m.isLeftAlone(i)
	}

	m.Expect(testenv.UninstallOperandKinds(t.Context(), world.Client)).To(Succeed())
	m.Eventually(func() bool { return m.operand(0) == nil }).Should(BeTrue())
	m.Expect(testenv.InstallOperandKinds(t.Context(), world.Config())).To(Succeed())
	for i := range installed {
		m.Eventually(m.operand).WithArguments(i).ShouldNot(BeNil(), "the kind %s that is there again", installed[i].kind)
	}
	m.stop()
	m.Expect(m.operand(0)).NotTo(BeNil(), "a manager that stops removes nothing")
	m.loggedNoError()
}

// What is in the way of an object is waited for, and told of as what it is.
func TestAKindThatGoesAwayOrLacksAFieldIsNoErrorAndAsksForLittle(t *testing.T) {
	needWorld(t)
	t.Cleanup(func() { withoutOperandKinds(t) })
	m := startManager(t)
	reader := newAccount(t, "prometheus-of-operands", "five-spot-metrics-reader")
	m.Expect(testenv.InstallOperandKinds(t.Context(), world.Config())).To(Succeed())
	m.Eventually(m.operand).WithArguments(0).ShouldNot(BeNil())
	held := []string{"example.com/held"}
	finalizers := func(names []string) {
		m.change(0, func(object *unstructured.Unstructured) { object.SetFinalizers(names) })
	}

	finalizers(held)
	m.Expect(world.Client.Delete(t.Context(), m.operand(0))).To(Succeed())
	last := 0.0
	m.Eventually(func() float64 {
		now := m.requests(reader)
		more := now - last
		last = now
		return more
	}).WithPolling(moment).Should(BeNumerically("<", 8), "nothing is polled while somebody's finalizer holds an object")
	crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: "servicemonitors.monitoring.coreos.com"}}
	m.Expect(world.Client.Delete(t.Context(), crd)).To(Succeed())
	other := emptyOperand(0)
	other.Object["spec"], other.Object["metadata"] = m.operand(0).Object["spec"], map[string]any{"namespace": namespace, "name": "other"}
	finalizers(nil)
	m.Eventually(func() error { return world.Client.Get(t.Context(), client.ObjectKeyFromObject(crd), crd) }).ShouldNot(Succeed())
	m.Expect(testenv.InstallOperandKinds(t.Context(), world.Config())).To(Succeed())
	m.Eventually(m.operand).WithArguments(0).ShouldNot(BeNil(), "the kind that is there again")

	other.SetFinalizers(held)
	m.Expect(world.Client.Create(t.Context(), other)).To(Succeed())
	m.Expect(world.Client.Delete(t.Context(), crd)).To(Succeed())
	m.Eventually(m.operand).WithArguments(0).Should(BeNil())
	m.Consistently(func() string { return string(m.log.Contents()) }).WithTimeout(moment).
		ShouldNot(ContainSubstring("cannot be installed"), "no right is missing, the kind is")
	m.update(other, func() { other.SetFinalizers(nil) })
	m.Eventually(func() error { return world.Client.Get(t.Context(), client.ObjectKeyFromObject(crd), crd) }).ShouldNot(Succeed())
	m.Expect(testenv.InstallOperandKinds(t.Context(), world.Config())).To(Succeed())
	m.Eventually(m.operand).WithArguments(0).ShouldNot(BeNil())

	endpoint := func() map[string]apiextensionsv1.JSONSchemaProps {
		return crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Properties["endpoints"].Items.Schema.Properties
	}
	const field = "honorLabels"
	var schema apiextensionsv1.JSONSchemaProps
	m.update(crd, func() {
		schema = endpoint()[field]
		delete(endpoint(), field)
	})
	// The API server says so a moment after it was told.
	m.Eventually(func() *gbytes.Buffer { m.remove(0); return m.log }).Should(gbytes.Say("An object cannot be installed: it is refused.*field not declared"))
	m.update(crd, func() { endpoint()[field] = schema })
	m.Eventually(m.operand).WithArguments(0).WithTimeout(90*time.Second).ShouldNot(BeNil(), "the CRD that has the field")
	m.stop()
	m.loggedNoError()
}

// requests are those that the manager has made of the API server.
func (m *manager) requests(token string) float64 {
	m.Helper()
	code, body, err := m.ask("https://"+m.metrics+"/metrics", token)
	m.Expect(err).NotTo(HaveOccurred())
	m.Expect(code).To(Equal(http.StatusOK))
	total := 0.0
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "rest_client_requests_total{") {
			_, value, _ := strings.Cut(line, "} ")
			number, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			m.Expect(err).NotTo(HaveOccurred())
			total += number
		}
	}
	m.Expect(total).To(BeNumerically(">", 0))
	return total
}

func TestEachObjectOfOthersKindsCanBeTurnedOff(t *testing.T) {
	needWorld(t)
	t.Cleanup(func() { withoutOperandKinds(t) })
	NewWithT(t).Expect(testenv.InstallOperandKinds(t.Context(), world.Config())).To(Succeed())
	for flag, others := range map[string]string{
		"--manage-service-monitor": "--manage-console-samples", "--manage-prometheus-rule": "--manage-service-monitor",
		"--manage-console-samples": "--manage-console-quick-start", "--manage-console-quick-start": "--manage-prometheus-rule",
	} {
		m := startManager(t, flag+"=false")
		for i := range installed {
			if installed[i].flag == others {
				m.Eventually(m.operand).WithArguments(i).ShouldNot(BeNil(), installed[i].kind)
			}
		}
		for i := range installed {
			if installed[i].flag == flag {
				m.Consistently(m.operand).WithArguments(i).WithTimeout(moment/2).Should(BeNil(), installed[i].kind)
			}
		}
		m.stop()
		for i := range installed {
			m.remove(i)
		}
	}
}

// isRepaired changes the object, and deletes it.
func (m *manager) isRepaired(i int) {
	m.Helper()
	before := m.operand(i)
	m.change(i, func(object *unstructured.Unstructured) {
		switch object.GetKind() {
		case "ServiceMonitor":
			m.Expect(unstructured.SetNestedSlice(object.Object, []any{}, "spec", "endpoints")).To(Succeed())
		case "PrometheusRule":
			unstructured.RemoveNestedField(object.Object, "spec", "groups")
		default:
			m.Expect(unstructured.SetNestedField(object.Object, "something else", "spec", "description")).To(Succeed())
		}
	})
	spec := func() any { return m.operand(i).Object["spec"] }
	m.Eventually(spec).Should(Equal(before.Object["spec"]), before.GetKind())
	m.Expect(world.Client.Delete(m.Context(), before)).To(Succeed())
	m.Eventually(func() types.UID {
		if now := m.operand(i); now != nil {
			return now.GetUID()
		}
		return before.GetUID()
	}).ShouldNot(Equal(before.GetUID()), before.GetKind())
}

// isLeftAlone makes the object somebody else's for a while.
func (m *manager) isLeftAlone(i int) {
	m.Helper()
	m.change(i, func(object *unstructured.Unstructured) {
		object.SetLabels(map[string]string{v1alpha1.ManagedByLabel: "somebody"})
		m.Expect(unstructured.SetNestedField(object.Object, map[string]any{}, "metadata", "annotations")).To(Succeed())
	})
	m.Consistently(func() map[string]string { return m.operand(i).GetAnnotations() }).WithTimeout(moment / 2).Should(BeEmpty())
	m.change(i, func(object *unstructured.Unstructured) {
		object.SetLabels(map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedByFiveSpot})
	})
	m.Eventually(func() map[string]string { return m.operand(i).GetAnnotations() }).ShouldNot(BeEmpty())
}

func (m *manager) change(i int, change func(*unstructured.Unstructured)) {
	m.Helper()
	m.Eventually(func() error {
		object := m.operand(i)
		change(object)
		return world.Client.Update(m.Context(), object)
	}).Should(Succeed())
}

// update changes an object that others write to as well.
func (m *manager) update(object client.Object, change func()) {
	m.Helper()
	m.Expect(retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		if err := world.Client.Get(m.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			return err
		}
		change()
		return world.Client.Update(m.Context(), object)
	})).To(Succeed())
}

// operand is an object as it is now; nil when there is none, or no such kind.
func (m *manager) operand(i int) *unstructured.Unstructured {
	m.Helper()
	object := emptyOperand(i)
	err := world.Client.Get(m.Context(), client.ObjectKeyFromObject(object), object)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil
	}
	m.Expect(err).NotTo(HaveOccurred())
	return object
}

func (m *manager) remove(i int) {
	m.Helper()
	m.Expect(client.IgnoreNotFound(world.Client.Delete(m.Context(), emptyOperand(i)))).To(Succeed())
}

func emptyOperand(i int) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(schema.GroupVersionKind{Group: installed[i].group, Version: "v1", Kind: installed[i].kind})
	object.SetNamespace(installed[i].namespace)
	object.SetName(installed[i].name)
	return object
}

func withoutOperandKinds(t *testing.T) {
	t.Helper()
	if err := testenv.UninstallOperandKinds(context.WithoutCancel(t.Context()), world.Client); err != nil {
		t.Error(err)
	}
}
