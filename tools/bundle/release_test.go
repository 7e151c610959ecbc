package main

import (
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

var pinned = regexp.MustCompile(`[\w.:/-]+@sha256:[0-9a-f]{64}`)

// push puts some image into the registry and returns its reference with the digest.
func push(t *testing.T, host, repository string) string {
	t.Helper()
	image, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	reference, err := name.NewTag(host + "/" + repository + ":v0.2.0")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(reference, image, remote.WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return reference.Context().Digest(digest.String()).String()
}

// release runs make release-bundle as a release does, but into a folder of its own, and
// returns that with what make says.
func release(t *testing.T, manager, agent string) (folder, out string, err error) {
	t.Helper()
	folder = t.TempDir()
	cmd := exec.CommandContext(t.Context(), "make", "--no-print-directory", "-C", root, "release-bundle", "LOCALBIN="+folder,
		"VERSION=0.2.0", "IMG="+manager, "AGENT_IMG="+agent, "SOURCE_DATE_EPOCH=1796083200")
	cmd.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "MAKE") || strings.HasPrefix(variable, "MFLAGS=")
	})
	text, err := cmd.CombinedOutput()
	return folder, string(text), err
}

// A release names what was pushed, and nothing that somebody could push again.
func TestAReleasedBundleNamesImagesByTheDigestsThatTheRegistryHas(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	manager, agent := push(t, host, "five-spot"), push(t, host, "five-spot-reclaim-agent")
	folder, out, err := release(t, manager, agent)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(folder, "bundle", "bundle", "manifests", "five-spot.clusterserviceversion.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	found := pinned.FindAllString(string(text), -1)
	if len(found) != 5 {
		t.Errorf("found %v", found)
	}
	for _, image := range found {
		reference, err := name.NewDigest(image)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := remote.Head(reference, remote.WithContext(t.Context())); err != nil {
			t.Errorf("%s: %v", image, err)
		}
	}
	for _, want := range []string{
		"    containerImage: " + manager + "\n", "                image: " + manager + "\n",
		"                - name: RELATED_IMAGE_RECLAIM_AGENT\n                  value: " + agent + "\n",
		"  relatedImages:\n  - image: " + manager + "\n    name: manager\n  - image: " + agent + "\n    name: reclaim-agent\n",
		"name: five-spot.v0.2.0\n", "createdAt: \"2026-12-01T00:00:00Z\"\n", "version: 0.2.0\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not there", want)
		}
	}
	for _, tag := range []string{"five-spot:v", "five-spot-reclaim-agent:v"} {
		if strings.Contains(string(text), tag) {
			t.Errorf("%s is still there", tag)
		}
	}
	packed, err := exec.CommandContext(t.Context(), "tar", "-xzOf", filepath.Join(folder, "release", "five-spot-bundle.tar.gz"),
		"bundle/manifests/five-spot.clusterserviceversion.yaml").Output()
	if err != nil || string(packed) != string(text) {
		t.Errorf("another is packed: %v", err)
	}
}

func TestAReleaseWithATagIsRefused(t *testing.T) {
	t.Parallel()
	pinnedImage := "example.com/five-spot@sha256:" + strings.Repeat("0", 64)
	for name, c := range map[string]struct{ manager, agent, want string }{
		"of the manager": {"example.com/five-spot:v0.2.0", pinnedImage, `image manager: "example.com/five-spot:v0.2.0" must end in @sha256:`},
		"of the agent":   {pinnedImage, "example.com/agent:v0.2.0", `image reclaim-agent: "example.com/agent:v0.2.0" must end in @sha256:`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder, out, err := release(t, c.manager, c.agent)
			if err == nil || !strings.Contains(out, c.want) {
				t.Errorf("%v does not say %q: %s", err, c.want, out)
			}
			if _, err := os.Stat(filepath.Join(folder, "release", "five-spot-bundle.tar.gz")); err == nil {
				t.Error("it is packed nevertheless")
			}
		})
	}
}
