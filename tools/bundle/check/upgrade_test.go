package check_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/finos/five-spot/tools/bundle/check"
	"github.com/finos/five-spot/tools/bundle/generate"
	"github.com/finos/five-spot/tools/bundle/released"
)

const calendar = "manifests/5spot.finos.org_machinecalendars.yaml"

// changed is the folder of the project's bundle with one change; without the file where
// there is nothing to look for.
func changed(t *testing.T, file, old, replacement string) string {
	t.Helper()
	files, err := generate.Load("../../../bundle")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(files[file]), old) {
		t.Fatalf("%s has no %q", file, old)
	}
	files[file] = []byte(strings.Replace(string(files[file]), old, replacement, 1))
	if old == "" {
		delete(files, file)
	}
	folder := t.TempDir()
	if err := files.Save(folder); err != nil {
		t.Fatal(err)
	}
	return folder
}

// installed are the definitions of the bundle itself as those of a version.
func installed(t *testing.T, versions ...string) fstest.MapFS {
	t.Helper()
	files, err := generate.Load("../../../bundle")
	if err != nil {
		t.Fatal(err)
	}
	folder := fstest.MapFS{}
	for _, version := range versions {
		folder[version+"/machinecalendars.yaml"] = &fstest.MapFile{Data: files[calendar]}
		folder[version+"/scheduledmachines.yaml"] = &fstest.MapFile{Data: files[crd]}
	}
	return folder
}

// setVersion has the bundle say that it is another version.
func setVersion(t *testing.T, folder, version string) {
	t.Helper()
	file := filepath.Join(folder, csv)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text = regexp.MustCompile(`(?m)^  version: .*$`).ReplaceAll(text, []byte("  version: "+version))
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

const (
	priority  = "                maximum: 255\n                minimum: 0\n                type: integer\n"
	cluster   = "                maxLength: 63\n                minLength: 1\n                pattern: ^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$\n                type: string\n                x-kubernetes-validations:\n"
	kill      = "              killSwitch:\n"
	newField  = "              colour:\n                type: string\n"
	anyRule   = "                - message: it is one of ours\n                  rule: size(self) > 0\n"
	otherType = "  - name: v1alpha2\n    served: true\n    storage: false\n    schema:\n      openAPIV3Schema:\n        type: object\n"
)

// The rules of OLM v1: what could make an object invalid that is there, or mean something
// else, is refused, and so is what its library does not know.
func TestAnUpgradeKeepsWhatThereIsValid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, old, new, want string }{
		"nothing may change":                         {crd, kill, kill, ""},
		"an optional field may be added":             {crd, kill, newField + kill, ""},
		"a new field may have a default":             {crd, kill, "              colour:\n                default: red\n                type: string\n" + kill, ""},
		"an optional field of the status may, too":   {crd, "              inSchedule:\n", newField + "              inSchedule:\n", ""},
		"a description may change":                   {crd, "killSwitch set to true removes", "killSwitch removes", ""},
		"an enum may get a value":                    {crd, "                      - NoSchedule\n", "                      - NoSchedule\n                      - Never\n", ""},
		"a bound may be loosened":                    {crd, "maximum: 255", "maximum: 256", ""},
		"a column may be added":                      {crd, "    - jsonPath: .spec.killSwitch\n", "    - jsonPath: .kind\n      name: Kind\n      type: string\n    - jsonPath: .spec.killSwitch\n", ""},
		"a field may not go":                         {crd, kill, "              killsWitch:\n", "existingFieldRemoval: removed field : v1alpha1.^.spec.killSwitch"},
		"a type may not change":                      {crd, priority, strings.Replace(priority, "integer", "number", 1), `^.spec.priority: type: type changed : "integer" -> "number"`},
		"a new field may not be required":            {crd, "            required:\n            - bootstrapSpec\n", "            required:\n            - killSwitch\n            - bootstrapSpec\n", "^.spec: required: new required fields: [killSwitch]"},
		"a text may not have to be shorter":          {crd, cluster, strings.Replace(cluster, "63", "62", 1), "^.spec.clusterName: maxLength: maximum decreased : 63 -> 62"},
		"a text may not have to be longer":           {crd, cluster, strings.Replace(cluster, "minLength: 1", "minLength: 2", 1), "^.spec.clusterName: minLength: minimum increased : 1 -> 2"},
		"a number may not have to be greater":        {crd, priority, strings.Replace(priority, "minimum: 0", "minimum: 1", 1), "^.spec.priority: minimum: minimum increased : 0 -> 1"},
		"a number may not have to be smaller":        {crd, priority, strings.Replace(priority, "255", "254", 1), "^.spec.priority: maximum: maximum decreased : 255 -> 254"},
		"a list may not have to be shorter":          {calendar, "                maxItems: ", "                maxItems: 1 # ", "maxItems: maximum decreased"},
		"a bound may not be new":                     {crd, "                format: int32\n" + priority, "                format: int32\n                multipleOf: 5\n" + priority, "^.spec.priority: unhandled: "},
		"an enum may not lose a value":               {crd, "                      - NoSchedule\n", "", `enum: allowed enum values removed : ["NoSchedule"]`},
		"an enum may not be new":                     {crd, cluster, "                enum: [a]\n" + cluster, "^.spec.clusterName: enum: enum constraint added when there was none"},
		"a pattern may not change":                   {crd, cluster, strings.Replace(cluster, "^[A-Za-z0-9]", "^[a-z]", 1), "^.spec.clusterName: pattern: "},
		"a default may not change":                   {crd, "                default: 50\n", "                default: 51\n", `^.spec.priority: default: default value changed : "50" -> "51"`},
		"a default may not go":                       {crd, "                default: 50\n", "", `^.spec.priority: default: default value removed : "50"`},
		"a field that is there may not get one":      {crd, cluster, "                default: a\n" + cluster, `^.spec.clusterName: default: default added when there was none`},
		"a rule may not be added":                    {crd, cluster, cluster + anyRule, "^.spec.clusterName: unhandled: "},
		"a rule may not go":                          {crd, "                x-kubernetes-validations:\n                - message: clusterName cannot be changed\n                  rule: self == oldSelf\n", "", "^.spec.clusterName: unhandled: "},
		"the scope may not change":                   {calendar, "scope: Cluster", "scope: Namespaced", `scope: scope changed : "Cluster" -> "Namespaced"`},
		"a version that is stored may not go":        {crd, "    name: v1alpha1\n", "    name: v1alpha2\n", "storedVersionRemoval: stored versions removed : [v1alpha1]"},
		"a version that differs needs a conversion":  {crd, "  versions:\n", "  versions:\n" + otherType, "v1alpha1 -> v1alpha2: ^: unhandled: "},
		"a definition may not go, with its objects":  {calendar, "", "", "machinecalendars.5spot.finos.org: the definition is gone"},
		"a list may not become one of another order": {crd, "x-kubernetes-list-type: map", "x-kubernetes-list-type: atomic", "unhandled: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			findings, err := check.Upgrade(changed(t, c.file, c.old, c.new), installed(t, "v0.0.1"))
			if err != nil {
				t.Fatal(err)
			}
			if c.want == "" {
				if len(findings) > 0 {
					t.Errorf("it is refused: %v", findings)
				}
				return
			}
			for _, finding := range findings {
				if finding.Check == "crd-upgrade-safety" && strings.HasPrefix(finding.Text, "from v0.0.1: ") && strings.Contains(finding.Text, c.want) {
					return
				}
			}
			t.Errorf("nothing says %q: %v", c.want, findings)
		})
	}
}

// What is installed is the last version, not one that somebody forgot.
func TestTheLastReleaseIsTheNewestThatIsNotNewerThanTheBundle(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		version  string
		released []string
		want     string
	}{
		"the one before":                        {"1.10.0", []string{"v1.8.0", "v1.9.0"}, "from v1.9.0: "},
		"numbers are not text":                  {"1.11.0", []string{"v1.9.0", "v1.10.0"}, "from v1.10.0: "},
		"a later one is not looked at":          {"1.9.1", []string{"v1.9.0", "v1.10.0"}, "from v1.9.0: "},
		"the bundle's own":                      {"1.10.0", []string{"v1.9.0", "v1.10.0"}, "from v1.10.0: "},
		"a candidate comes before its release":  {"1.10.0", []string{"v1.10.0-rc.2", "v1.10.0-rc.10", "v1.9.0"}, "from v1.10.0-rc.10: "},
		"a folder is not a version":             {"1.10.0", []string{"v1.9"}, "v1.9 is no version"},
		"without a release nothing can be said": {"1.10.0", nil, "no version was released before 1.10.0"},
		"nor with later ones alone":             {"0.0.1", []string{"v0.1.0"}, "no version was released before 0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := changed(t, crd, kill, "              killsWitch:\n")
			setVersion(t, folder, c.version)
			findings, err := check.Upgrade(folder, installed(t, c.released...))
			if err != nil {
				if !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v does not say %q", err, c.want)
				}
				return
			}
			if len(findings) == 0 {
				t.Error("the field that is gone was not missed")
			}
			for _, finding := range findings {
				if !strings.HasPrefix(finding.Text, c.want) {
					t.Errorf("%s is not %q", finding, c.want)
				}
			}
		})
	}
}

// A release that would be refused where the one before is installed was never one.
func TestEachReleaseFollowsFromTheOneBefore(t *testing.T) {
	t.Parallel()
	findings, err := check.Released(released.Files)
	if err != nil || len(findings) > 0 {
		t.Errorf("%v: %v", findings, err)
	}
	later := installed(t, "v1.0.0", "v1.1.0")
	later["v1.1.0/scheduledmachines.yaml"] = &fstest.MapFile{Data: []byte(strings.Replace(string(later["v1.0.0/scheduledmachines.yaml"].Data), kill, "              killsWitch:\n", 1))}
	if findings, err := check.Released(later); err != nil || len(findings) == 0 || !strings.HasPrefix(findings[0].Text, "from v1.0.0 to v1.1.0: ") {
		t.Errorf("%v: %v", findings, err)
	}
}
