package olm_test

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/blang/semver/v4"
	"sigs.k8s.io/yaml"

	"github.com/finos/five-spot/tests/testenv"
)

// release is a version of the operator.
type release struct {
	// version is as in v1.2.3, and csv the name of its ClusterServiceVersion.
	version, csv string

	// bundle is the folder of its bundle, and binary its manager.
	bundle, binary string

	// replaces is the ClusterServiceVersion that it replaces, where the committed channels
	// do not know it.
	replaces string
}

//go:embed released.yaml
var earlier []byte

// earlierRelease builds the version before from the commit that it was released from.
func earlierRelease(ctx context.Context, folder string) (*release, error) {
	from := struct{ Version, Commit string }{}
	if err := yaml.UnmarshalStrict(earlier, &from); err != nil {
		return nil, fmt.Errorf("failed to read released.yaml: %w", err)
	}
	source := filepath.Join(folder, from.Version)
	if err := checkOut(ctx, from.Commit, source); err != nil {
		return nil, fmt.Errorf("failed to get %s, which is commit %s of this repository (a shallow clone lacks it: git fetch --unshallow): %w", from.Version, from.Commit, err)
	}
	built, err := build(ctx, source, filepath.Join(folder, "five-spot-"+from.Version))
	if err == nil && built.version != from.Version {
		err = fmt.Errorf("commit %s has the bundle of %s, not of %s", from.Commit, built.version, from.Version)
	}
	return built, err
}

// thisRelease builds the version that is being worked on.
func thisRelease(ctx context.Context, folder string) (*release, error) {
	built, err := build(ctx, root, filepath.Join(folder, "five-spot"))
	if err == nil && built.version == released.older.version {
		err = errors.New("the bundle has the version that released.yaml says is released: raise VERSION in the Makefile, and make bundle catalog")
	}
	return built, err
}

// nextRelease is the one that would follow this one: what the tree has, under the next
// number, so that a machine sees two upgrades.
func nextRelease(ctx context.Context, folder string) (*release, error) {
	now, err := semver.Parse(strings.TrimPrefix(released.newer.version, "v"))
	if err != nil {
		return nil, fmt.Errorf("failed to read version %s: %w", released.newer.version, err)
	}
	if err := now.IncrementPatch(); err != nil {
		return nil, fmt.Errorf("failed to count on from version %s: %w", released.newer.version, err)
	}
	from, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	source := filepath.Join(folder, "v"+now.String())
	out, err := exec.CommandContext(ctx, "go", "run", "-C", filepath.Join(root, "tools", "bundle"), ".", "generate",
		"-root", from, "-bundle", filepath.Join(source, "bundle"), "-version", now.String(),
		"-manager-image", "five-spot:v"+now.String(), "-agent-image", "five-spot-reclaim-agent:v"+now.String()).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("failed to make the bundle of %s: %w: %s", now, err, out)
	}
	built, err := readBundle(filepath.Join(source, "bundle"))
	if err != nil {
		return nil, err
	}
	built.binary, built.replaces = filepath.Join(folder, "five-spot-"+built.version), released.newer.csv
	return built, testenv.BuildManagerOf(ctx, root, built.version, built.binary)
}

// checkOut writes the files of a commit into a folder that does not exist yet.
func checkOut(ctx context.Context, commit, folder string) error {
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	archive := folder + ".tar"
	defer func() { _ = os.Remove(archive) }()
	// Without a file between them git's failure would be lost.
	for _, args := range [][]string{
		{"git", "-C", root, "archive", "--output", archive, commit},
		{"tar", "-xf", archive, "-C", folder},
	} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", args[0], err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// build builds the manager from the source, as the version that the bundle there has.
func build(ctx context.Context, source, binary string) (*release, error) {
	built, err := readBundle(filepath.Join(source, "bundle"))
	if err != nil {
		return nil, err
	}
	built.binary = binary
	return built, testenv.BuildManagerOf(ctx, source, built.version, binary)
}

func readBundle(folder string) (*release, error) {
	csv := struct {
		Metadata struct{ Name string }
		Spec     struct{ Version string }
	}{}
	text, err := os.ReadFile(filepath.Join(folder, "manifests", "five-spot.clusterserviceversion.yaml"))
	if err != nil {
		return nil, fmt.Errorf("failed to read the bundle: %w", err)
	}
	if err := yaml.Unmarshal(text, &csv); err != nil {
		return nil, fmt.Errorf("failed to read the bundle: %w", err)
	}
	return &release{csv: csv.Metadata.Name, version: "v" + csv.Spec.Version, bundle: folder}, nil
}
