package workflows_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// images are those of a release, as the workflow names their references.
var images = map[string]string{
	"agent":   "five-spot-reclaim-agent",
	"bundle":  "five-spot-bundle",
	"catalog": "five-spot-catalog",
	"manager": "five-spot",
}

// An image that is pushed but not signed is one that whoever asks for signatures cannot run.
func TestEveryImageOfAReleaseIsSignedAttestedVerifiedAndNamed(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, ".github", "workflows", "release.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	release := workflow{}
	if err := yaml.Unmarshal(text, &release); err != nil {
		t.Fatal(err)
	}
	outputs := release.Jobs["images"].Outputs
	if diff := cmp.Diff(slices.Sorted(maps.Keys(images)), slices.Sorted(maps.Keys(outputs))); diff != "" {
		t.Fatalf("the job has other images (-want +got):\n%s", diff)
	}
	attested := map[any]any{}
	for _, step := range release.Jobs["images"].Steps {
		if strings.HasPrefix(step.Uses, "actions/attest-build-provenance@") && step.With["push-to-registry"] == true {
			attested[step.With["subject-name"]] = step.With["subject-digest"]
		}
	}
	for name, image := range images {
		variable, reference := strings.ToUpper(name), outputs[name]
		for _, c := range []struct{ job, step, has, reference string }{
			{"images", "Sign the images and the bills of materials", `"` + image + "=$" + variable + `"`, reference},
			{"images", "Verify as users do", `"$` + variable + `"`, reference},
			{"publish", "Publish", `"$` + variable + `"`, "${{ needs.images.outputs." + name + " }}"},
		} {
			i := slices.IndexFunc(release.Jobs[c.job].Steps, func(s step) bool { return s.Name == c.step })
			if i < 0 {
				t.Fatalf("there is no step %s", c.step)
			}
			step := release.Jobs[c.job].Steps[i]
			if !strings.Contains(step.Run, c.has) || step.Env[variable] != c.reference {
				t.Errorf("%s: has not %s, which is %q instead of %q", c.step, c.has, step.Env[variable], c.reference)
			}
		}
		output := strings.TrimSuffix(reference, " }}")
		if attested[output+"_name }}"] != output+"_digest }}" {
			t.Errorf("%s: its provenance is not attested", image)
		}
		for _, page := range []string{"SECURITY.md", "docs/security/supply-chain.md"} {
			text, err := os.ReadFile(filepath.Join(root, page))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), "`"+image+"`") {
				t.Errorf("%s does not name %s", page, image)
			}
		}
	}
}

// What operator-sdk has to say comes before anything is pushed.
func TestAReleaseWaitsForOperatorSDK(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, ".github", "workflows", "release.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	release := struct {
		Jobs map[string]struct {
			Needs any    `json:"needs"`
			Steps []step `json:"steps"`
		} `json:"jobs"`
	}{}
	if err := yaml.Unmarshal(text, &release); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(any([]any{"ci", "operator-sdk"}), release.Jobs["images"].Needs); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	commands := strings.Builder{}
	for _, step := range release.Jobs["operator-sdk"].Steps {
		commands.WriteString(step.Run)
	}
	for _, want := range []string{"gpg --batch --status-fd 1 --verify", "sha256sum --check --strict", "make bundle bundle-validate", "git diff --exit-code"} {
		if !strings.Contains(commands.String(), want) {
			t.Errorf("%q is missing", want)
		}
	}
}
