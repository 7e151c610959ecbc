package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/finos/five-spot/tools/bundle/generate"
	"github.com/finos/five-spot/tools/bundle/rendered"
)

const root = "../.."

// made is the bundle of the project in the version of the one that is committed.
func made(t *testing.T) generate.Files {
	t.Helper()
	csv := struct {
		Spec struct {
			Version string `json:"version"`
		} `json:"spec"`
	}{}
	text, err := os.ReadFile(filepath.Join(root, "bundle", "manifests", "five-spot.clusterserviceversion.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &csv); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := run([]string{"generate", "-root", root, "-bundle", folder, "-version", csv.Spec.Version}, os.Stderr); err != nil {
		t.Fatal(err)
	}
	return load(t, folder)
}

func load(t *testing.T, folder string) generate.Files {
	t.Helper()
	files, err := generate.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestTheCommittedBundleIsWhatConfigMakes(t *testing.T) {
	t.Parallel()
	if err := generate.Differences(made(t), load(t, filepath.Join(root, "bundle"))); err != nil {
		t.Errorf("run make bundle: %v", err)
	}
}

func TestTheSameConfigAlwaysMakesTheSameBundle(t *testing.T) {
	t.Parallel()
	if err := generate.Differences(made(t), made(t)); err != nil {
		t.Error(err)
	}
}

func TestTheCommittedBundlePassesEveryCheck(t *testing.T) {
	t.Parallel()
	out := bytes.Buffer{}
	if err := run([]string{"validate", "-root", root}, &out); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	// A warning that is gone needs no explanation any more.
	if strings.Count(out.String(), "events.k8s.io/v1beta1") != 2 {
		t.Errorf("not the warnings that are explained:\n%s", out.String())
	}
}

// An API that is released is kept, whichever version comes next.
func TestValidateComparesWithTheLastRelease(t *testing.T) {
	t.Parallel()
	files := load(t, filepath.Join(root, "bundle"))
	const crd, before, after = "manifests/5spot.finos.org_scheduledmachines.yaml", "                default: 50\n", "                default: 51\n"
	files[crd] = []byte(strings.Replace(string(files[crd]), before, after, 1))
	folder, out := t.TempDir(), bytes.Buffer{}
	if err := files.Save(folder); err != nil {
		t.Fatal(err)
	}
	err := run([]string{"validate", "-root", root, "-bundle", folder}, &out)
	if err == nil || !strings.Contains(out.String(), "crd-upgrade-safety: from v") || !strings.Contains(out.String(), `default value changed : "50" -> "51"`) {
		t.Errorf("%v: %s", err, out.String())
	}
}

// operator-sdk reads the objects from its standard input.
func TestWhatIsRenderedForOperatorSDKIsWhatTheBundleIsMadeOf(t *testing.T) {
	t.Parallel()
	out := bytes.Buffer{}
	if err := run([]string{"render", "-root", root, "-manager-image", "example.com/five-spot:v1"}, &out); err != nil {
		t.Fatal(err)
	}
	objects, err := rendered.Build(filepath.Join(root, "config", "manifests"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"kind: ClusterServiceVersion\n", "kind: MachineCalendar\n", "kind: PriorityClass\n", "image: example.com/five-spot:v1\n",
		"value: five-spot-reclaim-agent:v0.2.0\n", "name: " + objects.ClusterRoleBindings[0].GetName() + "\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in it", want)
		}
	}
}

func TestMistakesAreSaid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"nothing":              {nil, "a command is missing"},
		"another command":      {[]string{"install"}, "install is no command"},
		"no flag":              {[]string{"generate", "now"}, `"now" is no flag`},
		"no version":           {[]string{"generate", "-root", root}, `version ""`},
		"a version with a v":   {[]string{"generate", "-root", root, "-version", "v1.0.0"}, `version "v1.0.0"`},
		"no instant":           {[]string{"generate", "-root", root, "-version", "1.0.0", "-created-at", "today"}, `createdAt "today"`},
		"another folder":       {[]string{"generate", "-root", "/nowhere"}, "failed to read the Dockerfile"},
		"no bundle":            {[]string{"validate", "-root", "/nowhere"}, "failed to load the bundle"},
		"nothing to compare":   {[]string{"compare", "-root", root}, "-with is missing"},
		"an image by its tag":  {[]string{"generate", "-root", root, "-version", "1.0.0", "-digests"}, `image reclaim-agent: "five-spot-reclaim-agent:v0.2.0" must end in @sha256:`},
		"a digest cut short":   {[]string{"generate", "-root", root, "-version", "1.0.0", "-digests", "-manager-image", "five-spot@sha256:12"}, `image manager: "five-spot@sha256:12" must end in @sha256:`},
		"compared with itself": {[]string{"compare", "-root", root, "-with", filepath.Join(root, "bundle")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := c.args
			if len(args) > 0 && args[0] == "generate" {
				args = append(args[:1:1], append([]string{"-bundle", t.TempDir()}, args[1:]...)...)
			}
			err := run(args, &bytes.Buffer{})
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
			} else if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v does not say %q", err, c.want)
			}
		})
	}
}
