package console

import (
	"fmt"
	"os"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/machine"
	"github.com/finos/five-spot/pkg/schedule"
)

func TestEachSampleIsAScheduledMachineWithoutAMistake(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	samples, err := Samples()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(samples).To(HaveLen(3))
	for _, sample := range samples {
		text, _, err := unstructured.NestedString(sample.Object, "spec", "yaml")
		g.Expect(err).NotTo(HaveOccurred())
		sm := &v1alpha1.ScheduledMachine{}
		g.Expect(yaml.UnmarshalStrict([]byte(text), sm)).To(Succeed(), sample.GetName())
		g.Expect(sm.Namespace).To(BeEmpty(), "the console puts in the project")
		of, _, _ := unstructured.NestedStringMap(sample.Object, "spec", "targetResource")
		g.Expect(of).To(Equal(map[string]string{"apiVersion": sm.APIVersion, "kind": sm.Kind}))
		_, mistakes := schedule.Parse(&sm.Spec.Schedule, field.NewPath("spec", "schedule"))
		g.Expect(mistakes).To(BeEmpty(), sample.GetName())
		g.Expect(machine.Validate(&sm.Spec, machine.ValidateOptions{AllowedGroups: machine.DefaultAllowedGroups()}, field.NewPath("spec"))).To(BeEmpty(), sample.GetName())
	}
}

func TestTheSamplesShowACronAScheduleOfHoursAndAReclaim(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	samples, err := Samples()
	g.Expect(err).NotTo(HaveOccurred())
	specs := map[string]v1alpha1.ScheduledMachineSpec{}
	for _, sample := range samples {
		text, _, _ := unstructured.NestedString(sample.Object, "spec", "yaml")
		sm := &v1alpha1.ScheduledMachine{}
		g.Expect(yaml.UnmarshalStrict([]byte(text), sm)).To(Succeed())
		specs[sm.Name] = sm.Spec
	}
	g.Expect(specs["business-hours"].Schedule.HoursOfDay).NotTo(BeEmpty())
	g.Expect(specs["weekend"].Schedule.Cron).NotTo(BeNil())
	g.Expect(specs["workstation"].KillIfCommands).NotTo(BeEmpty())
}

// The manager may write nothing else of these kinds.
func TestTheRightsNameEveryObject(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	text, err := os.ReadFile("../../config/rbac/role.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	role := &rbacv1.ClusterRole{}
	g.Expect(yaml.UnmarshalStrict(text, role)).To(Succeed())
	granted := map[string][]string{}
	for _, rule := range role.Rules {
		if slices.Contains(rule.APIGroups, "console.openshift.io") {
			granted[rule.Resources[0]] = rule.ResourceNames
		}
	}
	samples, err := Samples()
	g.Expect(err).NotTo(HaveOccurred())
	var names []string
	for _, sample := range samples {
		names = append(names, sample.GetName())
	}
	quickStart, err := QuickStart()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(granted).To(Equal(map[string][]string{YAMLSamples: names, QuickStarts: {quickStart.GetName()}}))
}

// OpenShift 4.20 renamed the menu.
func TestTheQuickStartNamesTheMenuOfEachOpenShift(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	quickStart, err := QuickStart()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(fmt.Sprint(quickStart.Object)).To(And(
		ContainSubstring("**Ecosystem** > **Installed Operators**"), ContainSubstring("Before OpenShift 4.20, **Ecosystem** is **Operators**")))
}
