package workflows_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
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
	for _, want := range []string{"gpg --batch --status-fd 1 --verify", "sha256sum --check --strict", "make release-check VERSION=", "make bundle bundle-validate", "git diff --exit-code"} {
		if !strings.Contains(commands.String(), want) {
			t.Errorf("%q is missing", want)
		}
	}
}

func TestWhatTheCatalogWouldRefuseIsSaidBeforeAnythingIsPushed(t *testing.T) {
	t.Parallel()
	const (
		pinned   = "image: ghcr.io/finos/five-spot-bundle@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"
		entry    = "  - name: five-spot.v1.1.0\n"
		channels = "schema: olm.channel\nentries:\n%s---\nschema: olm.channel\nentries:\n%s"
	)
	for sentence, c := range map[string]struct{ stable, candidate, before, want string }{
		"all is there":                           {entry, entry, pinned, ""},
		"a channel lacks the version":            {entry, "", pinned, "no entry for five-spot.v1.1.0"},
		"a channel has another version":          {entry, "  - name: five-spot.v1x1.0\n", pinned, "no entry for five-spot.v1.1.0"},
		"an earlier entry is not of its release": {entry, entry, pinned + "- image: five-spot:v1.0.0\n", "five-spot.v1.0.0.yaml is not the one of its release"},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			for name, text := range map[string]string{
				"package.yaml":          fmt.Sprintf(channels, c.stable, c.candidate),
				"five-spot.v1.0.0.yaml": c.before, "five-spot.v1.1.0.yaml": "image: five-spot-bundle:v1.1.0\n",
			} {
				if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			out, err := exec.CommandContext(t.Context(), "make", "-s", "-C", root, "release-check", "VERSION=1.1.0", "CATALOG_FOLDER="+folder).CombinedOutput()
			if refused := err != nil; refused != (c.want != "") || !strings.Contains(string(out), c.want) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
