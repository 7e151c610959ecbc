package check_test

import (
	"strings"
	"testing"

	"github.com/finos/five-spot/tools/bundle/check"
	"github.com/finos/five-spot/tools/bundle/generate"
)

const (
	csv  = "manifests/five-spot.clusterserviceversion.yaml"
	crd  = "manifests/5spot.finos.org_scheduledmachines.yaml"
	role = "manifests/five-spot-metrics-reader_rbac.authorization.k8s.io_v1_clusterrole.yaml"
)

// A bundle in which one thing is wrong: each check sees what it is for, and names it.
func TestEachCheckSeesWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file, old, new string
		check, want    string
	}{
		"no install modes":               {csv, "  installModes:\n  - supported: false\n    type: OwnNamespace\n  - supported: false\n    type: SingleNamespace\n  - supported: false\n    type: MultiNamespace\n  - supported: true\n    type: AllNamespaces\n", "", "csv", "install modes not found"},
		"a kind that is not owned":       {csv, "kind: MachineCalendar\n      name: machinecalendars", "kind: Calendar\n      name: machinecalendars", "bundle", "not found in bundle"},
		"a file that cannot be read":     {crd, "          clusterName:\n", "          clusterName:\n            nullable: maybe\n", "", ""},
		"a capability that there is not": {csv, "capabilities: Deep Insights", "capabilities: Everything", "standardcapabilities", "is not a valid capabilities level"},
		"a category that there is not":   {csv, "categories: Integration & Delivery", "categories: Machines", "standardcategories", "is not in the set of standard categories"},
		"no provider":                    {csv, "  provider:\n    name: FINOS\n", "  provider:\n", "operatorhub/v2", "Provider.Name not specified"},
		"no minimal version":             {csv, "  minKubeVersion: 1.30.0\n", "", "operatorhub/v2", "minKubeVersion"},
		"a maintainer without address":   {csv, "email: help@finos.org", "email: \"\"", "operatorhub/v2", "Maintainers elements should contain both name and email"},
		"no requests":                    {csv, "                  requests:\n", "                  claims: []\n                  x:\n", "good-practices", "unable to find the resource requests"},
		"rights on definitions":          {csv, "          - list\n          - watch\n        - apiGroups:\n          - apiextensions.k8s.io\n          resourceNames:\n          - scheduledmachines.5spot.finos.org", "          - create\n        - apiGroups:\n          - apiextensions.k8s.io\n          resourceNames:\n          - scheduledmachines.5spot.finos.org", "good-practices", "permissions to create CRD"},
		"an API that was removed":        {"manifests/five-spot-controller-manager_policy_v1_poddisruptionbudget.yaml", "apiVersion: policy/v1\n", "apiVersion: policy/v1beta1\n", "alpha-deprecated-apis", "removed in v1.25"},
		"a budget that blocks a drain":   {"manifests/five-spot-controller-manager_policy_v1_poddisruptionbudget.yaml", "maxUnavailable: 1", "maxUnavailable: 0", "object", "maxUnavailable field cannot be set to 0"},
		"a priority for everybody":       {"manifests/five-spot-controller-manager_scheduling.k8s.io_v1_priorityclass.yaml", "globalDefault: false", "globalDefault: true", "object", "globalDefault field cannot be set to true"},
		"a kind that OLM refuses":        {role, "kind: ClusterRole\n", "kind: NetworkPolicy\n", "object-kinds", "NetworkPolicy five-spot-metrics-reader: a bundle must not have this kind"},
		"a namespace":                    {role, "  name: five-spot-metrics-reader\n", "  name: five-spot-metrics-reader\n  namespace: operators\n", "object-kinds", "metadata.namespace must be empty"},
		"no example of a kind":           {csv, `"kind": "MachineCalendar"`, `"kind": "ScheduledMachine"`, "basic-check-spec", "MachineCalendar: alm-examples has none of this kind"},
		"an example without spec": {csv, `          "spec": {
            "exceptions": [`, `          "status": {
            "exceptions": [`, "basic-check-spec", "MachineCalendar us-bank-holidays of alm-examples: spec is missing"},
		"an example with another field": {csv, `"reason": "Thanksgiving Day"`, `"because": "Thanksgiving Day"`, "olm-crds-have-validation", "spec.exceptions[0].because is not in the schema"},
		"no resources":                  {csv, "      resources:\n      - kind: ScheduledMachine\n        name: scheduledmachines.5spot.finos.org\n        version: v1alpha1\n", "", "olm-crds-have-resources", "machinecalendars.5spot.finos.org: resources is empty"},
		"a resource without version":    {csv, "        name: machines.cluster.x-k8s.io\n        version: v1beta2\n", "        name: machines.cluster.x-k8s.io\n        version: \"\"\n", "olm-crds-have-resources", "must have kind and version"},
		"a field that is new":           {crd, "              killSwitch:\n", "              colour:\n                type: string\n              killSwitch:\n", "olm-spec-descriptors", "specDescriptors: colour: the field is not described"},
		"a field that is gone":          {csv, "path: schedule.windows[0].endDay", "path: schedule.windows[0].lastDay", "olm-spec-descriptors", "schedule.windows[0].lastDay: the CRD has no such field"},
		"a field twice":                 {csv, "path: nodeTaints[0].value", "path: nodeTaints[0].key", "olm-spec-descriptors", "nodeTaints[0].key: is there twice"},
		"no description":                {csv, "description: The value of the taint.\n        displayName: Value\n        path: nodeTaints[0].value", "displayName: Value\n        path: nodeTaints[0].value", "olm-spec-descriptors", "nodeTaints[0].value: must have displayName and description"},
		"a boolean as text":             {csv, "com.tectonic.ui:booleanSwitch", "com.tectonic.ui:text", "olm-spec-descriptors", "killSwitch: x-descriptors must be one of urn:alm:descriptor:com.tectonic.ui:booleanSwitch"},
		"a number as text":              {csv, "com.tectonic.ui:number", "com.tectonic.ui:text", "olm-spec-descriptors", "priority: x-descriptors must be one of"},
		"a choice that lacks a value":   {csv, "        - urn:alm:descriptor:com.tectonic.ui:select:sat\n", "", "olm-spec-descriptors", "schedule.windows[0].endDay: x-descriptors must be"},
		"a list as one text":            {csv, "        path: killIfCommands\n", "        path: killIfCommands\n        x-descriptors:\n        - urn:alm:descriptor:com.tectonic.ui:text\n", "olm-spec-descriptors", "killIfCommands: x-descriptors must be empty"},
		"the texts of a list":           {csv, "path: killIfCommands[0]", "path: killIfCommands", "olm-spec-descriptors", "killIfCommands[0]: the field is not described"},
		"a list of days as one text":    {csv, "        path: schedule.windows[0].days\n", "        path: schedule.windows[0].days\n        x-descriptors:\n        - urn:alm:descriptor:com.tectonic.ui:text\n", "olm-spec-descriptors", "schedule.windows[0].days: x-descriptors must be empty"},
		"a status list as one text":     {csv, "        path: drain.blockedBy\n", "        path: drain.blockedBy\n        x-descriptors:\n        - urn:alm:descriptor:text\n", "olm-status-descriptors", "drain.blockedBy: x-descriptors must be empty"},
		"a status field that is new":    {crd, "              inSchedule:\n", "              colour:\n                type: string\n              inSchedule:\n", "olm-status-descriptors", "statusDescriptors: colour: the field is not described"},
		"conditions as text":            {csv, "urn:alm:descriptor:io.kubernetes.conditions", "urn:alm:descriptor:text", "olm-status-descriptors", "conditions: x-descriptors must be one of"},
		"an input in the status":        {csv, "        path: drain.podsTotal\n        x-descriptors:\n        - urn:alm:descriptor:text", "        path: drain.podsTotal\n        x-descriptors:\n        - urn:alm:descriptor:com.tectonic.ui:number", "olm-status-descriptors", "drain.podsTotal: x-descriptors must be one of"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files, err := generate.Load("../../../bundle")
			if err != nil {
				t.Fatal(err)
			}
			text := strings.ReplaceAll(string(files[c.file]), c.old, c.new)
			if text == string(files[c.file]) {
				t.Fatalf("%s has no %q", c.file, c.old)
			}
			files[c.file] = []byte(text)
			folder := t.TempDir()
			if err := files.Save(folder); err != nil {
				t.Fatal(err)
			}
			findings, err := check.All(folder)
			if c.check == "" {
				if err == nil {
					t.Error("a file that cannot be read was read")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, finding := range findings {
				if finding.Check == c.check && finding.Explanation == "" && strings.Contains(finding.Text, c.want) {
					return
				}
			}
			t.Errorf("%s does not say %q: %v", c.check, c.want, findings)
		})
	}
}

// The console offers a link to an object of the same cluster, and to no other: the Node is
// in another cluster, and the providers' kinds differ from object to object.
func TestReferencesInTheSameClusterAreLinks(t *testing.T) {
	t.Parallel()
	files, err := generate.Load("../../../bundle")
	if err != nil {
		t.Fatal(err)
	}
	const link = "urn:alm:descriptor:io.kubernetes:"
	for path, kind := range map[string]string{
		"clusterName":                       "cluster.x-k8s.io:v1beta2:Cluster",
		"schedule.calendarRef.name":         "5spot.finos.org:v1alpha1:MachineCalendar",
		"bootstrapSpec.secretRef.name":      "Secret",
		"infrastructureSpec.secretRef.name": "Secret",
		"machineRef.name":                   "cluster.x-k8s.io:v1beta2:Machine",
		"nodeRef.name":                      "",
		"bootstrapRef.name":                 "",
		"infrastructureRef.name":            "",
	} {
		_, after, found := strings.Cut(string(files[csv]), "        path: "+path+"\n        x-descriptors:\n        - ")
		got, _, _ := strings.Cut(after, "\n")
		if !found || kind != "" && got != link+kind || kind == "" && strings.HasPrefix(got, link) {
			t.Errorf("%s: %q", path, got)
		}
	}
}
