// Command bundle makes the bundle that a catalog serves to the Operator Lifecycle Manager,
// and checks it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/finos/five-spot/tools/bundle/check"
	"github.com/finos/five-spot/tools/bundle/compare"
	"github.com/finos/five-spot/tools/bundle/generate"
	"github.com/finos/five-spot/tools/bundle/released"
	"github.com/finos/five-spot/tools/bundle/rendered"
)

const usage = `bundle generate   writes the bundle that config/manifests makes
bundle render     prints what config/manifests makes, for operator-sdk
bundle validate   runs the validators and the checks of the scorecard over it, and compares
                  its CRDs with those of the last release
bundle compare    compares it with the one that operator-sdk made`

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("a command is missing:\n%s", usage)
	}
	commands := map[string]func(*options, io.Writer) error{
		"generate": makeBundle, "render": render, "validate": validate, "compare": compareWith,
	}
	command, found := commands[args[0]]
	if !found {
		return fmt.Errorf("%s is no command:\n%s", args[0], usage)
	}
	opts, err := parseOptions(args)
	if err != nil {
		return err
	}
	return command(opts, out)
}

// options are the flags of all commands.
type options struct {
	root, version, createdAt, folder, with string
	manager, agent                         string
	digests                                bool
}

func parseOptions(args []string) (*options, error) {
	opts := &options{}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.StringVar(&opts.root, "root", ".", "the project's folder")
	flags.StringVar(&opts.folder, "bundle", "", "the folder of the bundle; by default the project's")
	flags.StringVar(&opts.with, "with", "", "the folder of the bundle that operator-sdk made")
	flags.StringVar(&opts.version, "version", "", "the version, without a v")
	flags.StringVar(&opts.createdAt, "created-at", "", "when the bundle was made; by default what config/manifests/bases says")
	flags.StringVar(&opts.manager, "manager-image", "", "the manager's image; by default that of config/manager")
	flags.StringVar(&opts.agent, "agent-image", "", "the reclaim agent's image; by default that of config/manager")
	flags.BoolVar(&opts.digests, "digests", false, "refuse an image without a digest")
	if err := flags.Parse(args[1:]); err != nil {
		return nil, fmt.Errorf("failed to read the flags: %w", err)
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	if opts.folder == "" {
		opts.folder = filepath.Join(opts.root, "bundle")
	}
	return opts, nil
}

// build is what config/manifests makes, with the images that are given.
func build(opts *options) (*rendered.Objects, error) {
	objects, err := rendered.Build(filepath.Join(opts.root, "config", "manifests"))
	if err != nil {
		return nil, err
	}
	if err := objects.SetImages(map[string]string{"manager": opts.manager, "reclaim-agent": opts.agent}); err != nil {
		return nil, err
	}
	images, err := objects.Images()
	if err == nil && opts.digests {
		err = rendered.RequireDigests(images)
	}
	return objects, err
}

func makeBundle(opts *options, _ io.Writer) error {
	dockerfile, err := os.ReadFile(filepath.Join(opts.root, "bundle.Dockerfile"))
	if err != nil {
		return fmt.Errorf("failed to read the Dockerfile: %w", err)
	}
	if err := generate.CheckDockerfile(string(dockerfile)); err != nil {
		return err
	}
	objects, err := build(opts)
	if err != nil {
		return err
	}
	files, err := generate.Bundle(objects, generate.Options{Version: opts.version, CreatedAt: opts.createdAt})
	if err != nil {
		return err
	}
	return files.Save(opts.folder)
}

func render(opts *options, out io.Writer) error {
	objects, err := build(opts)
	if err != nil {
		return err
	}
	return objects.Write(out)
}

func validate(opts *options, out io.Writer) error {
	findings, err := check.All(opts.folder)
	if err != nil {
		return err
	}
	unsafe, err := check.Upgrade(opts.folder, released.Files)
	if err != nil {
		return err
	}
	findings = append(findings, unsafe...)
	failed := false
	for _, finding := range findings {
		fmt.Fprintln(out, finding)
		failed = failed || finding.Explanation == ""
	}
	if failed {
		return errors.New("the bundle is not as it should be")
	}
	return nil
}

func compareWith(opts *options, _ io.Writer) error {
	if opts.with == "" {
		return errors.New("-with is missing")
	}
	return compare.Bundles(opts.folder, opts.with)
}
