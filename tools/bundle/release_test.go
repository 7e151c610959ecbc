package main

import (
	"bytes"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
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

// A release names what was pushed, and nothing that somebody could push again.
func TestAReleasedBundleNamesImagesByTheDigestsThatTheRegistryHas(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	host, folder := strings.TrimPrefix(server.URL, "http://"), t.TempDir()
	manager, agent := push(t, host, "five-spot"), push(t, host, "five-spot-reclaim-agent")
	if err := run([]string{
		"generate", "-root", root, "-bundle", folder, "-digests", "-version", "0.2.0", "-created-at", "2026-12-01T00:00:00Z",
		"-manager-image", manager, "-agent-image", agent,
	}, os.Stderr); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "manifests", "five-spot.clusterserviceversion.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	// The annotation, the Deployment, its variable and twice in relatedImages.
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
	for _, tag := range []string{"five-spot:v", "five-spot-reclaim-agent:v"} {
		if strings.Contains(string(text), tag) {
			t.Errorf("%s is still there", tag)
		}
	}
	for _, want := range []string{"name: five-spot.v0.2.0\n", "createdAt: \"2026-12-01T00:00:00Z\"\n", "version: 0.2.0\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not there", want)
		}
	}
	if err := run([]string{"validate", "-root", root, "-bundle", folder}, &bytes.Buffer{}); err != nil {
		t.Error(err)
	}
}
