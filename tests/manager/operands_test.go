package manager_test

import (
	"context"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
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
	for line := range strings.Lines(string(m.log.Contents())) {
		m.Expect(line).NotTo(ContainSubstring(`"level":"error"`))
	}
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
