package olm_test

import (
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/tests/testenv"
)

const (
	machinesCRD  = "scheduledmachines.5spot.finos.org"
	calendarsCRD = "machinecalendars.5spot.finos.org"
)

// isRemoved deletes in the order in which OLM v1 does: what runs, its rights, and then the
// CRDs, which OLM v0 leaves.
func (s *story) isRemoved() {
	s.deleted(s.operator.object("Subscription", "five-spot"))
	s.deleted(s.operator.csv(released.next))
	in := metav1.ObjectMeta{Namespace: s.operator.namespace, Name: managerName}
	s.gone(&appsv1.Deployment{ObjectMeta: in})
	s.gone(&corev1.ServiceAccount{ObjectMeta: in})
	s.manager.stop()

	for _, name := range []string{machinesCRD, calendarsCRD} {
		crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: name}}
		s.Expect(s.admin.Delete(s.Context(), crd)).To(MatchError(And(
			ContainSubstring("ValidatingAdmissionPolicy '%s'", guardName), ContainSubstring("5spot.finos.org/allow-removal=true"),
		)), name)
		s.Expect(s.admin.Get(s.Context(), client.ObjectKeyFromObject(crd), crd)).To(Succeed())
		s.Expect(crd.DeletionTimestamp).To(BeNil(), name)
	}
	s.Expect(s.machines.uids(s.desk)).To(Equal(s.uids))
}

func (s *story) isInstalledAgain() {
	s.operator.subscribe(func(*unstructured.Unstructured) {})
	s.operator.isInstalled(released.next)
	s.began = time.Now()
	s.begin(released.next, s.operator.podOf(released.next))
	s.machines.isLookedAt(s.desk, 4)
	s.machines.reaches(s.desk, v1alpha1.PhaseActive)
	s.Expect(s.machines.uids(s.desk)).To(Equal(s.uids))
	s.nothingWasForbidden(s.manager.user, s.began)
}

// deleted deletes an object, and waits until it is gone.
func (s *story) deleted(object client.Object) {
	s.Helper()
	s.Expect(s.admin.Delete(s.Context(), object)).To(Succeed())
	s.gone(object)
}

func (s *story) gone(object client.Object) {
	s.Helper()
	ctx, cancel := s.patiently()
	defer cancel()
	s.Expect(testenv.WaitGone(ctx, s.admin, object)).To(Succeed())
}
