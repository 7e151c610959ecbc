// Package workflows holds what runs at the code host to the rules of the supply chain: it
// has few rights, runs no code that can be exchanged, and names only what exists.
package workflows_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const root = "../.."

// workflow is as much of a workflow as there are rules about.
type workflow struct {
	// On is also decoded from the key "true": YAML 1.1 takes the word for that.
	On          map[string]any `json:"on"`
	True        map[string]any `json:"true"`
	Permissions any            `json:"permissions"`
	Jobs        map[string]job `json:"jobs"`
}

type job struct {
	Uses           string            `json:"uses"`
	TimeoutMinutes int               `json:"timeout-minutes"`
	Permissions    any               `json:"permissions"`
	Outputs        map[string]string `json:"outputs"`
	Steps          []step            `json:"steps"`
}

type step struct {
	Name string            `json:"name"`
	Uses string            `json:"uses"`
	Run  string            `json:"run"`
	Env  map[string]string `json:"env"`
	With map[string]any    `json:"with"`
}

// each calls the test for every workflow.
func each(t *testing.T, test func(t *testing.T, text string, w workflow)) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, ".github", "workflows", "*"))
	if err != nil || len(paths) < 5 {
		t.Fatalf("only %v were found: %v", paths, err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			w := workflow{}
			if err := yaml.Unmarshal(text, &w); err != nil {
				t.Fatal(err)
			}
			if len(w.Jobs) == 0 || len(w.On)+len(w.True) == 0 {
				t.Fatalf("it has no jobs or no events: %+v", w)
			}
			test(t, string(text), w)
		})
	}
}

// steps are all steps of all jobs.
func (w workflow) steps() []step {
	var steps []step
	for _, job := range w.Jobs {
		steps = append(steps, job.Steps...)
	}
	return steps
}

// A token may do nothing but read, until a job says what else it needs.
func TestWorkflowsHaveFewRights(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ string, w workflow) {
		t.Helper()
		if top, ok := w.Permissions.(map[string]any); !ok || len(top) != 1 || top["contents"] != "read" {
			t.Errorf("its permissions are %v, not contents: read", w.Permissions)
		}
		for name, job := range w.Jobs {
			if _, ok := job.Permissions.(map[string]any); job.Permissions != nil && !ok {
				t.Errorf("the permissions of job %s are %v", name, job.Permissions)
			}
			if job.Uses == "" && job.TimeoutMinutes == 0 {
				t.Errorf("job %s may run for ever", name)
			}
		}
	})
}

// Only who is not asked for review may write: pull requests of strangers must not meet
// secrets, nor a token that can write.
func TestWorkflowsRunNoCodeOfStrangersWithRights(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, text string, w workflow) {
		t.Helper()
		for _, event := range []string{"pull_request_target", "workflow_run", "issue_comment"} {
			if strings.Contains(text, event) {
				t.Errorf("it runs on %s", event)
			}
		}
		if strings.Contains(text, "secrets.") || strings.Contains(text, "secrets:") {
			t.Error("it uses secrets")
		}
		for _, step := range w.steps() {
			// What somebody else names, such as a branch, would become code.
			if strings.Contains(step.Run, "${{") {
				t.Errorf("a command has an expression in it: %s", step.Run)
			}
			if strings.HasPrefix(step.Uses, "actions/checkout@") && step.With["persist-credentials"] != false {
				t.Error("the checkout leaves its token behind")
			}
		}
	})
}

var (
	uses   = regexp.MustCompile(`(?m)^ *-? *uses: *(\S+)(.*)$`)
	pinned = regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40}$`)
	tagged = regexp.MustCompile(`^ # v\d+\.\d+\.\d+$`)
)

// A tag can be moved to other code, a commit cannot. The comment says which version it
// is, for people and for what updates it; each action has one version everywhere.
func TestActionsArePinned(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, text string, _ workflow) {
		t.Helper()
		for _, use := range uses.FindAllStringSubmatch(text, -1) {
			if strings.HasPrefix(use[1], "./.github/workflows/") {
				if _, err := os.Stat(filepath.Join(root, use[1])); err != nil {
					t.Error(err)
				}
				continue
			}
			if !pinned.MatchString(use[1]) || !tagged.MatchString(use[2]) {
				t.Errorf("%s%s is not a commit with a version behind it", use[1], use[2])
			}
		}
	})
	versions := map[string]string{}
	paths, _ := filepath.Glob(filepath.Join(root, ".github", "workflows", "*"))
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, use := range uses.FindAllStringSubmatch(string(text), -1) {
			action, commit, _ := strings.Cut(use[1]+use[2], "@")
			owner := strings.Join(strings.SplitN(action, "/", 3)[:2], "/")
			if known, found := versions[owner]; found && known != commit {
				t.Errorf("%s is at %s and at %s", owner, known, commit)
			}
			versions[owner] = commit
		}
	}
	if len(versions) < 5 {
		t.Errorf("only %v are used", versions)
	}
}

var (
	target = regexp.MustCompile(`(?m)\bmake((?: +-{1,2}[a-z-]+)*) +([a-z][a-z-]*)`)
	script = regexp.MustCompile(`(?m)^\.\S+|\bbin/\S+`)
)

func TestCommandsNameWhatExists(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, _ string, w workflow) {
		t.Helper()
		for _, step := range w.steps() {
			for _, found := range target.FindAllStringSubmatch(step.Run, -1) {
				if !strings.Contains(string(makefile), "\n"+found[2]+":") {
					t.Errorf("there is no target %s", found[2])
				}
			}
			for _, path := range script.FindAllString(step.Run, -1) {
				if _, err := os.Stat(filepath.Join(root, path)); strings.HasPrefix(path, ".") && err != nil {
					t.Error(err)
				}
			}
			if file, ok := step.With["go-version-file"].(string); ok {
				if _, err := os.Stat(filepath.Join(root, file)); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

// A suite builds the release before this one from its commit.
func TestTheTestsHaveTheHistory(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, ".github", "workflows", "ci.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	ci := workflow{}
	if err := yaml.Unmarshal(text, &ci); err != nil {
		t.Fatal(err)
	}
	for _, step := range ci.steps() {
		if depth, found := step.With["fetch-depth"]; strings.HasPrefix(step.Uses, "actions/checkout@") && (!found || depth != 0.0) {
			t.Errorf("the checkout has fetch-depth %v", depth)
		}
	}
}
