package manifests_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/finos/five-spot/api/v1alpha1"
	"github.com/finos/five-spot/pkg/reclaim"
)

var (
	// command is a line that a page shows to be typed, or one between backticks.
	command = regexp.MustCompile("(?m)^\\$ (kubectl .+)$|`(kubectl [^`]+)`")

	// runnable are those that need nothing but our CRDs, the object NAME and the Node NODE.
	runnable = regexp.MustCompile(`^kubectl( --kubeconfig workload\.kubeconfig)? (get (sm|node|pods|pdb|mcal) |describe sm|patch sm|annotate (sm|node) |uncordon |events )`)

	// writing are those that change something.
	writing = regexp.MustCompile(`^kubectl (patch|annotate|uncordon) `)
)

// commandsOf are the commands of a page that can be run here, with the names of what is
// there.
func commandsOf(page string) []string {
	var found []string
	for _, match := range command.FindAllStringSubmatch(page, -1) {
		line := match[1] + match[2]
		if !runnable.MatchString(line) || strings.Contains(line, " | ") {
			continue
		}
		line = strings.Replace(line, " --kubeconfig workload.kubeconfig", "", 1)
		line = strings.NewReplacer("sm/NAME", "sm/commands", "sm NAME", "sm commands", "NODE", "commands").Replace(line)
		if strings.Contains(line, "jsonpath") {
			line += " --allow-missing-template-keys=false"
		}
		if writing.MatchString(line) {
			line += " --dry-run=server"
		}
		found = append(found, line)
	}
	return found
}

// The commands are run on an object with everything in its status, so that a field
// that is misspelt is an error.
func TestShownCommandsWork(t *testing.T) {
	t.Parallel()
	needServer(t)
	createShown(t)
	ran := 0
	for _, path := range []string{"emergency-reclaim.md", "install-olm.md", "install.md", "observe.md", "troubleshooting.md", "uninstall.md", "upgrade.md"} {
		page, err := os.ReadFile(filepath.Join(root, "docs", "operations", path))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range commandsOf(string(page)) {
			ran++
			cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
			cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "PATH="+filepath.Dir(server.Kubectl())+string(os.PathListSeparator)+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			if err != nil || strings.TrimSpace(string(out)) == "" {
				t.Errorf("%s: %s: %v: %q", path, line, err, out)
			}
		}
	}
	if ran < 25 {
		t.Errorf("only %d commands were found", ran)
	}
}

// createShown creates what the commands are about.
func createShown(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	node := createNode(t, "commands")
	node.Labels = map[string]string{v1alpha1.ReclaimAgentLabel: v1alpha1.ReclaimAgentEnabled}
	node.Annotations = reclaim.Matched("x", time.Now()).Annotations()
	node.Annotations[v1alpha1.CordonedByAnnotation], node.Annotations[v1alpha1.AppliedTaintsAnnotation] = "1", "[]"
	node.Spec.Unschedulable = true
	node.Spec.Taints = []corev1.Taint{{Key: "bank/only", Value: "yes", Effect: corev1.TaintEffectNoSchedule}}
	g.Expect(admin.Update(t.Context(), node)).To(Succeed())

	sample, err := os.ReadFile(filepath.Join(root, "config", "samples", "5spot_v1alpha1_scheduledmachine_windows.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	sm := &v1alpha1.ScheduledMachine{}
	g.Expect(yaml.UnmarshalStrict(sample, sm)).To(Succeed())
	sm.Name, sm.Namespace = "commands", metav1.NamespaceDefault
	sm.Annotations = map[string]string{"cluster.x-k8s.io/paused": "true"}
	sm.Finalizers = []string{v1alpha1.Finalizer}
	sm.Spec.Schedule.Override = &v1alpha1.ScheduleOverride{State: v1alpha1.ScheduleActive, Until: metav1.Now()}
	g.Expect(admin.Create(t.Context(), sm)).To(Succeed())
	sm.Status = fullStatus()
	g.Expect(admin.Status().Update(t.Context(), sm)).To(Succeed())
	g.Expect(admin.Delete(t.Context(), sm)).To(Succeed())
}

// fullStatus has a value in every field that a command asks for.
func fullStatus() v1alpha1.ScheduledMachineStatus {
	now := metav1.NewTime(time.Now())
	status := v1alpha1.ScheduledMachineStatus{
		Phase: v1alpha1.PhaseShuttingDown, Message: "x", ResolvedSchedule: "x",
		Window:          &v1alpha1.ScheduleWindow{Start: &now, End: &now},
		NextActivation:  &now,
		NextTransitions: []v1alpha1.ScheduleTransition{{Time: now, State: v1alpha1.ScheduleActive, Cause: v1alpha1.CauseWindow}},
		Shutdown:        &v1alpha1.ShutdownStatus{StartedAt: now, DrainStartedAt: &now, Reason: v1alpha1.ShutdownDeleted},
		Drain:           &v1alpha1.DrainStatus{PodsTotal: 1, PodsRemaining: 1, BlockedBy: []string{"Pod a/b: x"}},
		InfrastructureRef: &v1alpha1.ObjectReference{
			APIVersion: "v1", Kind: "RemoteMachine", Name: "commands",
		},
		RecentReclaims:    []metav1.Time{now},
		AppliedNodeTaints: []v1alpha1.NodeTaint{{Key: "bank/only", Effect: corev1.TaintEffectNoSchedule}},
	}
	for _, condition := range v1alpha1.ConditionTypes() {
		status.Conditions = append(status.Conditions, metav1.Condition{
			Type: condition, Status: metav1.ConditionTrue, Reason: "X", Message: "x", LastTransitionTime: now,
		})
	}
	return status
}
