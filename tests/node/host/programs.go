package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/finos/five-spot/tests/testenv"
)

// bundle is a Debian package, the programs in it that a node needs, and the folders in
// which they are found, on a machine and in the package.
type bundle struct {
	name     string
	programs []string
	folders  []string
}

var (
	commands = []string{"usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin"}
	// iproute2 has a command with the name of the plugin "bridge".
	plugins = []string{"usr/lib/cni", "usr/libexec/cni", "opt/cni/bin"}

	bundles = []bundle{
		{"containerd", []string{"containerd", "containerd-shim-runc-v2", "ctr"}, commands},
		{"runc", []string{"runc"}, commands},
		{"containernetworking-plugins", []string{"bridge", "host-local", "loopback"}, plugins},
	}
)

// programs fills a folder with links to all programs, and returns it.
func programs(ctx context.Context) (string, error) {
	root, err := testenv.SourceRoot(ctx)
	if err != nil {
		return "", err
	}
	base := filepath.Join(root, "bin", "node")
	folder := filepath.Join(base, "programs")
	if err := os.RemoveAll(folder); err != nil {
		return "", fmt.Errorf("failed to empty the folder of programs: %w", err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", fmt.Errorf("failed to create the folder of programs: %w", err)
	}
	for _, bundle := range bundles {
		if err := bundle.link(ctx, base, folder); err != nil {
			return "", err
		}
	}
	return folder, run(ctx, folder)
}

// link links the programs of a bundle, of this machine or else of the package.
func (b bundle) link(ctx context.Context, base, folder string) error {
	unpacked := filepath.Join(base, b.name)
	found := b.find("/")
	if found == nil {
		found = b.find(unpacked)
	}
	if found == nil {
		if err := unpack(ctx, base, b.name, unpacked); err != nil {
			return fmt.Errorf("%v are not installed: %w", b.programs, err)
		}
		found = b.find(unpacked)
	}
	if found == nil {
		return fmt.Errorf("package %s lacks one of %v", b.name, b.programs)
	}
	for _, path := range found {
		if err := os.Symlink(path, filepath.Join(folder, filepath.Base(path))); err != nil {
			return fmt.Errorf("failed to link a program: %w", err)
		}
	}
	return nil
}

// find returns the paths of all programs, or nothing where one is missing.
func (b bundle) find(root string) []string {
	var found []string
	for _, program := range b.programs {
		for _, folder := range b.folders {
			path := filepath.Join(root, folder, program)
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				found = append(found, path)
				break
			}
		}
	}
	if len(found) < len(b.programs) {
		return nil
	}
	return found
}

// unpack downloads a package and unpacks it into the folder. It leaves what apt knows of
// this machine as it is: lists of packages that are too old are not renewed, but others
// are made.
func unpack(ctx context.Context, base, name, folder string) error {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return errors.New("there is no apt-get to download them with")
	}
	download, err := os.MkdirTemp(base, "download-")
	if err != nil {
		return fmt.Errorf("failed to create a folder for package %s: %w", name, err)
	}
	defer os.RemoveAll(download)
	fmt.Fprintf(os.Stderr, "Downloading package %s\n", name)
	if err = command(ctx, download, "apt-get", "--quiet", "download", name); err != nil {
		lists := filepath.Join(download, "lists")
		own := []string{"--quiet", "-o", "Dir::State::lists=" + lists, "-o", "Dir::Cache=" + filepath.Join(download, "cache")}
		err = errors.Join(
			os.MkdirAll(filepath.Join(lists, "partial"), 0o755),
			command(ctx, download, "apt-get", append(own, "update")...),
			command(ctx, download, "apt-get", append(own, "download", name)...))
	}
	if err != nil {
		return fmt.Errorf("failed to download package %s: %w", name, err)
	}
	files, err := filepath.Glob(filepath.Join(download, "*.deb"))
	if err != nil || len(files) != 1 {
		return fmt.Errorf("failed to find package %s among %v", name, files)
	}
	unfinished := filepath.Join(download, "unpacked")
	if err := command(ctx, download, "dpkg-deb", "-x", files[0], unfinished); err != nil {
		return fmt.Errorf("failed to unpack package %s: %w", name, err)
	}
	if err := errors.Join(os.RemoveAll(folder), os.Rename(unfinished, folder)); err != nil {
		return fmt.Errorf("failed to store package %s: %w", name, err)
	}
	return nil
}

// run runs what may lack a library.
func run(ctx context.Context, folder string) error {
	for _, program := range []string{"containerd", "ctr", "runc"} {
		if err := command(ctx, folder, filepath.Join(folder, program), "--version"); err != nil {
			return fmt.Errorf("%s does not run here: %w", program, err)
		}
	}
	return nil
}

// command runs a program. What it prints becomes part of the error.
func command(ctx context.Context, folder, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}
