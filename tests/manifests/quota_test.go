package manifests_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/finos/five-spot/api/v1alpha1"
)

// The sample has the API server refuse the first ScheduledMachine too many. Here nothing
// counts what is in the namespace already, which is nothing, so the test writes that down
// as kube-controller-manager does.
func TestTheSampleQuotaBoundsHowManyMachinesAreScheduled(t *testing.T) {
	t.Parallel()
	needServer(t)
	g := NewWithT(t)
	const name = "quota"
	g.Expect(admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})).To(Succeed())
	quota, machine := &corev1.ResourceQuota{}, &v1alpha1.ScheduledMachine{}
	for path, into := range map[string]any{
		"quota/resource_quota.yaml":                    quota,
		"5spot_v1alpha1_scheduledmachine_windows.yaml": machine,
	} {
		sample, err := os.ReadFile(filepath.Join(samples, path))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(yaml.UnmarshalStrict(sample, into)).To(Succeed())
	}
	quota.Namespace = name
	g.Expect(admin.Create(t.Context(), quota)).To(Succeed())
	const counted = corev1.ResourceName("count/scheduledmachines.5spot.finos.org")
	allowed := quota.Spec.Hard[counted]
	quota.Status = corev1.ResourceQuotaStatus{Hard: quota.Spec.Hard, Used: corev1.ResourceList{counted: resource.MustParse("0")}}
	g.Expect(admin.Status().Update(t.Context(), quota)).To(Succeed())

	create := func(i int64) error {
		sm := machine.DeepCopy()
		sm.Namespace, sm.Name = name, fmt.Sprintf("desk-%d", i)
		return admin.Create(t.Context(), sm)
	}
	g.Expect(allowed.Value()).To(BeNumerically(">", 1))
	for i := range allowed.Value() {
		g.Expect(create(i)).To(Succeed())
	}
	err := create(allowed.Value())
	g.Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
	g.Expect(err).To(MatchError(And(ContainSubstring("exceeded quota: scheduled-machines"), ContainSubstring(string(counted)))))
}
