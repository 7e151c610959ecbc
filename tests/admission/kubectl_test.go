package admission_test

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), server.Kubectl(), append([]string{"--kubeconfig", server.kubeconfig}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// table are the cells that kubectl prints; columns are at least three blanks apart.
func table(text string) [][]string {
	var lines [][]string
	for line := range strings.Lines(text) {
		var cells []string
		for cell := range strings.SplitSeq(strings.TrimSpace(line), "   ") {
			if cell = strings.TrimSpace(cell); cell != "" {
				cells = append(cells, cell)
			}
		}
		lines = append(lines, cells)
	}
	return lines
}

const observed = `{status: {phase: Active, message: all is well, inSchedule: true, resolvedSchedule: "Mon-Fri 09:00-18:00 UTC",
	nodeRef: {apiVersion: v1, kind: Node, name: node-7, uid: "1"},
	nextTransitions: [{time: "2026-11-23T18:00:00Z", state: Inactive, cause: Window}]}}`

func TestColumnsOfKubectl(t *testing.T) {
	t.Parallel()
	needServer(t)
	obj := &unstructured.Unstructured{Object: patched(t, machineObject, `{metadata: {name: columns}, spec: {killSwitch: true}}`)}
	if err := server.client.Create(t.Context(), obj); err != nil {
		t.Fatal(err)
	}
	status := encoded(t, patched(t, observed, ""))
	if err := server.client.Status().Patch(t.Context(), obj, client.RawPatch("application/merge-patch+json", status)); err != nil {
		t.Fatal(err)
	}
	create(t, patched(t, calendarObject, `{metadata: {name: columns}, spec: {timezone: Europe/Berlin}}`))

	narrow := []string{"NAME", "PHASE", "INSCHEDULE", "ENABLED", "NODE", "NEXT", "KILLSWITCH", "AGE"}
	values := []string{"columns", "Active", "true", "true", "node-7", "2026-11-23T18:00:00Z", "true"}
	for name, c := range map[string]struct{ args, header, values []string }{
		"a ScheduledMachine by its short name": {[]string{"sm", "columns"}, narrow, values},
		"a ScheduledMachine, wide": {
			[]string{"scheduledmachines", "columns", "-o", "wide"},
			append(slices.Clip(narrow), "SCHEDULE", "CLUSTER", "MESSAGE"),
			append(slices.Clip(values), "?", "Mon-Fri 09:00-18:00 UTC", "trading", "all is well"),
		},
		"a MachineCalendar by its short name": {[]string{"mcal", "columns"}, []string{"NAME", "TIMEZONE", "AGE"}, []string{"columns", "Europe/Berlin"}},
	} {
		t.Run(name, func(t *testing.T) {
			lines := table(kubectl(t, append([]string{"get"}, c.args...)...))
			if len(lines) != 2 || len(lines[1]) != len(c.header) {
				t.Fatalf("kubectl prints %v", lines)
			}
			if diff := cmp.Diff(c.header, lines[0]); diff != "" {
				t.Errorf("header (-want +got):\n%s", diff)
			}
			for i, want := range c.values {
				if want != "?" && lines[1][i] != want {
					t.Errorf("%s is %q, want %q", c.header[i], lines[1][i], want)
				}
			}
		})
	}
}

// clusterctl moves what carries its labels: the ScheduledMachines with all that they
// own, and the calendars.
func TestClusterctlMovesTheObjects(t *testing.T) {
	t.Parallel()
	needServer(t)
	for plural, move := range map[string]string{"scheduledmachines": "move-hierarchy", "machinecalendars": "move"} {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := server.client.Get(t.Context(), client.ObjectKey{Name: plural + ".5spot.finos.org"}, crd); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"clusterctl.cluster.x-k8s.io", "clusterctl.cluster.x-k8s.io/" + move} {
			if _, found := crd.Labels[key]; !found {
				t.Errorf("%s lacks the label %s", plural, key)
			}
		}
		for _, condition := range crd.Status.Conditions {
			if condition.Type == apiextensionsv1.NonStructuralSchema && condition.Status == apiextensionsv1.ConditionTrue {
				t.Errorf("%s: %s", plural, condition.Message)
			}
		}
	}
}

// The costliest objects that the bounds allow stay within what CEL may cost.
func TestTheGreatestObjectsAreNotTooCostly(t *testing.T) {
	t.Parallel()
	needServer(t)
	day := map[string]any{"from": "2026-12-24", "to": "2026-12-24", "state": "Active", "reason": strings.Repeat("x", 256)}
	object := patched(t, machineObject, form(fmt.Sprintf("cron: %q, duration: 000000000000024h", strings.Repeat("0", 200)+" * * * *")))
	set(several(100, day), "schedule", "exceptions")(object)
	set(taints(50), "nodeTaints")(object)
	set(several(100, strings.Repeat("x", 256)), "killIfCommands")(object)
	labels := map[string]any{}
	for i := range 64 {
		labels[fmt.Sprintf("%s/k%d", dns(253), i)] = strings.Repeat("x", 63)
	}
	set(labels, "machineTemplate", "labels")(object)
	set(numbered(64, strings.Repeat("x", 4096)), "machineTemplate", "annotations")(object)
	if refused := byServer(t, object, nil); len(refused) > 0 {
		t.Errorf("a ScheduledMachine: %s", quoted(refused))
	}
	calendar := patched(t, calendarObject, "")
	set(several(1000, day), "exceptions")(calendar)
	if refused := byServer(t, calendar, nil); len(refused) > 0 {
		t.Errorf("a MachineCalendar: %s", quoted(refused))
	}
}
