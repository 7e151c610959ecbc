package olm_test

import (
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/reclaim"
	"github.com/finos/five-spot/pkg/reclaim/provision"
	"github.com/finos/five-spot/tests/testenv"
)

// story is one installation, from the version before over two upgrades to the removal and
// back.
type story struct {
	*cluster
	operator *installation
	machines *machines

	// desk is in the middle of its window, and closing in the middle of a drain, which
	// the budget holds up.
	desk, closing *v1alpha1.ScheduledMachine
	budget        *policyv1.PodDisruptionBudget

	// older and newer are the Pods of two versions, manager the process that is the leader,
	// and leader its name.
	older, newer *pod
	manager      *manager
	leader       string

	// began is since when the manager has had its rights.
	began time.Time

	// uids are those of the parts of desk. They never change.
	uids map[string]types.UID

	// installed are the operands of the newer version.
	installed *operands
}

// An upgrade and a removal go on while machines run and are drained. They lose nothing.
func TestMachinesOutliveTheirOperator(t *testing.T) {
	s := newStory(t)
	s.chapter("the version before is installed", s.theVersionBeforeIsInstalled)
	s.chapter("machines join, and one is being drained", s.machinesJoin)
	s.chapter("an upgrade in the middle of a window and of a drain changes the operands alone", s.anUpgrade)
	s.chapter("a manager of the version before undoes nothing", s.theVersionBeforeReturns)
	s.chapter("the next upgrade in the middle of the same drain starts no clock anew either", s.theNextUpgrade)
	s.chapter("the drain ends as it would have", s.theDrainEnds)
	s.chapter("a removal leaves the machines, and the CRDs cannot be deleted", s.isRemoved)
	s.chapter("the operator that is installed again takes over", s.isInstalledAgain)
}

func newStory(t *testing.T) *story {
	t.Helper()
	g := NewWithT(t)
	world, err := testenv.NewWorld(t.Context(), testenv.Options{
		Log: os.Stderr, Kubelets: true, ManagementKubelets: true, AuditLog: true, WithoutCRDs: true,
	})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { NewWithT(t).Expect(world.Stop()).To(Succeed()) })
	g.Expect(testenv.InstallOperandKinds(t.Context(), world.Config())).To(Succeed())
	c := newCluster(t, world.Management)
	return &story{cluster: c, operator: &installation{c, "5spot-system"}, machines: newMachines(c, world)}
}

// begin runs the manager of a Pod, and ends the one before as soon as the new one is
// ready, which is the order of a rolling update.
func (s *story) begin(release *release, p *pod) {
	s.Helper()
	next := s.operator.run(release, p)
	if s.manager != nil {
		s.manager.stop()
	}
	s.manager = next
	s.leader = s.operator.takesOver(p, s.leader)
}

func (s *story) theVersionBeforeIsInstalled() {
	s.operator.subscribe(s.operator.startingWith(released.older))
	s.operator.approve(released.older)
	s.operator.isInstalled(released.older)
	s.began = time.Now()
	s.older = s.operator.podOf(released.older)
	s.begin(released.older, s.older)
}

func (s *story) machinesJoin() {
	s.desk = s.machines.joined("desk-1", "192.0.2.1")
	s.closing = s.machines.joined("desk-2", "192.0.2.2")
	s.uids = s.machines.uids(s.desk)
	s.budget = s.machines.held(s.closing)
	s.machines.isDraining(s.closing)
}

func (s *story) anUpgrade() {
	before := s.machines.operandsOf(released.older, s.older)
	fields := s.fieldsOf(machinesCRD)
	uids, shutdown := s.machines.uids(s.closing), s.machines.now(s.closing).Status.Shutdown
	s.Expect(shutdown.DrainStartedAt).NotTo(BeNil())

	s.operator.upgrade(released.older, released.newer)
	s.newer = s.operator.podOf(released.newer)
	s.begin(released.newer, s.newer)

	s.installed = s.machines.operandsOf(released.newer, s.newer)
	s.operator.areShown(released.newer)
	s.Expect(s.installed.Policies[guardName].Spec).NotTo(Equal(before.Policies[guardName].Spec))
	s.Expect(s.installed.Agent.Image).NotTo(Equal(before.Agent.Image))
	s.Expect(s.fieldsOf(machinesCRD)).To(And(ContainElements(fields), Not(HaveLen(len(fields)))), "the newer version has more fields")
	s.machines.isLookedAt(s.desk, 1)
	s.machines.isLookedAt(s.closing, 1)
	s.Expect(s.machines.now(s.desk).Status.ManagerVersion).To(Equal(released.newer.version))
	s.Expect(s.machines.uids(s.desk)).To(Equal(s.uids))
	s.Expect(s.machines.uids(s.closing)).To(Equal(uids))
	s.Expect(s.machines.now(s.closing).Status.Shutdown).To(Equal(shutdown), "no clock starts anew")
	s.Expect(s.machines.listed()).To(And(MatchRegexp(`desk-1\s+Active`), MatchRegexp(`desk-2\s+ShuttingDown`)))
}

func (s *story) theVersionBeforeReturns() {
	shutdown := s.machines.now(s.closing).Status.Shutdown
	s.begin(released.older, s.older)
	s.Eventually(s.manager.log).Should(gbytes.Say(guardName + " is left alone"))
	// It works, all the same.
	s.machines.patch(s.desk, `{"spec":{"killIfCommands":["idea","java"]}}`)
	config := client.ObjectKey{Namespace: provision.DefaultNamespace, Name: reclaim.ConfigMapName(s.machines.now(s.desk).Status.NodeRef.Name)}
	s.Eventually(func() (map[string]string, error) {
		found := &corev1.ConfigMap{}
		err := s.machines.world.WorkloadClient.Get(s.Context(), config, found)
		return found.Data, err
	}).Should(ContainElement(ContainSubstring("java")))
	s.machines.isLookedAt(s.desk, 2)
	s.machines.isLookedAt(s.closing, 2)
	s.Expect(s.machines.listed()).To(And(MatchRegexp(`desk-1\s+Active`), MatchRegexp(`desk-2\s+ShuttingDown`)))
	s.machines.touchAgent()
	s.Consistently(s.machines.operands, calm).Should(Equal(s.installed))

	s.begin(released.newer, s.newer)
	s.machines.isLookedAt(s.closing, 3)
	s.Expect(s.machines.now(s.closing).Status.Shutdown).To(Equal(shutdown))
	s.Expect(s.machines.uids(s.desk)).To(Equal(s.uids))
}

func (s *story) theNextUpgrade() {
	uids, shutdown := s.machines.uids(s.closing), s.machines.now(s.closing).Status.Shutdown
	s.operator.offers(released.later)
	s.operator.upgrade(released.newer, released.next)
	p := s.operator.podOf(released.next)
	s.begin(released.next, p)

	s.machines.operandsOf(released.next, p)
	s.operator.areShown(released.next)
	s.machines.isLookedAt(s.desk, 3)
	s.machines.isLookedAt(s.closing, 4)
	s.Expect(s.machines.now(s.closing).Status.ManagerVersion).To(Equal(released.next.version))
	s.Expect(s.machines.now(s.closing).Status.Shutdown).To(Equal(shutdown), "no clock starts anew")
	s.Expect(s.machines.uids(s.desk)).To(Equal(s.uids))
	s.Expect(s.machines.uids(s.closing)).To(Equal(uids))
	s.Expect(s.machines.listed()).To(And(MatchRegexp(`desk-1\s+Active`), MatchRegexp(`desk-2\s+ShuttingDown`)))
}

func (s *story) theDrainEnds() {
	s.Expect(s.machines.world.WorkloadClient.Delete(s.Context(), s.budget)).To(Succeed())
	s.machines.reaches(s.closing, v1alpha1.PhaseInactive)
	s.Expect(s.machines.uids(s.desk)).To(Equal(s.uids))
	s.nothingWasForbidden(s.manager.user, s.began)
}
