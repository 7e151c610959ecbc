package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"io"
	"net/http/httptest"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/finos/five-spot/tools/images/oci"
	"github.com/finos/five-spot/tools/images/program"
)

// labels are those that every image must have: the first ones are what the certification
// of OpenShift asks for.
var labels = []string{
	"name", "vendor", "version", "release", "summary", "description", "maintainer", "url",
	"org.opencontainers.image.title", "org.opencontainers.image.description", "org.opencontainers.image.licenses",
	"org.opencontainers.image.source", "org.opencontainers.image.revision", "org.opencontainers.image.vendor",
	"org.opencontainers.image.version",
}

func TestTheImagesSayWhatTheyAre(t *testing.T) {
	t.Parallel()
	needBuild(t)
	users := map[string]string{"five-spot": "65532:65532", "five-spot-reclaim-agent": "0:0"}
	for _, p := range program.All {
		for platform, image := range imagesOf(t, p) {
			config, err := image.ConfigFile()
			if err != nil {
				t.Fatal(err)
			}
			if config.Config.User != users[p.Name] || !slices.Equal(config.Config.Entrypoint, []string{"/" + p.Name}) || len(config.Config.Cmd) > 0 {
				t.Errorf("%s: runs %q %q as %q", p.Name, config.Config.Entrypoint, config.Config.Cmd, config.Config.User)
			}
			if config.OS+"/"+config.Architecture != platform || config.Created.Unix() != 0 {
				t.Errorf("%s for %s: is for %s/%s, of %s", p.Name, platform, config.OS, config.Architecture, config.Created)
			}
			for _, label := range labels {
				if config.Config.Labels[label] == "" {
					t.Errorf("%s: there is no label %s", p.Name, label)
				}
			}
			got := []string{config.Config.Labels["name"], config.Config.Labels["version"], config.Config.Labels["org.opencontainers.image.revision"]}
			if diff := cmp.Diff([]string{p.Name, version, "abc"}, got); diff != "" {
				t.Error(diff)
			}
		}
	}
}

// In an image are one static program for its platform and licences, nothing else.
func TestTheImagesHoldOneProgramAndItsLicenses(t *testing.T) {
	t.Parallel()
	needBuild(t)
	machines := map[string]elf.Machine{"linux/amd64": elf.EM_X86_64, "linux/arm64": elf.EM_AARCH64}
	for _, p := range program.All {
		for platform, image := range imagesOf(t, p) {
			files := filesOf(t, image)
			binary, err := elf.NewFile(bytes.NewReader(files[p.Name]))
			if err != nil {
				t.Fatal(err)
			}
			if binary.Machine != machines[platform] {
				t.Errorf("%s for %s: is for %s", p.Name, platform, binary.Machine)
			}
			if libraries, err := binary.ImportedLibraries(); len(libraries) > 0 || binary.Section(".interp") != nil {
				t.Errorf("%s: is not static: %v, %v", p.Name, libraries, err)
			}
			third := 0
			for file, content := range files {
				switch {
				case file == p.Name || file == "licenses/LICENSE":
				case strings.HasPrefix(file, "licenses/third_party/"):
					third++
				default:
					t.Errorf("%s: what is %s for?", p.Name, file)
				}
				if len(content) == 0 {
					t.Errorf("%s: %s is empty", p.Name, file)
				}
			}
			if third < 40 {
				t.Errorf("%s: there are licences of %d others only", p.Name, third)
			}
			for _, wanted := range []string{"licenses/third_party/std@go1.26.8/LICENSE", "licenses/LICENSE"} {
				if files[wanted] == nil {
					t.Errorf("%s: there is no %s", p.Name, wanted)
				}
			}
		}
	}
}

func TestALayoutIsPushedAsItIs(t *testing.T) {
	t.Parallel()
	needBuild(t)
	server := httptest.NewServer(registry.New())
	t.Cleanup(server.Close)
	tag := strings.TrimPrefix(server.URL, "http://") + "/team/five-spot:v9"
	var printed bytes.Buffer
	if err := run(t.Context(), []string{"push", "-output", filepath.Join(built.folder, "five-spot"), "-reference", tag}, &printed); err != nil {
		t.Fatal(err)
	}
	reference, err := name.ParseReference(tag)
	if err != nil {
		t.Fatal(err)
	}
	pushed, err := remote.Index(reference)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := pushed.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.TrimSuffix(tag, ":v9") + "@" + digest.String() + "\n"; printed.String() != want || !strings.Contains(built.printed, "five-spot "+digest.String()) {
		t.Errorf("printed is %q, not %q; built was %s", printed.String(), want, built.printed)
	}
}

// imagesOf are the images of the program by their platform.
func imagesOf(t *testing.T, p program.Program) map[string]v1.Image {
	t.Helper()
	index, err := oci.Read(filepath.Join(built.folder, p.Name))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	images := map[string]v1.Image{}
	for _, described := range manifest.Manifests {
		if images[described.Platform.String()], err = index.Image(described.Digest); err != nil {
			t.Fatal(err)
		}
	}
	if len(images) != 2 {
		t.Fatalf("%s is for %d platforms", p.Name, len(images))
	}
	return images
}

// filesOf are the files of an image, which must all belong to root and be of no date.
func filesOf(t *testing.T, image v1.Image) map[string][]byte {
	t.Helper()
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, layer := range layers {
		content, err := layer.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		for archive := tar.NewReader(content); ; {
			header, err := archive.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			executable := header.Typeflag == tar.TypeDir || path.Dir(header.Name) == "."
			if header.Uid != 0 || header.Gid != 0 || header.Uname != "" || header.ModTime.Unix() != 0 || header.Mode != map[bool]int64{true: 0o755, false: 0o644}[executable] {
				t.Errorf("%s: %+v", header.Name, header)
			}
			if header.Typeflag == tar.TypeReg {
				if files[header.Name], err = io.ReadAll(archive); err != nil {
					t.Fatal(err)
				}
			}
		}
		content.Close()
	}
	return files
}
